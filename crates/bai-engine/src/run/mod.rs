//! One run: its uncollected output, whether it waits for input, and how it ended.
//!
//! Only the session's actor adds output; any number of clients collect it. Back-pressure is applied here: the actor
//! stops reading the kernel's replies while [`Run::has_room`] is false, and the user's program then blocks on its pipe.
//!
//! A numbered collector ([`Run::attach`] with a number) loses no output with its connection: see [`retransmit`]. There
//! is one of these at a time; the next takes over from the last. Collectors without numbers share the output.

mod collect;
mod input;
mod outcome;
mod retransmit;
#[cfg(test)]
mod tests;

pub(super) use collect::{CollectOptions, Collector, Delivery};
pub(super) use input::RunInput;
pub(super) use outcome::{End, Outcome};

use super::buffer::{Buffer, OutputItem};
use bai_protocol::execute::RunId;
use retransmit::{Frame, RetransmitBuffer};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The most bytes that wait while there is a collector.
const ATTACHED_BOUND: usize = 2 << 20;
/// The most bytes that wait without a collector; also what is kept of a run that is interrupted or forsaken without one.
const ABANDONED_BOUND: usize = 8 << 20;
/// Bytes of one reply or frame. Escaping makes at most six bytes out of one, and the official client refuses frames of
/// more than 4 MiB.
const BATCH_BYTES: usize = 512 << 10;
/// A reply with this many bytes does not wait for more.
const ENOUGH_BYTES: usize = 64 << 10;
/// How long a client may be away and come back: longer than ours tries. Then a program at its terminal ends, and another one goes on when
/// no more of its output can be kept.
const FORSAKEN_AFTER: Duration = Duration::from_secs(30);
/// How long a client that polls may take until it asks again.
const BETWEEN_POLLS: Duration = Duration::from_secs(1);
/// How many lines or pieces of input are kept for a program that has not asked yet.
const KEPT_INPUTS: usize = 64;

#[derive(Debug, Default)]
struct RunState {
    /// Whether the kernel has begun the run.
    begun: bool,
    /// Whether it has ever printed anything.
    has_printed: bool,
    buffer: Buffer,
    /// Set while the program waits for a line.
    waiting: Option<bool>,
    /// How many times it has asked for a line.
    questions: u64,
    /// The question that the program has withdrawn, until the follower is told.
    withdrawn: Option<u64>,
    /// Input that came before the question.
    inputs: VecDeque<RunInput>,
    end: Option<End>,
    retransmit: RetransmitBuffer,
    /// How many numbered collectors there were. Only the last of them is served.
    turns: u64,
    /// Whether that collector is still attached.
    followed: bool,
    collectors: usize,
    /// From when on the run counts as left, without one.
    left: Option<Instant>,
    /// When it is to be reported that there is none ([`Run::forsaken`]).
    forsaken: Option<Instant>,
    /// Whether a client has got the end.
    told_end: bool,
    /// Whether output may be dropped that no client collects, also of a run that is not forsaken.
    may_drop: bool,
    last_push: Option<Instant>,
}

impl RunState {
    fn bound(&self) -> usize {
        if self.collectors > 0 { ATTACHED_BOUND } else { ABANDONED_BOUND }
    }

    /// Whether the oldest output may be dropped now.
    fn drops(&self) -> bool {
        let is_forsaken = || self.gives_up_at().is_some_and(|at| at <= Instant::now());
        self.collectors == 0 && (self.may_drop || is_forsaken())
    }

    /// When a client that has gone is not expected any more.
    fn gives_up_at(&self) -> Option<Instant> {
        self.left.map(|left| left + FORSAKEN_AFTER)
    }

    /// Whether there is something to deliver at once.
    fn has_news(&self, seen: u64) -> bool {
        self.end.is_some()
            || self.buffer.has_mark()
            || (self.waiting.is_some() && self.questions > seen)
            || self.is_withdrawn(seen)
            || self.buffer.bytes() >= ENOUGH_BYTES
    }

    /// Whether the program does not wait any more for the answer to the question `seen`.
    fn is_withdrawn(&self, seen: u64) -> bool {
        self.followed && self.withdrawn == Some(seen)
    }

    /// The next frame to send again, with the current state: its question may have been answered.
    fn frame_to_repeat(&self) -> Option<Frame> {
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
    /// Whether it is nobody's code, but a client that follows what no run owns.
    listens: bool,
    state: Mutex<RunState>,
    news: Notify,
    room: Notify,
    /// Notified of every change, for tests.
    #[cfg(test)]
    changed: Notify,
}

impl Run {
    pub(super) fn new(id: RunId) -> Arc<Self> {
        Run::with(id, false)
    }

    fn with(id: RunId, listens: bool) -> Arc<Self> {
        Arc::new(Run {
            id,
            listens,
            state: Mutex::default(),
            news: Notify::new(),
            room: Notify::new(),
            #[cfg(test)]
            changed: Notify::new(),
        })
    }

