//! One run: what its kernel said and nobody has collected yet, whether it waits for input, how it ended.
//!
//! The session's actor is the only one that adds; any number of clients collect. Back-pressure is here: the actor stops
//! reading the kernel's replies while [`Run::has_room`] is false, and the user's program then blocks on its pipe.

use super::buffer::{Buffer, Item};
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
    collectors: usize,
    /// Set once output that nobody collects may be dropped.
    may_drop: bool,
    last_push: Option<Instant>,
}

impl Inner {
    fn bound(&self) -> usize {
        if self.collectors > 0 { ATTACHED_BOUND } else { ABANDONED_BOUND }
    }
}

/// A run, shared by the actor and its collectors.
#[derive(Debug)]
pub(super) struct Run {
    id: RunId,
    inner: Mutex<Inner>,
    news: Notify,
    room: Notify,
}

impl Run {
    pub(super) fn new(id: RunId) -> Arc<Self> {
        Arc::new(Run { id, inner: Mutex::default(), news: Notify::new(), room: Notify::new() })
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

    /// Bytes that nobody has collected.
    pub(super) fn uncollected(&self) -> usize {
        self.lock().buffer.bytes()
    }

    /// Says that somebody collects as long as the guard lives.
    pub(super) fn attach(self: &Arc<Self>) -> Attached {
        self.lock().collectors += 1;
        Attached(self.clone())
    }

    /// Waits for output or news, as long as `patience` says. A question with a number up to `seen` is no news. Cancel
    /// safe: what was taken and not delivered goes back.
    pub(super) async fn collect(self: &Arc<Self>, patience: Patience, seen: u64) -> Delivery {
        let start = Instant::now();
        let mut first_output = None;
        loop {
            let notified = self.news.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let deadline = {
                let mut inner = self.lock();
                let mut deadline = patience.window.map(|window| start + window);
                if !inner.buffer.is_empty() {
                    let now = Instant::now();
                    let first = *first_output.get_or_insert(now);
                    let last = inner.last_push.unwrap_or(first);
                    let due = (first + patience.linger).min(last + patience.quiet);
                    deadline = Some(deadline.map_or(due, |window| window.min(due)));
                }
                let is_news = inner.end.is_some()
                    || inner.buffer.has_step()
                    || (inner.waiting.is_some() && inner.questions > seen)
                    || inner.buffer.bytes() >= ENOUGH_BYTES;
                if is_news || deadline.is_some_and(|at| at <= Instant::now()) {
                    return self.deliver(&mut inner, seen);
                }
                deadline
            };
            match deadline {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, notified).await;
                }
                None => notified.await,
            }
        }
    }

    fn deliver(self: &Arc<Self>, inner: &mut Inner, seen: u64) -> Delivery {
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
        self.room.notify_one();
        Delivery { run: self.clone(), items, outcome, delivered: false }
    }
}

/// Somebody collects a run.
#[derive(Debug)]
pub(super) struct Attached(Arc<Run>);

impl Drop for Attached {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.collectors = inner.collectors.saturating_sub(1);
        drop(inner);
        self.0.room.notify_one();
    }
}

/// What a collector got. Goes back into the run when it is dropped before [`Delivery::delivered`].
#[derive(Debug)]
pub(super) struct Delivery {
    run: Arc<Run>,
    pub(super) items: Vec<Item>,
    pub(super) outcome: Outcome,
    delivered: bool,
}

impl Delivery {
    /// It reached its client.
    pub(super) fn delivered(mut self) {
        self.delivered = true;
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.delivered {
            return;
        }
        let mut items = std::mem::take(&mut self.items);
        if let Outcome::Step { status, exit_code } = &self.outcome {
            items.push(Item::Step { status: status.clone(), exit_code: *exit_code });
        }
        if !items.is_empty() {
            self.run.lock().buffer.put_back(items);
            self.run.news.notify_waiters();
        }
    }
}
