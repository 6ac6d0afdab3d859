//! A limit of time for work that cannot be stopped.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

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

/// Runs `job` on a thread of its own; `None` when it takes longer than `limit`, when it panics, or when others before it
/// still run that should have ended long ago. Late results are dropped.
pub(in crate::render) fn within<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if OVERDUE.load(Ordering::Acquire) >= MOST_OVERDUE {
        return None;
    }
    let state = Arc::new(AtomicU8::new(RUNNING));
    let ending = Ending(Arc::clone(&state));
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("media".to_owned()).stack_size(STACK);
    let begun = thread.spawn(move || {
        let ending = ending;
        let done = job();
        drop(ending);
        let _ = sender.send(done);
    });
    begun.ok()?;
    let result = receiver.recv_timeout(limit).ok();
    if result.is_none() {
        // Counted first, so that the count is never below zero.
        OVERDUE.fetch_add(1, Ordering::AcqRel);
        if state.swap(GIVEN_UP, Ordering::AcqRel) == DONE {
            OVERDUE.fetch_sub(1, Ordering::AcqRel);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_too_long_is_not_waited_for() {
        let (hold, held) = mpsc::channel::<()>();
        let late = within(Duration::from_millis(1), move || held.recv().is_err());
        assert_eq!(late, None);
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        drop(hold);
    }
}
