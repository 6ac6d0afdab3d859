//! A limit of time for work that cannot be stopped.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// So many jobs may be overdue before new ones are refused. The limits on size see to it that they end.
const MOST_OVERDUE: usize = 2;

/// A drawing or an SVG that is nested deeply needs it.
const STACK: usize = 16 * 1024 * 1024;

/// Jobs that run.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Counts a job for as long as it lives.
struct Running;

impl Running {
    fn begin() -> Option<Self> {
        let begun = RUNNING.fetch_add(1, Ordering::AcqRel);
        let this = Self;
        (begun <= MOST_OVERDUE).then_some(this)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs `job` on a thread of its own; `None` when it takes longer than `limit`, when it panics, or when others before it
/// still run that should have ended long ago. Late results are dropped.
pub(in crate::render) fn within<T: Send + 'static>(
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let running = Running::begin()?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("media".to_owned()).stack_size(STACK);
    thread
        .spawn(move || {
            let done = job();
            drop(running);
            let _ = sender.send(done);
        })
        .ok()?;
    receiver.recv_timeout(limit).ok()
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
