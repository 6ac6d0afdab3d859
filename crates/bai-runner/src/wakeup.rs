//! Signals after an interrupt, for an interpreter that has one thread. SIGINT may arrive between the interpreter's last
//! check for signals and a blocking system call. Then the call blocks as if there had been no signal. So the
//! interpreter is woken a few more times, with a signal that has no other effect, until the driver reports that the
//! interrupt has arrived. The same pauses are for looking at processes that may have lost the interrupt.

use nix::sys::signal::Signal;
use std::time::Duration;
use tokio::time::Instant;

/// The pause before the first signal: longer than most calls need to begin. Each pause is twice as long as the one before it,
/// so that the signals do not end before a slow machine has come to the call, and soon are few.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The signals that are still to be sent.
pub(super) struct Wakeups {
    signal: Option<Signal>,
    due: Option<Instant>,
    pause: Duration,
}

impl Wakeups {
    /// Without a signal none is ever due.
    pub(super) fn new(signal: Option<Signal>) -> Self {
        Wakeups { signal, due: None, pause: FIRST_PAUSE }
    }

    /// SIGINT was sent.
    pub(super) fn start(&mut self) {
        self.pause = FIRST_PAUSE;
        self.due = Some(Instant::now() + self.pause);
    }

    /// The interrupt has arrived, or there is no cell left to stop.
    pub(super) fn stop(&mut self) {
        self.due = None;
    }

    /// Waits until a signal is due, and returns the signal to send. Cancel-safe.
    pub(super) async fn due(&mut self) -> Signal {
        let (Some(signal), Some(due)) = (self.signal, self.due) else { return std::future::pending().await };
        tokio::time::sleep_until(due).await;
        self.pause *= 2;
        self.due = Some(Instant::now() + self.pause);
        signal
    }
}
