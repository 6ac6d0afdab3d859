//! The session of the prompt: a session of the client, to which the prompt adds the transport of cells, the prelude, and errors as
//! sentences. Showing a cell is in `cell`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::completion::{CompletionSource, RemoteNameKind};
use super::hints::{FrontEnd, hint};
use crate::render::sanitize;
use bai_client::{
    Activity, Capability, Cell, ClientError, ComputeSession, DestroyOptions, ErrorKind, ImageOptions,
    InterruptOutcome, Listener, Occupation, PollReason, Prelude, PreludeState, Run, RunOptions, Transport,
    Window,
};
use bai_protocol::complete::{Completion, CompletionRequest};
use bai_protocol::resources::Image;
use bai_protocol::status::SessionStatus;

/// Time limit for background requests to the kernel when the user leaves.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);

/// Maximum width of a sentence or a hint; parts of them come from servers.
const MESSAGE_WIDTH: usize = 1_000;

/// An error for the user: a sentence, and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionError {
    /// What failed, and why.
    pub sentence: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The session is gone: it was ended elsewhere, or its server has ended.
    pub session_is_gone: bool,
}

impl SessionError {
    /// An error that says nothing about the session's state. Its texts become one harmless line each, since parts of them come
    /// from servers.
    pub fn new(sentence: impl AsRef<str>, hint: Option<String>) -> Self {
        let line = |text: &str| sanitize::line(text, MESSAGE_WIDTH);
        let (sentence, hint) = (line(sentence.as_ref()), hint.as_deref().map(line));
        SessionError { sentence, hint, session_is_gone: false }
    }

    /// An error of a request about the session itself, not about a file or an app in it.
    fn about_session(error: ClientError) -> Self {
        SessionError { session_is_gone: error.says_session_is_gone(), ..error.into() }
    }

    /// The sentence, and the hint on the next line.
    pub fn in_lines(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}\n{hint}", self.sentence),
            None => self.sentence.clone(),
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<ClientError> for SessionError {
    fn from(error: ClientError) -> Self {
        SessionError {
            session_is_gone: error.kind() == ErrorKind::ServerEnded,
            ..SessionError::new(error.to_string(), hint(&error, FrontEnd::Prompt))
        }
    }
}

/// How the prompt uses a session.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// How cells are sent to the server.
    pub transport: Transport,
    /// Whether the session lives on after the prompt.
    pub is_kept: bool,
    /// A note about the session, which is shown once.
    pub note: Option<String>,
    /// Whether the kernel gets the prelude.
    pub prelude: PreludeUse,
}

/// Whether a kernel gets the prelude, and why not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PreludeUse {
    /// It needs none: it is a kernel of our engine, or not a Python kernel.
    #[default]
    Needless,
    /// It gets the prelude.
    Wanted,
    /// The user does not want it.
    Unwanted,
}

/// The outcome of a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartOutcome {
    /// The kernel is new.
    Done,
    /// The server cannot restart kernels. A new session is needed.
    Unsupported,
}

/// The progress of opening a session: the server's name of each status, such as `PREPARING`. In the other direction it reports
/// that the user has given up.
#[derive(Debug, Clone)]
pub struct OpenProgress {
    status: watch::Sender<String>,
    given_up: CancellationToken,
}

impl OpenProgress {
    pub(super) fn new() -> (Self, watch::Receiver<String>, CancellationToken) {
        let (status, receiver) = watch::channel(String::new());
        let given_up = CancellationToken::new();
        (OpenProgress { status, given_up: given_up.clone() }, receiver, given_up)
    }

    /// Reports the status.
    pub fn report(&self, status: impl Into<String>) {
        self.status.send_replace(status.into());
    }

    /// Waits until the user gives up. The session will then be destroyed, and need not be running for that. This happens only
    /// after the first status.
    pub async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

/// Opens the session. It is called again if the user asks for that after a failure or a loss.
pub type SessionOpener =
    Box<dyn Fn(OpenProgress) -> BoxFuture<'static, Result<Arc<PromptSession>, SessionError>> + Send + Sync>;

/// A session that runs the prompt's cells.
pub struct PromptSession {
    session: ComputeSession,
    options: SessionOptions,
    prelude: Option<Arc<Prelude>>,
}

impl PromptSession {
    /// The prompt's use of a session of the client.
    pub fn new(session: ComputeSession, options: SessionOptions) -> Self {
        let wanted = options.prelude == PreludeUse::Wanted;
        let prelude = wanted.then(|| Arc::new(Prelude::new(session.clone())));
        PromptSession { session, options, prelude }
    }

    /// The client's own handle.
    pub(super) fn client(&self) -> &ComputeSession {
        &self.session
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.session.name()
    }

    /// The note for the user, which is shown before the first cell.
    pub(super) fn note(&self) -> Option<&str> {
        self.options.note.as_deref()
    }

