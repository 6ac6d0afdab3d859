//! The prompt, wired: the server that its session lives in is opened beside the first keys.

use super::args::Open;
use super::context::CommandContext;
use super::creation::request;
use super::delegated::CommandDelegate;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::server::{Server, target_label};
use super::{display, session_name};
use crate::config::{EditMode, Paths};
use crate::repl::{
    Banner, Keymap, NextSession, OnLeave, OpenProgress, PromptSession, ReplOptions, SessionError,
    SessionOpener, SessionOptions, TerminalPane, language,
};
use bai_client::{ClientError, ComputeSession, ErrorKind};
use bai_protocol::create::CreateRequest;
use futures_util::future::FutureExt;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// What the prompt works on.
#[derive(Debug)]
enum PromptSubject {
    /// A session that is made, or taken if it lives.
    Create(Box<CreateRequest>),
    /// A session that lives.
    Attach(String),
}

/// Opens the prompt on a session that lives. It is looked up first: a name that does not exist must not get a prompt,
/// and its image tells the language.
pub(super) fn attach(
    runtime: &Runtime,
    name: String,
    open: &Open,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    go(runtime, NextSession::Attach(name), open, context)
}

/// Opens prompts, one after the other, until the user leaves.
fn go(
    runtime: &Runtime,
    first: NextSession,
    open: &Open,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let mut next = Some(first);
    while let Some(subject) = next {
        next = match subject {
            NextSession::Attach(name) => attach_once(runtime, &name, open, context)?,
            NextSession::Create(image) => {
                // A session without a name from the user is temporary.
                let request =
                    CreateRequest { name: session_name::generate(), ..request(&image, &open.creation)? };
                prompt(runtime, PromptSubject::Create(Box::new(request)), None, &image, true, open, context)?
            }
        };
    }
    Ok(ExitStatus::Ok)
}

fn attach_once(
    runtime: &Runtime,
    name: &str,
    open: &Open,
    context: &CommandContext,
) -> Result<Option<NextSession>, CliError> {
    let look_up = async {
        let server = Server::find(context).await?;
        let session = super::commands::find(&server, name).await?;
        let info = session.info().await?;
        Ok::<_, CliError>((server, session, info.image().unwrap_or_default().to_owned()))
    };
    let (server, session, image) = runtime.block_on(look_up)?;
    let subject = PromptSubject::Attach(session.name().to_owned());
    prompt(runtime, subject, Some(server), &image, open.creation.rm, open, context)
}

/// Opens the prompt on a session that is made, or taken if it lives, while the first keys are typed.
pub(super) fn create(
    runtime: &Runtime,
    request: CreateRequest,
    open: &Open,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let image = request.image.clone();
    let temporary = super::creation::is_temporary(&open.creation);
    let subject = PromptSubject::Create(Box::new(request));
    match prompt(runtime, subject, None, &image, temporary, open, context)? {
        Some(next) => go(runtime, next, open, context),
        None => Ok(ExitStatus::Ok),
    }
}

/// Runs one prompt; returns which session the user goes to next.
#[allow(clippy::too_many_arguments, reason = "everything that a prompt is made from")]
fn prompt(
    runtime: &Runtime,
    subject: PromptSubject,
    server: Option<Server>,
    image: &str,
    temporary: bool,
    open: &Open,
    context: &CommandContext,
) -> Result<Option<NextSession>, CliError> {
    let server = Arc::new(Mutex::new(server));
    let language: Box<dyn language::Language> = match bai_engine::jupyter_language(image) {
        Some(language) => Box::new(language::Jupyter::of(&language)),
        None => language::for_image(image),
    };
    let banner = Banner {
        server: target_label(context, !temporary)?,
        image: image.to_owned(),
        session: match &subject {
            PromptSubject::Create(request) => request.name.clone(),
            PromptSubject::Attach(name) => name.clone(),
        },
    };
    let (console, typed) = display::for_prompt(open, context)?;
    let handle = runtime.handle().clone();
    let (pane, pane_notices) =
        TerminalPane::new(handle, console.screen, super::pty::prefix(&context.config)?);
    let pane = Arc::new(pane);
    let options = ReplOptions {
        runtime: runtime.handle().clone(),
        open: opener(OpenerParts {
            server: server.clone(),
            subject,
            pane: pane.clone(),
            again: Mutex::default(),
            context: context.clone(),
            outlive: !temporary,
            prelude: context.wants_prelude(),
        }),
        delegated: Arc::new(CommandDelegate::new(server.clone(), context)),
        banner,
        language: language.into(),
        console,
        themes: display::library(),
        pane,
        pane_notices,
        typed,
        keymap: match context.config.edit_mode {
            EditMode::Emacs => Keymap::Emacs,
            EditMode::Vi => Keymap::Vi,
        },
        history_dir: Paths::of_user().map(|paths| paths.history_dir()),
        quiet: context.global.quiet,
        leave: if temporary { OnLeave::Destroy } else { OnLeave::Keep },
        outlives: !temporary,
    };
    let left = crate::repl::run(options);
    // The run loop asks for bracketed paste, so that a paste while a cell runs is whole for the next prompt.
    crate::terminal::restore();
    runtime.block_on(async {
        if let Some(server) = server.lock().await.take() {
            Server::close(server).await;
        }
    });
    left.map(|exit| exit.next).map_err(|error| {
        let told = CliError::new(ExitStatus::Failed, error.sentence);
        error.hint.into_iter().fold(told, CliError::hint)
    })
}

