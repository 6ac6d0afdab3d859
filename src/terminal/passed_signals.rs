//! Signals that are for a program elsewhere, which this program follows: they do not end or suspend this one, and whoever listens
//! hands them on. When the other program has stopped, this one stops too.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use super::signals::{action_of, stop};

/// Whether a [`PassedSignals`] listener exists.
static PASSING: AtomicBool = AtomicBool::new(false);
/// Whether there is one. Safe in a signal handler.
pub(super) fn are_passed() -> bool {
    PASSING.load(Ordering::SeqCst)
}

/// The signals that do not end or suspend this program, but are for a program elsewhere that it follows.
#[derive(Debug)]
pub struct PassedSignals {
    quit: SignalStream,
    user1: SignalStream,
    user2: SignalStream,
    suspend: SignalStream,
    continued: SignalStream,
}

impl PassedSignals {
    /// Registers the signals. Call it on the runtime.
    ///
    /// # Errors
    /// When the runtime cannot register the signals.
    pub fn listen() -> io::Result<Self> {
        let signals = Self {
            quit: signal(SignalKind::quit())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            suspend: signal(SignalKind::from_raw(libc::SIGTSTP))?,
            continued: signal(SignalKind::from_raw(libc::SIGCONT))?,
        };
        PASSING.store(true, Ordering::SeqCst);
        Ok(signals)
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn recv(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.quit.recv() => Signal::SIGQUIT,
            Some(()) = self.user1.recv() => Signal::SIGUSR1,
            Some(()) = self.user2.recv() => Signal::SIGUSR2,
            Some(()) = self.suspend.recv() => Signal::SIGTSTP,
            Some(()) = self.continued.recv() => Signal::SIGCONT,
        }
    }
}

impl Drop for PassedSignals {
    fn drop(&mut self) {
        PASSING.store(false, Ordering::SeqCst);
    }
}

/// Suspends this program until it continues; `all` suspends the others of its process group too, as Ctrl-Z does.
pub fn suspend(all: bool) {
    let before = action_of(Signal::SIGTSTP);
    stop(all);
    if let Some(before) = before {
        // SAFETY: this is the action that was set before.
        #[allow(unsafe_code)]
        unsafe {
            libc::sigaction(libc::SIGTSTP, &raw const before, std::ptr::null_mut())
        };
    }
}