    /// Starts to run a cell or a batch, whose output is shown in `window`, and whose programs may have the terminal of the type
    /// `pty`. Waits for an earlier run of this program.
    pub(super) async fn execute(
        &self,
        cell: Cell,
        window: Option<Window>,
        pty: Option<String>,
    ) -> Result<Run, SessionError> {
        if let Some(prelude) = &self.prelude {
            prelude.make_way().await?;
            prelude.tell_window(window).await;
        }
        let options = RunOptions { live: true, window, pty, ..self.run_options() };
        let started = self.session.execute(cell, options).await;
        started.map_err(SessionError::about_session)
    }

    /// What occupies the session now. `None` also if it does not tell.
    pub(super) async fn occupation(&self) -> Option<Occupation> {
        let info = self.session.info().await.ok()?;
        self.session.occupation(&info).await
    }

    /// Follows a run that another client has begun.
    pub(super) async fn follow_left(&self, occupation: &Occupation) -> Result<Run, SessionError> {
        let options = RunOptions { live: true, ..self.run_options() };
        let run = self.session.follow_left(occupation, options).await.map_err(SessionError::about_session)?;
        run.ok_or_else(|| SessionError::new("the cell of the other client cannot be followed", None))
    }

    /// What a cell that was typed waits for, if that is known.
    pub(super) fn waits_for(&self) -> Option<&'static str> {
        let waits = self.prelude.as_ref().is_some_and(|prelude| prelude.waits_for_cell());
        waits.then_some("waiting for the end of the cell of another client")
    }

    fn run_options(&self) -> RunOptions {
        RunOptions { keeps_session: self.options.is_kept, ..RunOptions::over(self.options.transport) }
    }

    /// Keeps a connection open for the next cell, from now on.
    pub(super) async fn connect_ahead(&self) {
        let polls = self.session.api().polls_because(&self.run_options()).await;
        if self.options.transport != Transport::Poll && polls.is_none() {
            self.session.connect_ahead();
        }
    }

    /// Listens for output that no cell owns. `None` where the server keeps it for the next cell.
    pub(super) async fn listen(&self) -> Option<Listener> {
        if self.options.transport == Transport::Poll {
            return None;
        }
        let listening = self.session.listen(RunOptions::over(self.options.transport)).await;
        listening.inspect_err(|error| tracing::warn!(%error, "no listener")).ok().flatten()
    }

    /// Interrupts what the session runs, also for another client.
    pub(super) async fn interrupt(&self) -> Result<InterruptOutcome, SessionError> {
        self.session.interrupt_and_see().await.map_err(SessionError::about_session)
    }

    /// Whether a run can end the kernel.
    pub(super) async fn has_last_words(&self) -> bool {
        self.session.api().has(Capability::LastWords).await
    }

    /// Interrupts what an earlier cell has left behind and holds the session.
    pub(super) async fn interrupt_idle(&self) {
        let done = self.session.interrupt_idle().await;
        // The next cell tells what there is to tell.
        let _ = done.inspect_err(|error| tracing::debug!(%error, "no interrupt"));
    }