    /// Follows what no run owns. The oldest of it may be dropped while nobody collects.
    pub(super) fn listener(id: RunId) -> Arc<Self> {
        let listener = Run::with(id, true);
        listener.lock().may_drop = true;
        listener
    }

    pub(super) fn id(&self) -> &RunId {
        &self.id
    }

    fn lock(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Called by the actor.

    /// The kernel begins the run.
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
        let is_mark = item.is_mark();
        state.has_printed = true;
        state.buffer.push(item);
        if state.drops() {
            state.buffer.shrink_to(ABANDONED_BOUND);
        }
        state.last_push = Some(Instant::now());
        let after = state.buffer.bytes();
        drop(state);
        // In a flood of small pieces the collector is not woken for each of them.
        if was_empty || is_mark || (before < ENOUGH_BYTES && after >= ENOUGH_BYTES) {
            self.news.notify_waiters();
        }
        #[cfg(test)]
        self.changed.notify_waiters();
    }

    /// The program asks for input. Returns it if it came before the question.
    pub(super) fn ask(&self, is_password: bool) -> Option<RunInput> {
        let mut state = self.lock();
        if let Some(early) = state.inputs.pop_front() {
            return Some(early);
        }
        state.waiting = Some(is_password);
        state.withdrawn = None;
        state.questions += 1;
        drop(state);
        self.news.notify_waiters();
        None
    }

    /// The program does not wait for the answer to its question any more.
    pub(super) fn withdraw_question(&self) {
        let mut state = self.lock();
        if state.waiting.take().is_some() {
            state.withdrawn = Some(state.questions);
        }
        drop(state);
        self.news.notify_waiters();
    }

    /// The run has ended. Only the first end counts.
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
        state.drops() || state.end.is_some() || state.buffer.bytes() < state.bound()
    }

    /// Waits until [`Run::has_room`] may have changed.
    pub(super) async fn room(&self) {
        let gives_up_at = self.lock().gives_up_at().filter(|at| *at > Instant::now());
        match gives_up_at {
            Some(at) => drop(tokio::time::timeout_at(at, self.room.notified()).await),
            None => self.room.notified().await,
        }
    }

    /// Waits until no client has followed the run for a while, once for each time that the last one leaves. Cancel-safe.
    pub(super) async fn forsaken(&self) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let forsaken = self.lock().forsaken;
            match forsaken {
                Some(over) if over <= Instant::now() => {
                    self.lock().forsaken = None;
                    return;
                }
                Some(over) => drop(tokio::time::timeout_at(over, news).await),
                None => news.await,
            }
        }
    }

    /// Ends a listener whose client has gone, and returns what that client has not received.
    pub(super) fn reclaim(&self) -> Option<Vec<OutputItem>> {
        let mut state = self.lock();
        // One that was never served is about to be.
        if state.collectors > 0 || state.turns == 0 {
            return None;
        }
        state.retransmit.rewind(0);
        let sent =
            state.retransmit.take_unwritten().into_iter().flat_map(|frame| Arc::unwrap_or_clone(frame.items));
        let items = sent.chain(state.buffer.take_all()).filter(|item| !item.is_mark()).collect();
        drop(state);
        self.finish(End::Finished(0));
        Some(items)
    }

    // Called for clients.

    /// The run was interrupted. Drops lines that it has not asked for. From now on the oldest output may be dropped
    /// when there is no collector, so that the run reaches its end.
    pub(super) fn interrupted(&self) {
        let mut state = self.lock();
        state.inputs.clear();
        state.may_drop = true;
        drop(state);
        self.room.notify_one();
    }

    /// Input for the program. Returned when the program waits for it now, else kept for its next question.
    pub(super) fn input(&self, input: RunInput) -> Option<RunInput> {
        let mut state = self.lock();
        if state.waiting.take().is_some() {
            return Some(input);
        }
        if state.end.is_none() && state.inputs.len() < KEPT_INPUTS {
            state.inputs.push_back(input);
        }
        None
    }

    /// Waits until the kernel has begun the run. Cancel-safe.
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

    /// Whether its client has gone before it has got the end. One that waits for its turn has nothing to tell yet, and one that has ended
    /// without a word never has: a question whether the session answers, for example.
    pub(super) fn is_left(&self) -> bool {
        let state = self.lock();
        let is_silent = !state.has_printed && matches!(state.end, Some(End::Finished(0)));
        let is_left = state.left.is_some_and(|left| left <= Instant::now());
        !self.listens && state.begun && !is_silent && !state.told_end && is_left
    }

    /// Bytes that no client has collected or acknowledged.
    pub(super) fn uncollected(&self) -> usize {
        let state = self.lock();
        state.buffer.bytes() + state.retransmit.bytes()
    }

    /// Whether a client collects the output.
    #[cfg(test)]
    pub(super) fn is_collected(&self) -> bool {
        self.lock().collectors > 0
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
