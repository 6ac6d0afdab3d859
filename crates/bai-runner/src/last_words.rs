//! The end of a script whose children may still write, as in `exec > >(tee log)`: what they print is read, too, until all of them have
//! closed its output or nothing has come for a while. One that stays for good does not hold the end up for long.

use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How long nothing may come.
const QUIET: Duration = Duration::from_secs(1);
/// How long children may go on at all.
const LIMIT: Duration = Duration::from_secs(10);

/// A script that has ended while others have its output.
#[derive(Debug)]
pub(super) struct LastWords {
    status: ExitStatus,
    until: Instant,
    latest: Instant,
}

impl LastWords {
    /// After the end of the script.
    pub(super) fn after(status: ExitStatus) -> Self {
        let now = Instant::now();
        LastWords { status, until: now + QUIET, latest: now + LIMIT }
    }

    /// How the script has ended.
    pub(super) fn status(&self) -> ExitStatus {
        self.status
    }

    /// Something came.
    pub(super) fn heard(&mut self) {
        self.until = self.latest.min(Instant::now() + QUIET);
    }

    /// Waits until nothing more is waited for. Cancel-safe.
    pub(super) async fn over(&self) {
        sleep_until(self.until).await;
    }
}
