//! The streams that a client of this process lends to the one script of a kernel: the user's own pipes and files, in the place of pipes
//! of ours. What passes them is seen by nobody here. Which streams are lent is the client's choice.

use bai_protocol::record::ConsoleRecord;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::watch;

/// Standard input, standard output and standard error of a script, as far as they are lent.
#[derive(Debug, Clone, Default)]
pub struct ScriptStreams {
    stdin: Option<Arc<OwnedFd>>,
    stdout: Option<Arc<OwnedFd>>,
    stderr: Option<Arc<OwnedFd>>,
    /// How many records the client has not shown yet that keep their place in the output. The script waits for them.
    unshown: Arc<watch::Sender<usize>>,
}

impl ScriptStreams {
    /// Lends these: standard input, standard output and standard error.
    pub fn lend([stdin, stdout, stderr]: [Option<OwnedFd>; 3]) -> Self {
        let [stdin, stdout, stderr] = [stdin, stdout, stderr].map(|stream| stream.map(Arc::new));
        ScriptStreams { stdin, stdout, stderr, ..ScriptStreams::default() }
    }

    /// Whether any stream is lent.
    pub fn are_lent(&self) -> bool {
        self.stdin.is_some() || self.have_output()
    }

    /// Whether a stream of the output is lent: what the client shows of the script has its place among what that itself writes.
    pub(super) fn have_output(&self) -> bool {
        self.stdout.is_some() || self.stderr.is_some()
    }

    /// Whether nothing of the output is read here.
    pub(super) fn have_all_output(&self) -> bool {
        self.stdout.is_some() && self.stderr.is_some()
    }

    /// Whether standard input is lent.
    pub(super) fn have_stdin(&self) -> bool {
        self.stdin.is_some()
    }

    /// Descriptors for a child, in the order of their numbers.
    pub(super) fn copies(&self) -> io::Result<[Option<OwnedFd>; 3]> {
        let copy =
            |stream: &Option<Arc<OwnedFd>>| stream.as_ref().map(|stream| stream.try_clone()).transpose();
        Ok([copy(&self.stdin)?, copy(&self.stdout)?, copy(&self.stderr)?])
    }

    /// Whether the script waits until the client has shown this record.
    pub fn wait_for(record: &ConsoleRecord) -> bool {
        use ConsoleRecord::{AskSecret, Stderr, Stdout, Terminal};
        !matches!(record, Stdout(_) | Stderr(_) | AskSecret { .. } | Terminal(_))
    }

    /// Such a record is on its way to the client.
    pub(super) fn will_be_shown(&self) {
        self.unshown.send_modify(|unshown| *unshown += 1);
    }

    /// The client has written such a record.
    pub fn was_shown(&self) {
        self.unshown.send_modify(|unshown| *unshown = unshown.saturating_sub(1));
    }

    /// Waits until the client has written all that is on its way. Cancel-safe.
    pub(super) async fn all_is_shown(&self) {
        // An error is impossible: the sender lives.
        let _ = self.unshown.subscribe().wait_for(|unshown| *unshown == 0).await;
    }
}
