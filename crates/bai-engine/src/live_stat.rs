//! The current use of resources by sessions, measured on request.

use super::meter::SPAN;
use super::session::Session;
use bai_protocol::status::SessionStatus;
use bai_runner::usage;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

/// The current use of each session; null for a session that does not run.
pub(super) async fn measure(sessions: &[Arc<Session>]) -> Vec<Value> {
    let running: Vec<_> =
        sessions.iter().filter(|session| session.status() == SessionStatus::Running).cloned().collect();
    let now = Instant::now();
    if running.iter().any(|session| !session.meter.is_fresh(now)) {
        sample(&running).await;
        // The use of CPU time is measured between two moments.
        tokio::time::sleep(SPAN).await;
    }
    sample(&running).await;
    let value = |session: &Arc<Session>| match session.status() {
        SessionStatus::Running => session.meter.value(),
        _ => Value::Null,
    };
    sessions.iter().map(value).collect()
}

async fn sample(sessions: &[Arc<Session>]) {
    if sessions.is_empty() {
        return;
    }
    // Set by `Session::environment` for all that a session starts.
    let variables: Vec<_> =
        sessions.iter().map(|session| format!("BACKENDAI_KERNEL_ID={}", session.id())).collect();
    let measured = tokio::task::spawn_blocking(move || (Instant::now(), usage(&variables))).await;
    let Ok((at, usages)) = measured else { return };
    for (session, usage) in sessions.iter().zip(usages) {
        session.meter.take_in(at, usage);
    }
}
