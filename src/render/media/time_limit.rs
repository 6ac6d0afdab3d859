//! A limit of time for work that cannot be stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::terminal::CONTAINED_THREAD;

/// The most jobs that may be overdue before new ones are refused. The limits on size make sure that they end.
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
struct EndGuard(Arc<AtomicU8>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        if self.0.swap(DONE, Ordering::AcqRel) == GIVEN_UP {
            OVERDUE.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::render) enum JobError {
    /// It takes too long, or others before it still run that should have ended long ago.
    TimedOut,
    /// It panicked, or no thread could be had.
    Failed,
}

/// Runs `job` on a thread of its own, for at most `limit`. Late results are dropped.
///
/// # Errors
/// Why there is no result.
pub(in crate::render) fn run_with_limit<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobError> {
    if OVERDUE.load(Ordering::Acquire) >= MOST_OVERDUE {
        return Err(JobError::TimedOut);
    }
    let state = Arc::new(AtomicU8::new(RUNNING));
    let ending = EndGuard(Arc::clone(&state));
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(CONTAINED_THREAD.to_owned()).stack_size(STACK);
    let begun = thread.spawn(move || {
        let ending = ending;
        let done = job();
        drop(ending);
        let _ = sender.send(done);
    });
    begun.map_err(|_| JobError::Failed)?;
    let result = receiver.recv_timeout(limit);
    if matches!(result, Err(RecvTimeoutError::Timeout)) {
        // Counted first, so that the count is never below zero.
        OVERDUE.fetch_add(1, Ordering::AcqRel);
        if state.swap(GIVEN_UP, Ordering::AcqRel) == DONE {
            OVERDUE.fetch_sub(1, Ordering::AcqRel);
        }
    }
    result.map_err(|error| match error {
        RecvTimeoutError::Timeout => JobError::TimedOut,
        RecvTimeoutError::Disconnected => JobError::Failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_too_long_is_not_waited_for() {
        let (hold, held) = mpsc::channel::<()>();
        let late = run_with_limit(Duration::from_millis(1), move || held.recv().is_err());
        assert_eq!(late, Err(JobError::TimedOut));
        assert_eq!(run_with_limit(Duration::from_secs(60), || 7), Ok(7));
        drop(hold);
    }

    #[test]
    fn who_panics_is_told_from_who_is_late() {
        for _ in 0..2 * MOST_OVERDUE {
            let broken: Result<(), _> = run_with_limit(Duration::from_secs(60), || panic!("on purpose"));
            assert_eq!(broken, Err(JobError::Failed));
        }
        assert_eq!(
            run_with_limit(Duration::from_secs(60), || 7),
            Ok(7),
            "those that broke are not waited for"
        );
    }
}
