//! A limit of time for work that cannot be stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::terminal::CONTAINED;

/// So many jobs may be overdue before new ones are refused. The limits on size see to it that they end.
const MOST_OVERDUE: usize = 2;

/// A picture that is nested deeply needs it; what is not needed is never touched.
const STACK: usize = 64 * 1024 * 1024;

/// Jobs that nobody waits for any longer and that still run.
static OVERDUE: AtomicUsize = AtomicUsize::new(0);

/// What has become of a job.
const RUNNING: u8 = 0;
const DONE: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Tells the end of a job, also when it panics.
struct Ending(Arc<AtomicU8>);

impl Drop for Ending {
    fn drop(&mut self) {
        if self.0.swap(DONE, Ordering::AcqRel) == GIVEN_UP {
            OVERDUE.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::render) enum Undone {
    /// It takes too long, or others before it still run that should have ended long ago.
    Late,
    /// It panicked, or no thread could be had.
    Broken,
}

/// Runs `job` on a thread of its own, for at most `limit`. Late results are dropped.
///
/// # Errors
/// Why there is no result.
pub(in crate::render) fn within<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Undone> {
    if OVERDUE.load(Ordering::Acquire) >= MOST_OVERDUE {
        return Err(Undone::Late);
    }
    let state = Arc::new(AtomicU8::new(RUNNING));
    let ending = Ending(Arc::clone(&state));
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(CONTAINED.to_owned()).stack_size(STACK);
    let begun = thread.spawn(move || {
        let ending = ending;
        let done = job();
        drop(ending);
        let _ = sender.send(done);
    });
    begun.map_err(|_| Undone::Broken)?;
    let result = receiver.recv_timeout(limit);
    if matches!(result, Err(RecvTimeoutError::Timeout)) {
        // Counted first, so that the count is never below zero.
        OVERDUE.fetch_add(1, Ordering::AcqRel);
        if state.swap(GIVEN_UP, Ordering::AcqRel) == DONE {
            OVERDUE.fetch_sub(1, Ordering::AcqRel);
        }
    }
    result.map_err(|error| match error {
        RecvTimeoutError::Timeout => Undone::Late,
        RecvTimeoutError::Disconnected => Undone::Broken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_too_long_is_not_waited_for() {
        let (hold, held) = mpsc::channel::<()>();
        let late = within(Duration::from_millis(1), move || held.recv().is_err());
        assert_eq!(late, Err(Undone::Late));
        assert_eq!(within(Duration::from_secs(60), || 7), Ok(7));
        drop(hold);
    }

    #[test]
    fn who_panics_is_told_from_who_is_late() {
        for _ in 0..2 * MOST_OVERDUE {
            let broken: Result<(), _> = within(Duration::from_secs(60), || panic!("on purpose"));
            assert_eq!(broken, Err(Undone::Broken));
        }
        assert_eq!(within(Duration::from_secs(60), || 7), Ok(7), "those that broke are not waited for");
    }
}
