//! One run: what its kernel said and nobody has collected yet, whether it waits for input, how it ended.
//!
//! The session's actor is the only one that adds; any number of clients collect. Back-pressure is here: the actor stops
//! reading the kernel's replies while [`Run::has_room`] is false, and the user's program then blocks on its pipe.
//!
//! A collector that counts ([`Run::attach`] with a number) loses nothing with its connection: see [`super::sent`]. There
//! is one of these at a time; the next takes over from the last. Collectors that do not count share what comes.

use super::buffer::{Buffer, Item};
use super::sent::{Frame, Sent};
use crate::protocol::execute::{RunId, RunStatus};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes that wait at most while somebody collects.
const ATTACHED_BOUND: usize = 2 << 20;
/// Bytes that wait at most while nobody does, and what stays of an interrupted run that nobody collects.
const ABANDONED_BOUND: usize = 8 << 20;
/// Bytes of one reply or frame. Escaping makes at most six bytes of one, and the official client refuses frames of
/// more than 4 MiB.
const BATCH_BYTES: usize = 512 << 10;
/// A reply does not wait for company once it has this many bytes.
const ENOUGH_BYTES: usize = 64 << 10;
/// Lines that are kept for a program that does not ask yet.
const KEPT_INPUTS: usize = 64;

/// How long a collector waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// When there is nothing at all; `None` waits for ever.
    pub window: Option<Duration>,
    /// How long the first output waits for company.
    pub linger: Duration,
    /// Output is delivered earlier when nothing was added for this long.
    pub quiet: Duration,
}

/// Why a run has no more to say.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// The kernel finished it.
    Finished(i32),
    /// The session ended under it; the text is for people.
    Destroyed(String),
    /// The engine goes away.
    Shutdown,
}

/// The state that a delivery tells of, after its output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Continued,
    /// The program asks; the number tells one question from the next.
    Waiting {
        is_password: bool,
        question: u64,
    },
    Step {
        status: RunStatus,
        exit_code: i32,
    },
    Ended(End),
}

#[derive(Debug, Default)]
struct Inner {
    buffer: Buffer,
    /// Set while the program waits for a line.
    waiting: Option<bool>,
    /// How many times it has asked.
    questions: u64,
    /// Lines that came before the question.
    inputs: VecDeque<String>,
    end: Option<End>,
    sent: Sent,
    /// How many collectors that count there were; the last of them is the one that is served.
    turns: u64,
    /// Whether that one is still attached.
    followed: bool,
    collectors: usize,
    /// Set once output that nobody collects may be dropped.
    may_drop: bool,
    last_push: Option<Instant>,
}

impl Inner {
    fn bound(&self) -> usize {
        if self.collectors > 0 { ATTACHED_BOUND } else { ABANDONED_BOUND }
    }

    /// Whether there is something that does not wait for company.
    fn has_news(&self, seen: u64) -> bool {
        self.end.is_some()
            || self.buffer.has_step()
            || (self.waiting.is_some() && self.questions > seen)
            || self.buffer.bytes() >= ENOUGH_BYTES
    }

    /// What comes again, in the state of now: a question may have been answered.
    fn again(&self) -> Option<Frame> {
        let mut frame = self.sent.unwritten()?.clone();
        if let Outcome::Waiting { question, .. } = frame.outcome
            && (self.waiting.is_none() || question != self.questions)
        {
            frame.outcome = Outcome::Continued;
        }
        Some(frame)
    }
}

/// A run, shared by the actor and its collectors.
#[derive(Debug)]
pub(super) struct Run {
    id: RunId,
    inner: Mutex<Inner>,
    news: Notify,
    room: Notify,
    /// Told of every change, for tests that wait for one.
    #[cfg(test)]
    changed: Notify,
}

impl Run {
    pub(super) fn new(id: RunId) -> Arc<Self> {
        Arc::new(Run {
            id,
            inner: Mutex::default(),
            news: Notify::new(),
            room: Notify::new(),
            #[cfg(test)]
            changed: Notify::new(),
        })
    }

