//! When a client looks what a session does whose run is silent: whether its kernel still lives, and, for a run that has not begun, what
//! runs instead. A kernel that runs nothing while the server says that the run goes on tells that the server has lost the end of the run; so does the
//! end of the command of a batch step. What is seen is in `activity` and `step_end`; what becomes of the run, in `driver`.

use super::Cell;
use super::activity::{Activity, Sight, look};
use super::step_end::StepEnd;
use crate::prelude;
use crate::session_ref::SessionRef;
use bai_protocol::capability::Capabilities;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The longest pause between two looks. One costs the server about 0.2 s of computing time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A kernel that has run no cell for this time has ended the run. The questions of the prelude, which are no cells, take less.
const IDLE_LIMIT: Duration = Duration::from_secs(8);
/// The same in times of the patience, for those who have little.
const IDLE_PATIENCE: u32 = 8;

/// When to look next, and the look that is under way.
pub(super) struct KernelWatch {
    /// How long a run is silent before the first look. `None` if nobody looks.
    patience: Option<Duration>,
    pause: Duration,
    pub(super) next: Option<Instant>,
    pub(super) looking: Option<BoxFuture<'static, Sight>>,
    /// Since when the kernel was seen without a cell.
    idle: Option<Instant>,
    /// Only until the first frame: after that no kernel runs the program.
    until_begun: bool,
    /// What tells the end of a batch step after the first frame.
    step: Option<StepEnd>,
    has_begun: bool,
    /// What the runs of the session know of its kernel's end. Another client may have restarted it since, so each run looks again,
    /// at once.
    ended: Arc<AtomicBool>,
    /// Whether an earlier run has seen the kernel's end.
    pub(super) had_ended: bool,
}

impl KernelWatch {
    /// The watch over a run of this cell; `None` for a run that began elsewhere. A batch step may tell its end.
    pub(super) fn new(
        capabilities: &Capabilities,
        (cell, step): (Option<&Cell>, Option<StepEnd>),
        patience: Duration,
        ended: Arc<AtomicBool>,
    ) -> Self {
        let patience = cell.filter(|_| prelude::is_useful(capabilities)).map(|_| patience);
        let until_begun = step.is_none() && matches!(cell, Some(Cell::Batch(_)));
        let had_ended = ended.load(Ordering::Relaxed);
        let mut watch = KernelWatch {
            patience,
            pause: Duration::ZERO,
            next: None,
            looking: None,
            idle: None,
            until_begun,
            step,
            has_begun: false,
            ended,
            had_ended,
        };
        watch.begin_again();
        if had_ended {
            watch.hurry(Duration::ZERO);
        }
        watch
    }

    /// The program has printed something, or got an answer.
    pub(super) fn begin_again(&mut self) {
        (self.looking, self.idle) = (None, None);
        self.pause = self.patience.unwrap_or_default();
        self.next = self.patience.map(|patience| Instant::now() + patience);
    }

    /// A frame came. Nobody looks while a program waits for an answer.
    pub(super) fn heard(&mut self, is_news: bool, waits: bool) {
        self.has_begun = true;
        if self.until_begun {
            self.patience = None;
        }
        if waits {
            (self.next, self.looking, self.idle) = (None, None, None);
        } else if is_news || (self.next.is_none() && self.looking.is_none()) {
            self.begin_again();
        }
    }

    /// The next look is after this time at the latest: there is a reason to doubt.
    pub(super) fn hurry(&mut self, pause: Duration) {
        if self.patience.is_some() && self.looking.is_none() {
            let soon = Instant::now() + pause;
            self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
        }
    }

    /// Whether anybody looks.
    pub(super) fn can_look(&self) -> bool {
        self.patience.is_some()
    }

    pub(super) fn look(&mut self, session: &SessionRef) {
        self.next = None;
        if self.looking.is_none() {
            let (session, ended) = (session.clone(), self.ended.clone());
            let step = self.step.clone().filter(|_| self.has_begun);
            self.looking = Some(Box::pin(async move {
                if let Some(step) = step {
                    return step.look(&session).await;
                }
                let sight = look(&session).await;
                ended.store(matches!(sight, Sight::KernelEnded { .. }), Ordering::Relaxed);
                sight
            }));
        }
    }

    /// Nothing was seen.
    pub(super) fn rest(&mut self) {
        self.looking = None;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.next = self.patience.map(|_| Instant::now() + self.pause);
    }

    /// The kernel of a run that has begun was seen so. Returns whether the server has lost the end of the run.
    pub(super) fn has_lost_end(&mut self, activity: Activity) -> bool {
        if activity != Activity::Nothing {
            self.idle = None;
            return false;
        }
        let idle = self.idle.get_or_insert_with(Instant::now).elapsed();
        let limit = IDLE_LIMIT.min(self.patience.unwrap_or_default() * IDLE_PATIENCE);
        if idle < limit {
            self.hurry(limit - idle);
            return false;
        }
        self.idle = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kernel_that_stays_idle_has_ended_its_run() {
        let capabilities = Capabilities::default();
        let patience = Duration::from_secs(3600);
        let mut watch =
            KernelWatch::new(&capabilities, (Some(&Cell::query("1")), None), patience, Arc::default());
        let long_ago = Instant::now() - IDLE_LIMIT;
        assert!(!watch.has_lost_end(Activity::Nothing), "it was not looked at before");
        watch.idle = Some(long_ago);
        assert!(watch.has_lost_end(Activity::Nothing));
        for busy in [Activity::Cell, Activity::Unknown] {
            watch.idle = Some(long_ago);
            assert!(!watch.has_lost_end(busy) && !watch.has_lost_end(Activity::Nothing), "{busy:?}");
        }
        for (is_news, waits) in [(true, false), (false, true)] {
            watch.idle = Some(long_ago);
            watch.heard(is_news, waits);
            assert!(!watch.has_lost_end(Activity::Nothing));
        }
    }
}
