//! Collectors of a run's output. They wait for output, and get it in pieces that fit into one frame.

use super::retransmit::Frame;
use super::{BATCH_BYTES, BETWEEN_POLLS, FORSAKEN_AFTER, Outcome, Run, RunState, with_step};
use crate::buffer::OutputItem;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a collector waits for output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CollectOptions {
    /// The limit when there is no output; `None` waits for ever.
    pub window: Option<Duration>,
    /// How long the first output waits for more.
    pub linger: Duration,
    /// Output is delivered earlier when no more came for this long.
    pub quiet: Duration,
}

/// One client that collects a run. The run counts it until it is dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    run: Arc<Run>,
    /// Its place in the order of numbered collectors; `None` for a collector without numbers.
    turn: Option<u64>,
    /// Whether it collects until the run ends or its client goes.
    is_steady: bool,
}

impl Collector {
    /// One that is no single poll.
    pub(crate) fn steady(mut self) -> Self {
        self.is_steady = true;
        self
    }

    /// Whether its frames are numbered.
    pub(crate) fn counts(&self) -> bool {
        self.turn.is_some()
    }

    fn is_served(&self, state: &RunState) -> bool {
        self.turn.is_none_or(|turn| turn == state.turns)
    }

    /// The client acknowledges this frame and all before it.
    pub(crate) fn received(&self, number: u64) {
        let mut state = self.run.lock();
        if self.turn.is_some() && self.is_served(&state) {
            state.retransmit.was_received(number);
            if state.told_end {
                state.retransmit.forget();
            }
            drop(state);
            self.run.news.notify_waiters();
            #[cfg(test)]
            self.run.changed.notify_waiters();
        }
    }

    /// Waits until another numbered collector has taken over.
    pub(crate) async fn taken_over(&self) {
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

    /// Waits for output or a change of state, for as long as `options` says. Questions up to the number `seen` are
    /// already known. Cancel-safe: what was taken and not delivered comes again. `None` when another collector has
    /// taken over.
    pub(crate) async fn collect(&self, options: CollectOptions, seen: u64) -> Option<Delivery> {
        let start = Instant::now();
        let run = &self.run;
        let mut first_output = None;
        loop {
            let notified = run.news.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let deadline = {
                let mut state = run.lock();
                if !self.is_served(&state) {
                    return None;
                }
                if self.counts()
                    && let Some(frame) = state.frame_to_repeat()
                {
                    return Some(Delivery::repeated(run, frame, self.turn));
                }
                if self.counts() && state.retransmit.is_full() {
                    None
                } else {
                    let mut deadline = options.window.map(|window| start + window);
                    if !state.buffer.is_empty() {
                        let now = Instant::now();
                        let first = *first_output.get_or_insert(now);
                        let last = state.last_push.unwrap_or(first);
                        let due = (first + options.linger).min(last + options.quiet);
                        deadline = Some(deadline.map_or(due, |window| window.min(due)));
                    }
                    if state.has_news(seen) || deadline.is_some_and(|at| at <= Instant::now()) {
                        return Some(run.deliver(&mut state, seen, self.turn));
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

impl Drop for Collector {
    fn drop(&mut self) {
        let mut state = self.run.lock();
        state.collectors = state.collectors.saturating_sub(1);
        if state.collectors == 0 {
            let now = Instant::now();
            state.left = Some(if self.is_steady { now } else { now + BETWEEN_POLLS });
            state.forsaken = Some(now + FORSAKEN_AFTER);
        }
        if self.turn == Some(state.turns) {
            state.followed = false;
        }
        drop(state);
        self.run.room.notify_one();
        self.run.news.notify_waiters();
        #[cfg(test)]
        self.run.changed.notify_waiters();
    }
}

/// The output for a collector. It is delivered again when this is dropped before [`Delivery::delivered`].
#[derive(Debug)]
pub(crate) struct Delivery {
    run: Arc<Run>,
    pub(crate) items: Arc<Vec<OutputItem>>,
    pub(crate) outcome: Outcome,
    /// Its number, for a numbered collector.
    pub(crate) number: Option<u64>,
    turn: Option<u64>,
    delivered: bool,
}

impl Delivery {
    fn repeated(run: &Arc<Run>, frame: Frame, turn: Option<u64>) -> Self {
        let Frame { number, items, outcome } = frame;
        Delivery { run: run.clone(), items, outcome, number: Some(number), turn, delivered: false }
    }

    /// Whether it is for a client that counts.
    pub(crate) fn counts(&self) -> bool {
        self.turn.is_some()
    }

    /// The frame was written completely.
    pub(crate) fn delivered(mut self) {
        self.delivered = true;
        let mut state = self.run.lock();
        state.told_end |= matches!(self.outcome, Outcome::Ended(_));
        if let Some(number) = self.number
            && self.turn == Some(state.turns)
        {
            state.retransmit.was_written(number);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // A numbered frame stays in the retransmit buffer.
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

impl Run {
    /// Adds a collector, until the guard is dropped. A numbered collector gives the number of the last frame that it
    /// has. It gets everything after that frame, as far as that is kept, and the numbered collector before it is no longer served.
    pub(crate) fn attach(self: &Arc<Self>, received: Option<u64>) -> Collector {
        let mut state = self.lock();
        state.collectors += 1;
        (state.left, state.forsaken) = (None, None);
        let turn = received.map(|number| {
            if number == 0 {
                state.retransmit.recall();
            }
            state.retransmit.rewind(number);
            state.turns += 1;
            state.followed = true;
            state.turns
        });
        if turn.is_none() && !state.followed {
            for frame in state.retransmit.take_unwritten().into_iter().rev() {
                state.buffer.put_back(with_step(frame.items, &frame.outcome));
            }
        }
        drop(state);
        self.news.notify_waiters();
        Collector { run: self.clone(), turn, is_steady: false }
    }

    fn deliver(self: &Arc<Self>, state: &mut RunState, seen: u64, turn: Option<u64>) -> Delivery {
        let mut items = state.buffer.take(BATCH_BYTES);
        let outcome = match items.pop() {
            Some(OutputItem::Step { status, exit_code }) => Outcome::Step { status, exit_code },
            last => {
                items.extend(last);
                match (&state.end, state.waiting) {
                    // A client that counts is told with each frame that its question is still open.
                    (None, Some(is_password)) if turn.is_some() && state.questions == seen => {
                        Outcome::Waiting { is_password, question: seen }
                    }
                    _ if !state.buffer.is_empty() => Outcome::Continued,
                    (Some(end), _) => Outcome::Ended(end.clone()),
                    (None, Some(is_password)) if state.questions > seen => {
                        Outcome::Waiting { is_password, question: state.questions }
                    }
                    (None, None) if turn.is_some() && state.is_withdrawn(seen) => {
                        state.withdrawn = None;
                        Outcome::Withdrawn
                    }
                    _ => Outcome::Continued,
                }
            }
        };
        let items = Arc::new(items);
        // A frame that only reports the current state needs no number: the state is reported again anyway.
        let is_change = matches!(outcome, Outcome::Step { .. } | Outcome::Withdrawn);
        let is_counted = turn.is_some() && (!items.is_empty() || is_change);
        let number = is_counted.then(|| state.retransmit.push(items.clone(), outcome.clone()));
        self.room.notify_one();
        Delivery { run: self.clone(), items, outcome, number, turn, delivered: false }
    }
}
