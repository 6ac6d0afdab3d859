//! Prompts: each is made from the flags, the configuration and a session. The session and its server are opened while the user
//! types the first line.

use super::args::OpenFlags;
use super::context::CommandContext;
use super::creation::{self, is_temporary};
use super::delegated::CommandDelegate;
use super::display;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::new_session::NewSessionSlot;
use super::server::{Server, target_label};
use crate::config::{EditMode, Paths};
use crate::repl::{
    Banner, Keymap, NextSession, OnLeave, OpenProgress, PromptSession, ReplExit, ReplOptions, SessionError,
    SessionOpener, SessionOptions, TerminalPane, language,
};
use bai_client::{ClientError, ComputeSession, ErrorKind, Occupation};
use bai_protocol::create::CreateRequest;
use bai_protocol::info::SessionInfo;
use bai_protocol::status::SessionStatus;
use futures_util::future::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// How long a prompt that may make a session waits for the answer whether there is one.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// Opens the prompt on an existing session. The session is looked up first: an unknown name must not get a prompt, and the
/// image determines the language. `takes` says whether the cell of a client that is there is taken over.
pub(super) fn attach(
    runtime: &Runtime,
    name: &str,
    takes: bool,
    open: &OpenFlags,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let prompts = Prompts { runtime, open, context, new_session: NewSessionSlot::default() };
    let mut target = prompts.attach(name)?;
    if takes {
        target.occupation = target.occupation.map(Occupation::taken_over);
    }
    prompts.run_all(target)
}

/// Opens the prompt on a new session, or on an existing one of that name.
pub(super) fn create(
    runtime: &Runtime,
    request: CreateRequest,
    open: &OpenFlags,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let prompts = Prompts { runtime, open, context, new_session: NewSessionSlot::default() };
    let mut target = PromptTarget::create(request, is_temporary(&open.creation));
    target.outlives = creation::outlives(&open.creation);
    if open.creation.session.name.is_some() {
        target.occupation = runtime.block_on(prompts.occupation(target.session_name(), &target.image));
    }
    prompts.run_all(target)
}

/// The session of a prompt.
#[derive(Debug)]
enum PromptSubject {
    /// A new session, or an existing one of that name.
    Create(Box<CreateRequest>),
    /// An existing session.
    Attach(String),
}

/// What one prompt is opened on.
struct PromptTarget {
    subject: PromptSubject,
    /// The server of the session, if it is open already.
    server: Option<Server>,
    image: String,
    /// What occupied the session when it was looked up.
    occupation: Option<Occupation>,
    /// The session is destroyed when the prompt ends.
    is_temporary: bool,
    /// The session is on the server of the sessions that are kept.
    outlives: bool,
}

impl PromptTarget {
    fn create(request: CreateRequest, is_temporary: bool) -> Self {
        let image = request.image.clone();
        let subject = PromptSubject::Create(Box::new(request));
        PromptTarget { subject, server: None, image, occupation: None, is_temporary, outlives: !is_temporary }
    }

    /// Name of the session.
    fn session_name(&self) -> &str {
        match &self.subject {
            PromptSubject::Create(request) => &request.name,
            PromptSubject::Attach(name) => name,
        }
    }
}

/// What all prompts of this program share.
struct Prompts<'a> {
    runtime: &'a Runtime,
    open: &'a OpenFlags,
    context: &'a CommandContext,
    /// The session that `:new` has created for the next prompt.
    new_session: NewSessionSlot,
}

