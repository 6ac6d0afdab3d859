//! The client's session as the prompt's: each thing that the prompt asks for, in the client's words.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::completion::{CompletionSource, Names};
use super::session::{CellEvent, Remote, RemoteRun, Restarted, SessionError};
use bai_client::{
    Cell, ClientError, ComputeSession, DestroyOptions, ErrorKind, ImageOptions, Prelude, PreludeState, Run,
    RunEvent, RunOptions, SessionState, Step, Transport,
};
use bai_protocol::complete::{Completion, CompletionRequest};
use bai_protocol::execute::BatchOptions;
use bai_protocol::info::SessionInfo;
use bai_protocol::live_stat::LiveStat;
use bai_protocol::resources::Image;

/// How long leaving waits for a question that was put to the kernel.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);

impl From<ClientError> for SessionError {
    fn from(error: ClientError) -> Self {
        SessionError { sentence: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

/// How the prompt uses a session.
#[derive(Debug, Clone, Default)]
pub struct RemoteOptions {
    /// How cells travel.
    pub transport: Transport,
    /// What the person is told once about the session.
    pub note: Option<String>,
    /// Whether the kernel gets the prelude.
    pub prelude: PreludeUse,
}

/// Whether a kernel gets the prelude, and why not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PreludeUse {
    /// It needs none: it is our own engine's, or no Python.
    #[default]
    Needless,
    /// It does.
    Wanted,
    /// The person does not want it.
    Unwanted,
}

/// A session of the client's for the prompt.
pub fn remote(session: ComputeSession, options: RemoteOptions) -> Arc<dyn Remote> {
    let wanted = options.prelude == PreludeUse::Wanted;
    let prelude = wanted.then(|| Arc::new(Prelude::new(session.clone())));
    Arc::new(ClientSession { session, options, prelude })
}

struct ClientSession {
    session: ComputeSession,
    options: RemoteOptions,
    prelude: Option<Arc<Prelude>>,
}

impl ClientSession {
    async fn begin(&self, cell: Cell) -> Result<Box<dyn RemoteRun>, SessionError> {
        if let Some(prelude) = &self.prelude {
            prelude.make_way().await?;
        }
        let options = RunOptions::over(self.options.transport);
        let run = self.session.execute(cell, options).await?;
        Ok(Box::new(ClientRun(run)))
    }

    /// What `:info` says of the prelude.
    fn prelude_row(&self) -> Option<String> {
        let state = match &self.prelude {
            Some(prelude) => match prelude.state() {
                PreludeState::Present => "on: completion, documentation and rich output come through it",
                PreludeState::Refused => "none: the kernel is no IPython",
                PreludeState::Installing => "being installed",
                _ => "not installed",
            },
            None if self.options.prelude == PreludeUse::Unwanted => "off",
            None => return None,
        };
        Some(state.to_owned())
    }
}

impl CompletionSource for ClientSession {
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'static, Option<Completion>> {
        if let Some(prelude) = self.prelude.clone() {
            return async move { prelude.complete(request).await }.boxed();
        }
        let session = self.session.clone();
        async move {
            let answer = session.complete(request).await;
            // Tab is no place for errors: without an answer the names of the session help out.
            answer.inspect_err(|error| tracing::debug!(%error, "no completion")).ok()
        }
        .boxed()
    }

    fn names(&self, names: Names) -> BoxFuture<'static, Option<Vec<String>>> {
        let session = self.session.clone();
        async move {
            let found = list(&session, names).await;
            found.inspect_err(|error| tracing::debug!(%error, "no names")).ok()
        }
        .boxed()
    }
}

impl Remote for ClientSession {
    fn client(&self) -> ComputeSession {
        self.session.clone()
    }

    fn name(&self) -> String {
        self.session.name().to_owned()
    }

    fn note(&self) -> Option<String> {
        self.options.note.clone()
    }

