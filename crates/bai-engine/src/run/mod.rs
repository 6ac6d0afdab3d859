//! One run: what its kernel said and nobody has collected yet, whether it waits for input, how it ended.
//!
//! The session's actor is the only one that adds; any number of clients collect. Back-pressure is here: the actor stops
//! reading the kernel's replies while [`Run::has_room`] is false, and the user's program then blocks on its pipe.
//!
//! A collector that counts ([`Run::attach`] with a number) loses nothing with its connection: see [`retransmit`]. There
//! is one of these at a time; the next takes over from the last. Collectors that do not count share what comes.

mod collect;
mod outcome;
mod retransmit;
#[cfg(test)]
mod tests;

pub(super) use collect::{CollectOptions, Collector, Delivery};
pub(super) use outcome::{End, Outcome};

use super::buffer::{Buffer, OutputItem};
use bai_protocol::execute::RunId;
use retransmit::{Frame, RetransmitBuffer};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

#[derive(Debug, Default)]
struct RunState {
    /// Whether its turn has come.
    begun: bool,
    buffer: Buffer,
    /// Set while the program waits for a line.
    waiting: Option<bool>,
    /// How many times it has asked.
    questions: u64,
    /// Lines that came before the question.
    inputs: VecDeque<String>,
    end: Option<End>,
    retransmit: RetransmitBuffer,
    /// How many collectors that count there were; the last of them is the one that is served.
    turns: u64,
    /// Whether that one is still attached.
    followed: bool,
    collectors: usize,
    /// Set once output that nobody collects may be dropped.
    may_drop: bool,
    last_push: Option<Instant>,
}

impl RunState {
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
        let mut frame = self.retransmit.unwritten()?.clone();
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
    state: Mutex<RunState>,
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
            state: Mutex::default(),
            news: Notify::new(),
            room: Notify::new(),
            #[cfg(test)]
            changed: Notify::new(),
        })
    }

    pub(super) fn id(&self) -> &RunId {
        &self.id
    }

    fn lock(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What the actor does.

    /// The kernel has it now.
    pub(super) fn begin(&self) {
        self.lock().begun = true;
        self.news.notify_waiters();
    }

    /// Adds output or the end of a step.
    pub(super) fn push(&self, item: impl Into<OutputItem>) {
        let item = item.into();
        let mut state = self.lock();
        let before = state.buffer.bytes();
        let was_empty = state.buffer.is_empty();
        let is_step = matches!(item, OutputItem::Step { .. });
        state.buffer.push(item);
        if state.may_drop && state.collectors == 0 {
            state.buffer.shrink_to(ABANDONED_BOUND);
        }
        state.last_push = Some(Instant::now());
        let after = state.buffer.bytes();
        drop(state);
        // A flood of small output wakes its collector when there is something to do, not for each piece.
        if was_empty || is_step || (before < ENOUGH_BYTES && after >= ENOUGH_BYTES) {
            self.news.notify_waiters();
        }
        #[cfg(test)]
        self.changed.notify_waiters();
    }

    /// The program asks for a line. Gives the line when one came before the question.
    pub(super) fn ask(&self, is_password: bool) -> Option<String> {
        let mut state = self.lock();
        if let Some(early) = state.inputs.pop_front() {
            return Some(early);
        }
        state.waiting = Some(is_password);
        state.questions += 1;
        drop(state);
        self.news.notify_waiters();
        None
    }

    /// Nothing more will come. Only the first end counts.
    pub(super) fn finish(&self, end: End) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        state.waiting = None;
        state.inputs.clear();
        drop(state);
        self.news.notify_waiters();
        self.room.notify_one();
        #[cfg(test)]
        self.changed.notify_waiters();
    }

    /// Whether the actor may read more replies for this run.
    pub(super) fn has_room(&self) -> bool {
        let state = self.lock();
        let may_drop = state.may_drop && state.collectors == 0;
        may_drop || state.end.is_some() || state.buffer.bytes() < state.bound()
    }

    /// Waits until [`Run::has_room`] may have changed.
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    // What clients do.

    /// The run was interrupted: lines that it has not asked for are dropped, and if nobody collects, its end must be
    /// reached all the same, so the oldest output may go.
    pub(super) fn interrupted(&self) {
        let mut state = self.lock();
        state.inputs.clear();
        state.may_drop = true;
        drop(state);
        self.room.notify_one();
    }

    /// A line for the program. Given back when it waits for one now; kept for its next question otherwise.
    pub(super) fn input(&self, text: String) -> Option<String> {
        let mut state = self.lock();
        if state.waiting.take().is_some() {
            return Some(text);
        }
        if state.end.is_none() && state.inputs.len() < KEPT_INPUTS {
            state.inputs.push_back(text);
        }
        None
    }

    /// Waits until its turn has come. Cancel-safe.
    pub(super) async fn begun(&self) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if self.lock().begun {
                return;
            }
            news.await;
        }
    }

    /// Whether it is over, collected or not.
    pub(super) fn is_over(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Bytes that nobody has collected, or of which it is not known whether they arrived.
    pub(super) fn uncollected(&self) -> usize {
        let state = self.lock();
        state.buffer.bytes() + state.retransmit.bytes()
    }

    /// Waits until `condition` holds.
    #[cfg(test)]
    pub(super) async fn until(&self, condition: impl Fn(&Run) -> bool) {
        crate::until(&self.changed, || condition(self)).await;
    }
}

/// The items as they were in the buffer.
fn with_step(items: Arc<Vec<OutputItem>>, outcome: &Outcome) -> Vec<OutputItem> {
    let mut items = Arc::unwrap_or_clone(items);
    if let Outcome::Step { status, exit_code } = outcome {
        items.push(OutputItem::Step { status: status.clone(), exit_code: *exit_code });
    }
    items
}