impl Prompts<'_> {
    /// Runs one prompt after the other, until the user leaves.
    fn run_all(&self, first: PromptTarget) -> Result<ExitStatus, CliError> {
        let mut exit = self.run(first)?;
        while let Some(session) = exit.next {
            exit = self.run(self.target(session)?)?;
        }
        Ok(if exit.session_was_lost { ExitStatus::Lost } else { ExitStatus::Ok })
    }

    fn target(&self, next: NextSession) -> Result<PromptTarget, CliError> {
        match next {
            NextSession::Attach(name) => self.attach(&name),
            NextSession::Created => {
                let new = self.new_session.take();
                let new = new.ok_or_else(|| CliError::new(ExitStatus::Failed, "there is no new session"))?;
                let (request, server) = new.into_parts();
                Ok(PromptTarget { server, ..PromptTarget::create(request, true) })
            }
        }
    }

    /// Looks up an existing session.
    fn attach(&self, name: &str) -> Result<PromptTarget, CliError> {
        let look_up = async {
            let server = Server::find(self.context).await?;
            let session = super::commands::find(self.context, &server, name).await?;
            let info = session.info().await?;
            let occupation = occupation_of(&session, &info).await;
            Ok(PromptTarget {
                subject: PromptSubject::Attach(session.name().to_owned()),
                server: Some(server),
                image: info.image().unwrap_or_default().to_owned(),
                occupation,
                is_temporary: self.open.creation.rm,
                outlives: true,
            })
        };
        self.runtime.block_on(look_up)
    }

    /// What occupies the session of this name, if there is one, and it is not for another language: then there will be no prompt on it. A server that is slow to tell is not waited for: the session is opened while the
    /// user types.
    async fn occupation(&self, name: &str, image: &str) -> Option<Occupation> {
        let look_up = async {
            let server = Server::find_running(self.context, &|_| {}).await.ok()??;
            let session = ComputeSession::attach(&server.api, name).await.ok()?;
            let info = session.info().await.ok()?;
            Some((session, info))
        };
        let (session, info) = tokio::time::timeout(LOOK_LIMIT, look_up).await.ok()??;
        let language =
            |image: &str| bai_protocol::language::likely_of_image(image).map(|language| language.name);
        if language(info.image()?) != language(image) {
            return None;
        }
        occupation_of(&session, &info).await
    }

    /// Runs one prompt.
    fn run(&self, target: PromptTarget) -> Result<ReplExit, CliError> {
        let context = self.context;
        let is_temporary = target.is_temporary;
        let language: Box<dyn language::Language> = match bai_engine::jupyter_language(&target.image) {
            Some(language) => Box::new(language::Jupyter::of(&language)),
            None => language::for_image(&target.image),
        };
        let banner = Banner {
            server: target_label(context, target.outlives)?,
            image: target.image.clone(),
            session: target.session_name().to_owned(),
        };
        let (console, typed) = display::for_prompt(self.open, context)?;
        let handle = self.runtime.handle().clone();
        let (pane, pane_notices) = TerminalPane::new(
            handle.clone(),
            console.screen,
            super::pty::prefix(&context.config),
            super::pty::clipboard(&context.config),
        );
        let pane = Arc::new(pane);
        let server = Arc::new(Mutex::new(target.server));
        let options = ReplOptions {
            runtime: handle,
            open: opener(OpenerParts {
                server: server.clone(),
                subject: target.subject,
                pane: pane.clone(),
                blueprint: Mutex::default(),
                context: context.clone(),
                outlive: target.outlives,
                prelude: context.wants_prelude(),
            }),
            delegated: Arc::new(CommandDelegate::new(
                server.clone(),
                context,
                &self.open.creation,
                &self.new_session,
            )),
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
            leave: if is_temporary { OnLeave::Destroy } else { OnLeave::Keep },
            occupation: target.occupation,
            outlives: !is_temporary,
        };
        let result = crate::repl::run(options);
        // The run loop asks for bracketed paste, so that a paste while a cell runs is whole for the next prompt.
        crate::terminal::restore();
        self.runtime.block_on(async {
            if let Some(server) = server.lock().await.take() {
                Server::close(server).await;
            }
        });
        Ok(result?)
    }
}

async fn occupation_of(session: &ComputeSession, info: &SessionInfo) -> Option<Occupation> {
    match info.status {
        Some(SessionStatus::Running) => session.occupation(info).await,
        _ => None,
    }
}

