//! Signals after an interrupt, for an interpreter that has one thread. When SIGINT comes in the moment between its last look
//! for signals and a system call that waits, the call waits on as if nothing had come; so it is woken a few times more, with a
//! signal that does nothing else, until the driver says that the interrupt has arrived.

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

    /// The interrupt has arrived, or there is nothing more that it could stop.
    pub(super) fn stop(&mut self) {
        self.due = None;
    }

    fn next(&mut self) {
        self.due = self.left.next().map(|&pause| Instant::now() + Duration::from_millis(pause));
    }

    /// Waits until a signal is due, and gives the signal to send. Cancel-safe.
    pub(super) async fn due(&mut self) -> Signal {
        let (Some(signal), Some(due)) = (self.signal, self.due) else { return std::future::pending().await };
        tokio::time::sleep_until(due).await;
        self.next();
        signal
    }
}
