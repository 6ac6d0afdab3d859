//! What happens to a program's runs before this program ends, and what is said of transfers that wait for other runs.

use super::readiness::Patience;
use bai_client::{Capability, ComputeSession};
use std::convert::Infallible;
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

/// Waits until a transfer has waited for what the session runs instead for longer than the user wants to. Returns that time.
pub(super) async fn lost_patience(session: &ComputeSession, patience: Patience) -> Duration {
    let Some(limit) = patience.limit() else { return std::future::pending().await };
    loop {
        session.delayed(None).await;
        match session.delayed_for() {
            Some(waited) if waited >= limit => return limit,
            waited => tokio::time::sleep(limit - waited.unwrap_or_default()).await,
        }
    }
}

/// Says what the session runs instead of what a transfer needs there. Never ends.
pub(super) async fn tell_delays(session: &ComputeSession) -> Infallible {
    let mut told = None;
    loop {
        let (activity, waited) = session.delayed(told).await;
        told = Some(activity);
        eprintln!("bai-repl: {}", activity.delay(waited));
    }
}