    fn execute(&self, code: String) -> BoxFuture<'_, Result<Box<dyn RemoteRun>, SessionError>> {
        self.begin(Cell::Query(code)).boxed()
    }

    fn batch(&self, steps: BatchOptions) -> BoxFuture<'_, Result<Box<dyn RemoteRun>, SessionError>> {
        self.begin(Cell::Batch(steps)).boxed()
    }

    fn interrupt(&self) -> BoxFuture<'_, Result<(), SessionError>> {
        self.session.interrupt().map(|done| done.map_err(SessionError::from)).boxed()
    }

    fn prepare(&self) -> BoxFuture<'static, Option<SessionError>> {
        let Some(prelude) = self.prelude.clone() else { return std::future::ready(None).boxed() };
        let installing = prelude.install();
        async move {
            // It goes on when the session does not answer: to give a run up would leave the session stuck.
            let installing = tokio::spawn(installing);
            tokio::select! {
                done = installing => {
                    if let Ok(Err(error)) = done {
                        tracing::warn!(%error, "the prelude could not be installed");
                    }
                    None
                }
                error = prelude.unanswered() => Some(error.into()),
            }
        }
        .boxed()
    }

    fn describe(&self, name: String, detailed: bool) -> BoxFuture<'static, Option<String>> {
        let Some(prelude) = self.prelude.clone() else { return std::future::ready(None).boxed() };
        // A task of its own, since to give the run up would interrupt whatever the session is at.
        async move { tokio::spawn(async move { prelude.describe(&name, detailed).await }).await.ok().flatten() }
            .boxed()
    }

    fn restart(&self) -> BoxFuture<'_, Result<Restarted, SessionError>> {
        async move {
            match self.session.restart().await {
                Ok(()) => {
                    tokio::spawn(self.prepare());
                    Ok(Restarted::Done)
                }
                Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Restarted::Unsupported),
                Err(error) => Err(error.into()),
            }
        }
        .boxed()
    }

    fn settle(&self) -> BoxFuture<'_, ()> {
        async move {
            if self.prelude.is_some() {
                self.session.settle(SETTLE_LIMIT).await;
            }
        }
        .boxed()
    }

    fn make_room(&self) -> BoxFuture<'_, Result<(), SessionError>> {
        self.session.end().map(|done| done.map_err(SessionError::from)).boxed()
    }

    fn destroy(&self) -> BoxFuture<'_, Result<(), SessionError>> {
        self.session.destroy(DestroyOptions::default()).map(|done| done.map_err(SessionError::from)).boxed()
    }

    fn info(&self) -> BoxFuture<'_, Result<Vec<(String, String)>, SessionError>> {
        async move {
            let info = self.session.info().await?;
            let stat = self.session.live_stat().await.unwrap_or_default();
            let mut rows = rows(&self.session, &info, &stat);
            rows.extend(self.prelude_row().map(|state| ("prelude".to_owned(), state)));
            Ok(rows)
        }
        .boxed()
    }
}

/// What the server told, without what it did not.
fn rows(session: &ComputeSession, info: &SessionInfo, stat: &LiveStat) -> Vec<(String, String)> {
    // The server's number is in milliseconds; a conversion from a negative number gives zero.
    let age = info.age.map(|age| crate::format::age(std::time::Duration::from_millis(age as u64)));
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
        ("cells run", info.cells().map(|count| count.to_string())),
        ("architecture", info.architecture.clone()),
        ("resources", info.resources()),
        ("uses", crate::format::usage(stat)),
        ("tag", info.tag.clone()),
    ];
    let told = rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    told.filter(|(_, value)| !value.is_empty()).collect()
}

async fn list(session: &ComputeSession, names: Names) -> Result<Vec<String>, ClientError> {
    Ok(match names {
        Names::Files(folder) => {
            let folder = if folder.is_empty() { "." } else { &folder };
            let entries = session.list_files(folder).await?.into_iter();
            entries.map(|entry| if entry.is_dir() { entry.filename + "/" } else { entry.filename }).collect()
        }
        Names::Apps => session.apps().await?.into_iter().map(|app| app.name).collect(),
        Names::Sessions => {
            session.api().live_sessions().await?.into_iter().filter_map(|session| session.name).collect()
        }
        Names::Images => {
            let images = session.api().images(ImageOptions::default()).await?;
            images.iter().flat_map(Image::names).collect()
        }
    })
}

struct ClientRun(Run);

impl RemoteRun for ClientRun {
    fn next(&mut self) -> BoxFuture<'_, Option<CellEvent>> {
        async move {
            // An event of a later client is none of ours.
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
        RunEvent::StepFinished { step, exit_code } => {
            let step = match step {
                Step::Clean => "clean",
                Step::Build => "build",
            };
            CellEvent::StepFinished { step, exit_code }
        }
        RunEvent::NotStarted { waited } => CellEvent::NotStarted { waited },
        RunEvent::Resumed => CellEvent::Resumed,
        RunEvent::Finished { exit_code } => CellEvent::Finished { exit_code },
        RunEvent::Lost(lost) => {
            CellEvent::Lost { error: lost.error.into(), usable: lost.session == SessionState::Usable }
        }
        _ => return None,
    })
}