/// What is needed to open the session, once or again.
struct OpenerParts {
    server: Arc<Mutex<Option<Server>>>,
    subject: PromptSubject,
    pane: Arc<TerminalPane>,
    /// How a session that was there already is made again.
    again: Mutex<Option<CreateRequest>>,
    context: CommandContext,
    outlive: bool,
    prelude: bool,
}

/// Opens the session, and the server when that is not open yet. The server is kept for the next time.
fn opener(opening: OpenerParts) -> SessionOpener {
    let opening = Arc::new(opening);
    Box::new(move |progress| {
        let opening = Arc::clone(&opening);
        async move { opening.open(&progress).await }.boxed()
    })
}

impl OpenerParts {
    async fn open(&self, progress: &OpenProgress) -> Result<Arc<PromptSession>, SessionError> {
        let mut server = self.server.lock().await;
        let opened = match (server.take(), &self.subject) {
            (Some(open), _) => open,
            (None, PromptSubject::Create(_)) => {
                Server::open(&self.context, self.outlive).await.map_err(CliError::into_session_error)?
            }
            (None, PromptSubject::Attach(_)) => {
                Server::find(&self.context).await.map_err(CliError::into_session_error)?
            }
        };
        let server = server.insert(opened);
        let (session, image) = self.session(server, progress).await?;
        self.pane.enter(session.clone());
        let prelude = super::readiness::prelude_use(&server.api, &image, self.prelude).await;
        let note = session.note().await;
        let options = SessionOptions { transport: self.context.transport(), note, prelude };
        Ok(Arc::new(PromptSession::new(session, options)))
    }

    /// The session and its image.
    async fn session(
        &self,
        server: &Server,
        progress: &OpenProgress,
    ) -> Result<(ComputeSession, String), SessionError> {
        let tell = |status: &bai_protocol::status::SessionStatus| progress.tell(status.name());
        let name = match &self.subject {
            PromptSubject::Create(request) => {
                let session = tokio::select! {
                    created = ComputeSession::create(&server.api, (**request).clone(), tell) => created?.0,
                    () = progress.given_up() => ComputeSession::attach(&server.api, &request.name).await?,
                };
                return Ok((session, request.image.clone()));
            }
            PromptSubject::Attach(name) => name,
        };
        let mut again = self.again.lock().await;
        let attached = async {
            let session = ComputeSession::attach(&server.api, name).await?;
            session.wait_until_running(None, tell).await?;
            Ok::<_, ClientError>(session)
        };
        let session = match (attached.await, &*again) {
            // Servers find sessions by their names for some time after they have ended, all of them.
            (Err(error), Some(request)) if is_over(error.kind()) => {
                ComputeSession::create(&server.api, request.clone(), tell).await?.0
            }
            (attached, _) => attached?,
        };
        let info = session.info().await?;
        let image = info.image().unwrap_or_default().to_owned();
        // Servers before 20.03 tell too little; there it cannot be made again.
        *again = session.blueprint().await.ok();
        Ok((session, image))
    }
}

/// What a server says of a name whose sessions are all over.
fn is_over(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::SessionFailed | ErrorKind::Ambiguous)
}
