//! The client's session as the prompt's: each thing that the prompt asks for, in the client's words.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::complete::CompletionSource;
use super::session::{CellEvent, Remote, RemoteRun, Trouble};
use crate::client::{
    Cell, ClientError, ComputeSession, DestroyOptions, Run, RunEvent, RunOptions, SessionState, Transport,
};
use crate::protocol::complete::{Completion, CompletionRequest};
use crate::protocol::info::SessionInfo;

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Self {
        Trouble { sentence: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

/// A session of the client's for the prompt, which runs its cells over `transport`. The person is told the `note` once.
pub fn remote(session: ComputeSession, transport: Transport, note: Option<String>) -> Arc<dyn Remote> {
    Arc::new(ClientSession { session, transport, note })
}

struct ClientSession {
    session: ComputeSession,
    transport: Transport,
    note: Option<String>,
}

impl CompletionSource for ClientSession {
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'static, Option<Completion>> {
        let session = self.session.clone();
        async move {
            let answer = session.complete(request).await;
            // Tab is no place for errors: without an answer the names of the session help out.
            answer.inspect_err(|error| tracing::debug!(%error, "no completion")).ok()
        }
        .boxed()
    }
}

impl Remote for ClientSession {
    fn name(&self) -> String {
        self.session.name().to_owned()
    }

    fn note(&self) -> Option<String> {
        self.note.clone()
    }

    fn execute(&self, code: String) -> BoxFuture<'_, Result<Box<dyn RemoteRun>, Trouble>> {
        async move {
            let run = self.session.execute(Cell::Query(code), RunOptions::over(self.transport)).await?;
            Ok(Box::new(ClientRun(run)) as Box<dyn RemoteRun>)
        }
        .boxed()
    }

    fn interrupt(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        self.session.interrupt().map(|done| done.map_err(Trouble::from)).boxed()
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        self.session.restart().map(|done| done.map_err(Trouble::from)).boxed()
    }

    fn destroy(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        self.session.destroy(DestroyOptions::default()).map(|done| done.map_err(Trouble::from)).boxed()
    }

    fn info(&self) -> BoxFuture<'_, Result<Vec<(String, String)>, Trouble>> {
        async move {
            let info = self.session.info().await?;
            Ok(rows(&self.session, &info))
        }
        .boxed()
    }

    fn logs(&self) -> BoxFuture<'_, Result<String, Trouble>> {
        self.session.logs().map(|logs| logs.map_err(Trouble::from)).boxed()
    }
}

/// What the server told, without what it did not.
fn rows(session: &ComputeSession, info: &SessionInfo) -> Vec<(String, String)> {
    let age = info
        .age
        .map(|age| super::spinner::elapsed(std::time::Duration::from_secs_f64((age / 1000.0).max(0.0))));
    let rows = [
        ("session", Some(session.name().to_owned())),
        ("id", session.id().map(str::to_owned)),
        ("endpoint", Some(session.api().endpoint().to_owned())),
        ("image", info.image().map(str::to_owned)),
        ("interpreter", info.interpreter.clone()),
        ("note", info.note.clone()),
        ("status", info.status.as_ref().map(ToString::to_string)),
        ("status info", info.status_info.clone()),
        ("age", age),
        ("cells run", info.num_queries_executed.map(|count| count.to_string())),
        ("architecture", info.architecture.clone()),
        ("resources", info.occupied_slots.clone()),
        ("tag", info.tag.clone()),
    ];
    let told = rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    told.filter(|(_, value)| !value.is_empty()).collect()
}

struct ClientRun(Run);

impl RemoteRun for ClientRun {
    fn next(&mut self) -> BoxFuture<'_, Option<CellEvent>> {
        async move {
            // A query has no steps, and an event of a later client is none of ours.
            while let Some(event) = self.0.next().await {
                if let Some(event) = cell_event(event) {
                    return Some(event);
                }
            }
            None
        }
        .boxed()
    }

    fn send_input(&self, text: Zeroizing<String>) -> bool {
        self.0.send_input(text)
    }

    fn interrupt(&self) {
        self.0.interrupt();
    }

    fn leave(self: Box<Self>) {
        self.0.leave();
    }
}

fn cell_event(event: RunEvent) -> Option<CellEvent> {
    Some(match event {
        RunEvent::Console(record) => CellEvent::Console(record),
        RunEvent::WaitingInput { is_password } => CellEvent::WaitingInput { is_password },
        RunEvent::NotStarted { waited } => CellEvent::NotStarted { waited },
        RunEvent::Resumed => CellEvent::Resumed,
        RunEvent::Finished { exit_code } => CellEvent::Finished { exit_code },
        RunEvent::Lost(lost) => {
            CellEvent::Lost { trouble: lost.error.into(), usable: lost.session == SessionState::Usable }
        }
        _ => return None,
    })
}
