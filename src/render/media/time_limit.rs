//! A time limit for work that cannot be cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::terminal::CONTAINED_THREAD;

/// The most overdue jobs. If there are more, new jobs are refused. The size limits guarantee that the jobs end.
const MAX_OVERDUE: usize = 2;

/// Deeply nested pictures need a large stack. Unused pages cost no memory.
const STACK: usize = 64 * 1024 * 1024;

/// The number of jobs that still run after their time limit.
static OVERDUE: AtomicUsize = AtomicUsize::new(0);

/// The states of a job.
const RUNNING: u8 = 0;
const DONE: u8 = 1;
const ABANDONED: u8 = 2;

/// Records the end of a job, even if it panics.
struct EndGuard(Arc<AtomicU8>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        if self.0.swap(DONE, Ordering::AcqRel) == ABANDONED {
            OVERDUE.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::render) enum JobError {
    /// The job takes too long, or too many earlier jobs are overdue.
    TimedOut,
    /// The job panicked, or the thread could not start.
    Failed,
}

/// Runs `job` on a separate thread, for at most `limit`. A late result is dropped.
///
/// # Errors
/// Why there is no result.
pub(in crate::render) fn run_with_limit<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobError> {
    if OVERDUE.load(Ordering::Acquire) >= MAX_OVERDUE {
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
        // Incremented before the state changes, so that the count is never negative.
        OVERDUE.fetch_add(1, Ordering::AcqRel);
        if state.swap(ABANDONED, Ordering::AcqRel) == DONE {
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
    fn a_job_that_takes_too_long_is_abandoned() {
        let (hold, held) = mpsc::channel::<()>();
        let late = run_with_limit(Duration::from_millis(1), move || held.recv().is_err());
        assert_eq!(late, Err(JobError::TimedOut));
        assert_eq!(run_with_limit(Duration::from_secs(60), || 7), Ok(7));
        drop(hold);
    }

    #[test]
    fn a_panic_and_a_timeout_are_different_errors() {
        for _ in 0..2 * MAX_OVERDUE {
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