/// What is needed to open the session, also again.
struct OpenerParts {
    /// Kept open for the next time.
    server: Arc<Mutex<Option<Server>>>,
    subject: PromptSubject,
    pane: Arc<TerminalPane>,
    /// A request that creates an existing session again.
    blueprint: Mutex<Option<CreateRequest>>,
    context: CommandContext,
    outlive: bool,
    prelude: bool,
}

/// Opens the session, and the server if it is not open yet.
fn opener(parts: OpenerParts) -> SessionOpener {
    let parts = Arc::new(parts);
    Box::new(move |progress| {
        let parts = Arc::clone(&parts);
        async move { parts.open(&progress).await }.boxed()
    })
}

impl OpenerParts {
    async fn open(&self, progress: &OpenProgress) -> Result<Arc<PromptSession>, SessionError> {
        let mut server = self.server.lock().await;
        // Another background engine may run now, with other keys.
        let kept = server.take().filter(|server| !server.is_background());
        let is_first = kept.is_none();
        let report = |sentence: &str| progress.report(sentence);
        let was_attached = self.blueprint.lock().await.is_some();
        let opened = match (kept, &self.subject) {
            (Some(open), _) => open,
            (None, PromptSubject::Attach(_)) if !was_attached => {
                let find = Server::find_reporting(&self.context, &report);
                find.await.map_err(CliError::into_session_error)?
            }
            (None, _) => {
                let open = Server::open_reporting(&self.context, self.outlive, &report);
                open.await.map_err(CliError::into_session_error)?
            }
        };
        let server = server.insert(opened);
        let (session, image, creation_note) = self.session(server, progress).await?;
        self.pane.enter(session.clone());
        let prelude = super::readiness::prelude_use(&server.api, &image, self.prelude).await;
        // Later, the session that exists is the one that was created before.
        let notes = creation::notes(&session, creation_note.filter(|_| is_first)).await;
        let note = (!notes.is_empty()).then(|| notes.join("\n"));
        let transport = self.context.transport();
        let options = SessionOptions { transport, is_kept: self.outlive, note, prelude };
        Ok(Arc::new(PromptSession::new(session, options)))
    }

    /// The session, its image, and the remark that it existed.
    async fn session(
        &self,
        server: &Server,
        progress: &OpenProgress,
    ) -> Result<(ComputeSession, String, Option<String>), SessionError> {
        let on_status = |status: &bai_protocol::status::SessionStatus| progress.report(status.name());
        let name = match &self.subject {
            PromptSubject::Create(request) => {
                let (session, creation_note) = tokio::select! {
                    created = ComputeSession::create(&server.api, (**request).clone(), on_status) => {
                        let (session, created) = created?;
                        let note = creation::creation_note(&session, &created);
                        (session, note)
                    }
                    () = progress.given_up() => {
                        (ComputeSession::attach(&server.api, &request.name).await?, None)
                    }
                };
                return Ok((session, request.image.clone(), creation_note));
            }
            PromptSubject::Attach(name) => name,
        };
        let mut blueprint = self.blueprint.lock().await;
        let attached = async {
            let session = ComputeSession::attach(&server.api, name).await?;
            session.wait_until_running(None, on_status).await?;
            Ok::<_, ClientError>(session)
        };
        let session = match (attached.await, &*blueprint) {
            // For some time servers find sessions by name after they have ended, also several of one name.
            (Err(error), Some(request)) if is_over(error.kind()) => {
                ComputeSession::create(&server.api, request.clone(), on_status).await?.0
            }
            (attached, _) => attached?,
        };
        let info = session.info().await?;
        let image = info.image().unwrap_or_default().to_owned();
        // Servers before 20.03 report too little to create the session again.
        *blueprint = session.blueprint().await.ok();
        Ok((session, image, None))
    }
}

/// Whether an error means that all sessions of a name are over.
fn is_over(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::SessionFailed | ErrorKind::Ambiguous)
}
