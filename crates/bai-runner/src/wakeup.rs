//! Signals after an interrupt, for an interpreter that has one thread. SIGINT may arrive between the interpreter's last
//! check for signals and a blocking system call. Then the call blocks as if there had been no signal. So the
//! interpreter is woken a few more times, with a signal that has no other effect, until the driver reports that the
//! interrupt has arrived. Steps use the same pauses to look for processes that have lost the interrupt.

use nix::sys::signal::Signal;
use std::time::Duration;
use tokio::time::Instant;

/// The pauses between the signals, in milliseconds. The first is longer than most calls need to begin.
const PAUSES: [u64; 5] = [2, 10, 50, 200, 1000];

/// The signals that are still to be sent.
pub(super) struct Wakeups {
    signal: Option<Signal>,
    due: Option<Instant>,
    left: std::slice::Iter<'static, u64>,
}

impl Wakeups {
    /// Without a signal none is ever due.
    pub(super) fn new(signal: Option<Signal>) -> Self {
        Wakeups { signal, due: None, left: [].iter() }
    }

    /// SIGINT was sent.
    pub(super) fn start(&mut self) {
        self.left = PAUSES.iter();
        self.next();
    }

    /// The interrupt has arrived, or there is no cell left to stop.
    pub(super) fn stop(&mut self) {
        self.due = None;
    }

    fn next(&mut self) {
        self.due = self.left.next().map(|&pause| Instant::now() + Duration::from_millis(pause));
    }

    /// Waits until a signal is due, and returns the signal to send. Cancel-safe.
    pub(super) async fn due(&mut self) -> Signal {
        let (Some(signal), Some(due)) = (self.signal, self.due) else { return std::future::pending().await };
        tokio::time::sleep_until(due).await;
        self.next();
        signal
    }
}