    /// Installs the prelude in the background; from this call on cells wait for it. Returns an error if the session does not
    /// answer, unless that is what was `told`.
    pub(super) fn prepare(&self, told: Option<Activity>) -> BoxFuture<'static, Option<SessionError>> {
        let Some(prelude) = self.prelude.clone() else { return std::future::ready(None).boxed() };
        let installing = prelude.install();
        async move {
            // The task goes on if the session does not answer: dropping its run would leave the session stuck.
            let installing = tokio::spawn(installing);
            tokio::select! {
                done = installing => {
                    let error = done.ok()?.err()?;
                    tracing::warn!(%error, "the prelude could not be installed");
                    // What else there is, a cell reports.
                    (error.kind() == ErrorKind::Lost).then(|| error.into())
                }
                (_, error) = prelude.unanswered(told) => Some(error.into()),
            }
        }
        .boxed()
    }

    /// Signature and documentation of a name, and its source if `detailed`, without running a cell. `None` if that is not
    /// possible now.
    pub(super) async fn describe(&self, name: String, detailed: bool) -> Option<String> {
        let prelude = self.prelude.clone()?;
        // This is a separate task, because dropping its run would interrupt what the session runs.
        tokio::spawn(async move { prelude.describe(&name, detailed).await }).await.ok().flatten()
    }

    /// Restarts the kernel: variables are lost, and a running cell ends.
    pub(super) async fn restart(&self) -> Result<RestartOutcome, SessionError> {
        match self.session.restart().await {
            Ok(()) => {
                tokio::spawn(self.prepare(None));
                Ok(RestartOutcome::Done)
            }
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(RestartOutcome::Unsupported),
            Err(error) => Err(SessionError::about_session(error)),
        }
    }

    /// Whether an answer can end the input of a program that asks: that is what a kernel with the prelude takes it for, too.
    pub(super) async fn ends_input(&self) -> bool {
        let has_prelude = |prelude: &Arc<Prelude>| prelude.state() == PreludeState::Present;
        self.prelude.as_ref().is_some_and(has_prelude) || self.session.api().has(Capability::Scripts).await
    }

    /// Waits for a short time until the background runs of this program have ended.
    pub(super) async fn settle(&self) {
        if self.prelude.is_some() {
            self.session.settle(SETTLE_LIMIT).await;
        }
    }

    /// Leaves what this program runs to the next client. Where that would leave the session stuck, it is interrupted, and its end is awaited.
    pub(super) async fn part_with_runs(&self) {
        if !self.session.part_with_run() && !self.session.api().has(Capability::AbandonableRuns).await {
            self.session.settle(SETTLE_LIMIT).await;
        }
    }

    /// Destroys the session, and waits until its name can be used again.
    pub(super) async fn make_room(&self) -> Result<(), SessionError> {
        Ok(self.session.end().await?)
    }

    /// Destroys the session.
    pub(super) async fn destroy(&self) -> Result<(), SessionError> {
        self.session.destroy(DestroyOptions::default()).await.map_err(SessionError::about_session)
    }

    /// Checks that the session lives.
    pub(super) async fn check(&self) -> Result<(), SessionError> {
        let info = self.session.info().await.map_err(SessionError::about_session)?;
        let name = self.name();
        match info.status.filter(SessionStatus::is_dead) {
            Some(status) => Err(SessionError {
                session_is_gone: true,
                ..SessionError::new(format!("session {name} is {status}"), None)
            }),
            None => Ok(()),
        }
    }

    /// Facts about the session: names and values, in order.
    pub(super) async fn info(&self) -> Result<Vec<(String, String)>, SessionError> {
        let facts = self.session.facts().await.map_err(SessionError::about_session)?;
        let rows = super::session_facts::rows(&facts).into_iter();
        let mut rows: Vec<_> = rows.map(|(name, value)| (name.to_owned(), value)).collect();
        rows.extend(self.prelude_row().map(|state| ("prelude".to_owned(), state)));
        if self.session.api().loses_sessions().await {
            rows.push(("connection".to_owned(), self.connection_row().await));
        }
        Ok(rows)
    }

    /// How cells are sent, and what a break of the connection costs, for `:info`.
    async fn connection_row(&self) -> String {
        let how = match (self.options.transport, self.session.api().polls_because(&self.run_options()).await)
        {
            (_, Some(PollReason::SessionIsKept)) => "polling: a broken WebSocket would cost this session",
            (_, Some(_)) => "polling: the connection has broken before",
            (Transport::Poll, None) => "polling",
            (_, None) => "WebSocket",
        };
        let kept = if self.session.keeps_output() {
            "; the session keeps output for the time of a break"
        } else {
            ""
        };
        format!("{how}{kept}")
    }

    /// The state of the prelude for `:info`.
    fn prelude_row(&self) -> Option<String> {
        let state = match &self.prelude {
            Some(prelude) => match prelude.state() {
                PreludeState::Present => "on: it provides completion, documentation and rich output",
                PreludeState::Refused => "none: the kernel is not IPython",
                PreludeState::Installing => "being installed",
                _ => "not installed",
            },
            None if self.options.prelude == PreludeUse::Unwanted => "off",
            None => return None,
        };
        Some(state.to_owned())
    }
}

impl CompletionSource for PromptSession {
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'static, Option<Completion>> {
        if let Some(prelude) = self.prelude.clone() {
            return async move { prelude.complete(request).await }.boxed();
        }
        let session = self.session.clone();
        async move {
            let answer = session.complete(request).await;
            // Tab shows no errors: without an answer, the names seen in the session are used.
            answer.inspect_err(|error| tracing::debug!(%error, "no completion")).ok()
        }
        .boxed()
    }

    fn names(&self, names: RemoteNameKind) -> BoxFuture<'static, Option<Vec<String>>> {
        let session = self.session.clone();
        async move {
            let found = list(&session, names).await;
            found.inspect_err(|error| tracing::debug!(%error, "no names")).ok()
        }
        .boxed()
    }
}

async fn list(session: &ComputeSession, names: RemoteNameKind) -> Result<Vec<String>, ClientError> {
    Ok(match names {
        RemoteNameKind::Files(folder) => {
            let folder = if folder.is_empty() { "." } else { &folder };
            let entries = session.list_files(folder).await?.into_iter();
            entries.map(|entry| if entry.is_dir() { entry.filename + "/" } else { entry.filename }).collect()
        }
        RemoteNameKind::Apps => session.apps().await?.into_iter().map(|app| app.name).collect(),
        RemoteNameKind::Sessions => {
            session.api().live_sessions().await?.into_iter().filter_map(|session| session.name).collect()
        }
        RemoteNameKind::Images => {
            let images = session.api().images(ImageOptions::default()).await?;
            images.iter().flat_map(Image::names).collect()
        }
    })
}
