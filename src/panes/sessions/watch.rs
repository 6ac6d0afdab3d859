//! Polls the server for the sessions and their resource usage.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::panes::shell::ViewWaker;
use bai_client::{Api, ErrorKind};
use bai_protocol::live_stat::LiveStat;
use bai_protocol::status::SessionStatus;
use bai_protocol::summary::SessionSummary;

/// Interval between two requests.
const INTERVAL: Duration = Duration::from_secs(2);
/// Time limit for an answer.
pub(super) const LIMIT: Duration = Duration::from_secs(15);
/// A server that cannot report usage is asked again after this many rounds.
const USAGE_PAUSE: u32 = 15;
/// Maximum earlier CPU values of a session.
const HISTORY: usize = 60;

/// The state that the view and its tasks share.
#[derive(Clone, Debug)]
pub(super) struct SharedBoard {
    shared: Arc<Mutex<BoardState>>,
    /// Requests an update at once.
    pub(super) refresh: Arc<Notify>,
    pub(super) waker: ViewWaker,
}

#[derive(Debug, Default)]
pub(super) struct BoardState {
    pub(super) sessions: Vec<SessionSummary>,
    /// Resource usage of the running sessions, by their ids.
    pub(super) usage: BTreeMap<String, Usage>,
    /// Whether ended sessions are listed too.
    pub(super) all: bool,
    pub(super) loaded: bool,
    pub(super) problem: Option<String>,
    pub(super) message: Option<(String, bool)>,
}

/// The resource usage of a session, with its history since the view opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    pub(super) now: LiveStat,
    /// CPU time in percent of one core, the latest last.
    pub(super) cpu: VecDeque<f64>,
}

impl SharedBoard {
    pub(super) fn new(waker: ViewWaker) -> Self {
        Self { shared: Arc::default(), refresh: Arc::default(), waker }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BoardState> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn show_message(&self, text: impl Into<String>, is_error: bool) {
        self.lock().message = Some((text.into(), is_error));
        self.waker.wake();
    }
}

impl BoardState {
    /// Marks the sessions of a server that has ended.
    fn lose_sessions(&mut self) {
        self.usage.clear();
        for session in self.sessions.iter_mut().filter(|session| !session.status.is_dead()) {
            session.status = SessionStatus::Lost;
        }
    }

    /// Stores the current usage. Sessions without a report lose their history.
    pub(super) fn set_usage(&mut self, stats: BTreeMap<String, LiveStat>) {
        let mut before = std::mem::take(&mut self.usage);
        for (id, now) in stats {
            let mut cpu = before.remove(&id).map(|before| before.cpu).unwrap_or_default();
            cpu.extend(now.cpu());
            cpu.drain(..cpu.len().saturating_sub(HISTORY));
            self.usage.insert(id, Usage { now, cpu });
        }
    }
}

/// The polling task, which ends when this is dropped.
pub(super) struct Watch(tokio::task::AbortHandle);

impl Watch {
    pub(super) fn start(runtime: &Handle, api: &Api, shared: &SharedBoard) -> Self {
        Self(runtime.spawn(watch(api.clone(), shared.clone())).abort_handle())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn watch(api: Api, shared: SharedBoard) {
    let mut pause = 0;
    loop {
        load_sessions(&api, &shared).await;
        shared.waker.wake();
        let runs = shared.lock().sessions.iter().any(|session| session.status == SessionStatus::Running);
        if runs && pause == 0 {
            pause = if load_usage(&api, &shared).await { 0 } else { USAGE_PAUSE };
            shared.waker.wake();
        } else {
            pause = pause.saturating_sub(1);
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shared.refresh.notified() => {}
        }
    }
}

/// Loads the sessions.
async fn load_sessions(api: &Api, shared: &SharedBoard) {
    let all = shared.lock().all;
    let request = async { if all { api.sessions(&[]).await } else { api.live_and_lost_sessions().await } };
    let answer = tokio::time::timeout(LIMIT, request).await;
    let mut shared = shared.lock();
    match answer {
        Ok(Ok(mut sessions)) => {
            // A stable order: if rows moved under the cursor, the user might destroy the wrong session.
            sessions.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
            shared.sessions = sessions;
            (shared.problem, shared.loaded) = (None, true);
        }
        Ok(Err(error)) => {
            if error.kind() == ErrorKind::ServerEnded {
                shared.lose_sessions();
            }
            shared.problem = Some(error.why().to_owned());
        }
        Err(_) => shared.problem = Some("the server does not answer".to_owned()),
    }
}

/// Loads the usage. Returns false if the server does not report it.
async fn load_usage(api: &Api, shared: &SharedBoard) -> bool {
    let answer = tokio::time::timeout(LIMIT, api.live_stats()).await;
    if let Ok(Err(error)) = &answer {
        tracing::debug!(%error, "the server does not report the usage of sessions");
    }
    let stats = answer.ok().and_then(Result::ok);
    let reported = stats.is_some();
    shared.lock().set_usage(stats.unwrap_or_default());
    reported
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_history_of_running_sessions_is_limited() {
        let mut shared = BoardState::default();
        for percent in 0..100 {
            let stat = json!({"cpu_util": {"current": percent * 10, "capacity": 1000}});
            shared.set_usage([("a".to_owned(), LiveStat::of(&stat))].into());
        }
        let history = &shared.usage.get("a").unwrap().cpu;
        assert_eq!((history.len(), history.front(), history.back()), (HISTORY, Some(&40.0), Some(&99.0)));
        shared.set_usage(BTreeMap::new());
        assert!(shared.usage.is_empty());
    }
}