    pub(super) fn id(&self) -> &RunId {
        &self.id
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What the actor does.

    /// Adds output or the end of a step.
    pub(super) fn push(&self, item: Item) {
        let mut inner = self.lock();
        let before = inner.buffer.bytes();
        let was_empty = inner.buffer.is_empty();
        let is_step = matches!(item, Item::Step { .. });
        inner.buffer.push(item);
        if inner.may_drop && inner.collectors == 0 {
            inner.buffer.shrink_to(ABANDONED_BOUND);
        }
        inner.last_push = Some(Instant::now());
        let after = inner.buffer.bytes();
        drop(inner);
        // A flood of small output wakes its collector when there is something to do, not for each piece.
        if was_empty || is_step || (before < ENOUGH_BYTES && after >= ENOUGH_BYTES) {
            self.news.notify_waiters();
        }
        #[cfg(test)]
        self.changed.notify_waiters();
    }

    /// The program asks for a line. Gives the line when one came before the question.
    pub(super) fn ask(&self, is_password: bool) -> Option<String> {
        let mut inner = self.lock();
        if let Some(early) = inner.inputs.pop_front() {
            return Some(early);
        }
        inner.waiting = Some(is_password);
        inner.questions += 1;
        drop(inner);
        self.news.notify_waiters();
        None
    }

    /// Nothing more will come. Only the first end counts.
    pub(super) fn finish(&self, end: End) {
        let mut inner = self.lock();
        inner.end.get_or_insert(end);
        inner.waiting = None;
        inner.inputs.clear();
        drop(inner);
        self.news.notify_waiters();
        self.room.notify_one();
        #[cfg(test)]
        self.changed.notify_waiters();
    }

    /// Whether the actor may read more replies for this run.
    pub(super) fn has_room(&self) -> bool {
        let inner = self.lock();
        let may_drop = inner.may_drop && inner.collectors == 0;
        may_drop || inner.end.is_some() || inner.buffer.bytes() < inner.bound()
    }

    /// Waits until [`Run::has_room`] may have changed.
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    // What clients do.

    /// The run was interrupted: lines that it has not asked for are dropped, and if nobody collects, its end must be
    /// reached all the same, so the oldest output may go.
    pub(super) fn interrupted(&self) {
        let mut inner = self.lock();
        inner.inputs.clear();
        inner.may_drop = true;
        drop(inner);
        self.room.notify_one();
    }

    /// A line for the program. Given back when it waits for one now; kept for its next question otherwise.
    pub(super) fn input(&self, text: String) -> Option<String> {
        let mut inner = self.lock();
        if inner.waiting.take().is_some() {
            return Some(text);
        }
        if inner.end.is_none() && inner.inputs.len() < KEPT_INPUTS {
            inner.inputs.push_back(text);
        }
        None
    }

    /// Whether it is over, collected or not.
    pub(super) fn is_over(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Bytes that nobody has collected, or of which it is not known whether they arrived.
    pub(super) fn uncollected(&self) -> usize {
        let inner = self.lock();
        inner.buffer.bytes() + inner.sent.bytes()
    }

    /// Says that somebody collects as long as the guard lives. One that counts brings the number of the last frame that
    /// it has; it is given everything after that, and whoever counted before it is not served any more.
    pub(super) fn attach(self: &Arc<Self>, received: Option<u64>) -> Attached {
        let mut inner = self.lock();
        inner.collectors += 1;
        let turn = received.map(|number| {
            inner.sent.rewind(number);
            inner.turns += 1;
            inner.followed = true;
            inner.turns
        });
        if turn.is_none() && !inner.followed {
            for frame in inner.sent.take_unwritten().into_iter().rev() {
                inner.buffer.put_back(with_step(frame.items, &frame.outcome));
            }
        }
        drop(inner);
        self.news.notify_waiters();
        Attached { run: self.clone(), turn }
    }

    /// Waits until `condition` holds.
    #[cfg(test)]
    pub(super) async fn until(&self, condition: impl Fn(&Run) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }

    fn deliver(self: &Arc<Self>, inner: &mut Inner, seen: u64, turn: Option<u64>) -> Delivery {
        let mut items = inner.buffer.take(BATCH_BYTES);
        let outcome = match items.pop() {
            Some(Item::Step { status, exit_code }) => Outcome::Step { status, exit_code },
            last => {
                items.extend(last);
                match (&inner.end, inner.waiting) {
                    _ if !inner.buffer.is_empty() => Outcome::Continued,
                    (Some(end), _) => Outcome::Ended(end.clone()),
                    (None, Some(is_password)) if inner.questions > seen => {
                        Outcome::Waiting { is_password, question: inner.questions }
                    }
                    _ => Outcome::Continued,
                }
            }
        };
        let items = Arc::new(items);
        // What is nothing but the state of now needs no number: it is told again in any case.
        let is_counted = turn.is_some() && (!items.is_empty() || matches!(outcome, Outcome::Step { .. }));
        let number = is_counted.then(|| inner.sent.push(items.clone(), outcome.clone()));
        self.room.notify_one();
        Delivery { run: self.clone(), items, outcome, number, turn, delivered: false }
    }
}

/// Somebody collects a run.
#[derive(Debug)]
pub(super) struct Attached {
    run: Arc<Run>,
    /// Its turn, for one that counts.
    turn: Option<u64>,
}

impl Attached {
    /// Whether it counts.
    pub(super) fn counts(&self) -> bool {
        self.turn.is_some()
    }

    fn is_served(&self, inner: &Inner) -> bool {
        self.turn.is_none_or(|turn| turn == inner.turns)
    }

    /// The client says that it has this frame and all before it.
    pub(super) fn received(&self, number: u64) {
        let mut inner = self.run.lock();
        if self.turn.is_some() && self.is_served(&inner) {
            inner.sent.was_received(number);
            drop(inner);
            self.run.news.notify_waiters();
            #[cfg(test)]
            self.run.changed.notify_waiters();
        }
    }

    /// Waits until another one that counts has taken over.
    pub(super) async fn taken_over(&self) {
        loop {
            let notified = self.run.news.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if !self.is_served(&self.run.lock()) {
                return;
            }
            notified.await;
        }
    }

    /// Waits for output or news, as long as `patience` says. A question with a number up to `seen` is no news. Cancel
    /// safe: what was taken and not delivered comes again. `None` when another one has taken over.
    pub(super) async fn collect(&self, patience: Patience, seen: u64) -> Option<Delivery> {
        let start = Instant::now();
        let run = &self.run;
        let mut first_output = None;
        loop {
            let notified = run.news.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let deadline = {
                let mut inner = run.lock();
                if !self.is_served(&inner) {
                    return None;
                }
                if self.counts()
                    && let Some(frame) = inner.again()
                {
                    return Some(Delivery::again(run, frame, self.turn));
                }
                if self.counts() && inner.sent.is_full() {
                    None
                } else {
                    let mut deadline = patience.window.map(|window| start + window);
                    if !inner.buffer.is_empty() {
                        let now = Instant::now();
                        let first = *first_output.get_or_insert(now);
                        let last = inner.last_push.unwrap_or(first);
                        let due = (first + patience.linger).min(last + patience.quiet);
                        deadline = Some(deadline.map_or(due, |window| window.min(due)));
                    }
                    if inner.has_news(seen) || deadline.is_some_and(|at| at <= Instant::now()) {
                        return Some(run.deliver(&mut inner, seen, self.turn));
                    }
                    deadline
                }
            };
            match deadline {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, notified).await;
                }
                None => notified.await,
            }
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut inner = self.run.lock();
        inner.collectors = inner.collectors.saturating_sub(1);
        if self.turn == Some(inner.turns) {
            inner.followed = false;
        }
        drop(inner);
        self.run.room.notify_one();
    }
}

/// What a collector got. Comes again when it is dropped before [`Delivery::delivered`].
#[derive(Debug)]
pub(super) struct Delivery {
    run: Arc<Run>,
    pub(super) items: Arc<Vec<Item>>,
    pub(super) outcome: Outcome,
    /// Its number, for a collector that counts.
    pub(super) number: Option<u64>,
    turn: Option<u64>,
    delivered: bool,
}

impl Delivery {
    fn again(run: &Arc<Run>, frame: Frame, turn: Option<u64>) -> Self {
        let Frame { number, items, outcome } = frame;
        Delivery { run: run.clone(), items, outcome, number: Some(number), turn, delivered: false }
    }

    /// It was written whole.
    pub(super) fn delivered(mut self) {
        self.delivered = true;
        let mut inner = self.run.lock();
        if let Some(number) = self.number
            && self.turn == Some(inner.turns)
        {
            inner.sent.was_written(number);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // What has a number is kept where it is.
        if self.delivered || self.number.is_some() {
            return;
        }
        let items = with_step(std::mem::take(&mut self.items), &self.outcome);
        if !items.is_empty() {
            self.run.lock().buffer.put_back(items);
            self.run.news.notify_waiters();
        }
    }
}

/// The items as they were in the buffer.
fn with_step(items: Arc<Vec<Item>>, outcome: &Outcome) -> Vec<Item> {
    let mut items = Arc::unwrap_or_clone(items);
    if let Outcome::Step { status, exit_code } = outcome {
        items.push(Item::Step { status: status.clone(), exit_code: *exit_code });
    }
    items
}
