//! What happens to a program's runs before this program ends.

use bai_client::{Capability, ComputeSession};
use std::time::Duration;

/// How long an interrupted run may take to end.
const LIMIT: Duration = Duration::from_secs(15);
/// After this time a line says what is waited for, and Ctrl-C ends the wait. A signal often comes twice at once: to the
/// program and to its process group.
const QUIET: Duration = Duration::from_secs(1);

/// Waits until the runs that this program has dropped are over: they are interrupted, but one that is cut off leaves a
/// session of a cluster stuck.
pub(super) async fn settle(session: &ComputeSession) {
    if session.api().has(Capability::AbandonableRuns).await || session.settle(QUIET).await {
        return;
    }
    eprintln!("bai-repl: waiting for what runs in the session to end; Ctrl-C leaves at once");
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {}
        _ = session.settle(LIMIT) => {}
    }
}
