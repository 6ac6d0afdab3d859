//! Asking the server for the sessions again and again, and for what they use.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::panes::shell::ViewWaker;
use bai_client::Api;
use bai_protocol::live_stat::LiveStat;
use bai_protocol::status::SessionStatus;
use bai_protocol::summary::SessionSummary;

/// How often the server is asked.
const OFTEN: Duration = Duration::from_secs(2);
/// How long it may take to answer.
pub(super) const LIMIT: Duration = Duration::from_secs(15);
/// A server that cannot tell what sessions use is asked again after so many rounds.
const PATIENCE: u32 = 15;
/// Values of the past that are remembered of a session.
const PAST: usize = 60;

/// What the board and its tasks share.
#[derive(Clone, Debug)]
pub(super) struct SharedBoard {
    shared: Arc<Mutex<BoardState>>,
    /// Ask the server now.
    pub(super) again: Arc<Notify>,
    pub(super) waker: ViewWaker,
}

#[derive(Debug, Default)]
pub(super) struct BoardState {
    pub(super) sessions: Vec<SessionSummary>,
    /// What those that run use, by their ids.
    pub(super) usage: BTreeMap<String, Usage>,
    /// Those that are over are wanted too.
    pub(super) all: bool,
    pub(super) loaded: bool,
    pub(super) problem: Option<String>,
    pub(super) remark: Option<(String, bool)>,
}

/// What a session uses, and has used while somebody looked.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    pub(super) now: LiveStat,
    /// CPU time in percent of one core, the latest last.
    pub(super) cpu: VecDeque<f64>,
}

impl SharedBoard {
    pub(super) fn new(waker: ViewWaker) -> Self {
        Self { shared: Arc::default(), again: Arc::default(), waker }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BoardState> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, text: impl Into<String>, bad: bool) {
        self.lock().remark = Some((text.into(), bad));
        self.waker.wake();
    }
}

impl BoardState {
    /// Takes over what sessions use now; of those that are not told nothing is known any more.
    pub(super) fn take_in(&mut self, stats: BTreeMap<String, LiveStat>) {
        let mut before = std::mem::take(&mut self.usage);
        for (id, now) in stats {
            let mut cpu = before.remove(&id).map(|before| before.cpu).unwrap_or_default();
            cpu.extend(now.cpu());
            cpu.drain(..cpu.len().saturating_sub(PAST));
            self.usage.insert(id, Usage { now, cpu });
        }
    }
}

/// The asking, which ends when the board is closed.
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
        ask(&api, &shared).await;
        shared.waker.wake();
        let runs = shared.lock().sessions.iter().any(|session| session.status == SessionStatus::Running);
        if runs && pause == 0 {
            pause = if ask_use(&api, &shared).await { 0 } else { PATIENCE };
            shared.waker.wake();
        } else {
            pause = pause.saturating_sub(1);
        }
        tokio::select! {
            () = tokio::time::sleep(OFTEN) => {}
            () = shared.again.notified() => {}
        }
    }
}

/// Asks for the sessions.
async fn ask(api: &Api, shared: &SharedBoard) {
    let all = shared.lock().all;
    let asked = async { if all { api.sessions(&[]).await } else { api.live_sessions().await } };
    let answer = tokio::time::timeout(LIMIT, asked).await;
    let mut shared = shared.lock();
    match answer {
        Ok(Ok(mut sessions)) => {
            // Rows that change places under the cursor would be ended by mistake.
            sessions.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
            shared.sessions = sessions;
            (shared.problem, shared.loaded) = (None, true);
        }
        Ok(Err(error)) => shared.problem = Some(error.to_string()),
        Err(_) => shared.problem = Some("the server does not answer".to_owned()),
    }
}

/// Asks what they use. False when the server does not tell: the board then does without.
async fn ask_use(api: &Api, shared: &SharedBoard) -> bool {
    let answer = tokio::time::timeout(LIMIT, api.live_stats()).await;
    if let Ok(Err(error)) = &answer {
        tracing::debug!(%error, "the server does not tell what sessions use");
    }
    let told = answer.ok().and_then(Result::ok);
    let known = told.is_some();
    shared.lock().take_in(told.unwrap_or_default());
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_past_of_those_that_run_is_kept_for_a_while() {
        let mut shared = BoardState::default();
        for percent in 0..100 {
            let stat = json!({"cpu_util": {"current": percent * 10, "capacity": 1000}});
            shared.take_in([("a".to_owned(), LiveStat::of(&stat))].into());
        }
        let past = &shared.usage.get("a").unwrap().cpu;
        assert_eq!((past.len(), past.front(), past.back()), (PAST, Some(&40.0), Some(&99.0)));
        shared.take_in(BTreeMap::new());
        assert!(shared.usage.is_empty());
    }
}
