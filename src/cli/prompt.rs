//! The prompt, wired: the place that its session lives in is opened beside the first keys.

use super::args::{Global, Open};
use super::errands::PromptErrands;
use super::exit::Exit;
use super::failure::Failure;
use super::open::request;
use super::pane::SessionPane;
use super::place::{Place, target_label};
use super::{look, names, transport};
use crate::config::{EditMode, FileConfig, Paths};
use crate::repl::{
    Banner, Keymap, Leave, Next, Opener, Progress, Remote, RemoteOptions, ReplOptions, Trouble, language,
    remote,
};
use bai_client::{ClientError, ComputeSession, ErrorKind};
use bai_protocol::create::CreateRequest;
use futures_util::future::FutureExt;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// What the prompt works on.
#[derive(Debug)]
enum Subject {
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
    global: &Global,
    config: &FileConfig,
) -> Result<Exit, Failure> {
    go(runtime, Next::Attach(name), open, global, config)
}

/// Opens prompts, one after the other, until the person leaves.
fn go(
    runtime: &Runtime,
    first: Next,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Exit, Failure> {
    let mut next = Some(first);
    while let Some(subject) = next {
        next = match subject {
            Next::Attach(name) => attach_once(runtime, &name, open, global, config)?,
            Next::Create(image) => {
                // One that the person does not name is one that nobody keeps.
                let request = CreateRequest { name: names::session(), ..request(&image, &open.creation)? };
                prompt(runtime, Subject::Create(Box::new(request)), None, &image, true, open, global, config)?
            }
        };
    }
    Ok(Exit::Ok)
}

fn attach_once(
    runtime: &Runtime,
    name: &str,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Option<Next>, Failure> {
    let look_up = async {
        let place = Place::find(global, config).await?;
        let session = super::commands::find(&place, name).await?;
        let info = session.info().await?;
        Ok::<_, Failure>((place, session, info.image().unwrap_or_default().to_owned()))
    };
    let (place, session, image) = runtime.block_on(look_up)?;
    let subject = Subject::Attach(session.name().to_owned());
    prompt(runtime, subject, Some(place), &image, open.creation.rm, open, global, config)
}

/// Opens the prompt on a session that is made, or taken if it lives, while the first keys are typed.
pub(super) fn create(
    runtime: &Runtime,
    request: CreateRequest,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Exit, Failure> {
    let image = request.image.clone();
    let temporary = super::open::is_temporary(&open.creation);
    let subject = Subject::Create(Box::new(request));
    match prompt(runtime, subject, None, &image, temporary, open, global, config)? {
        Some(next) => go(runtime, next, open, global, config),
        None => Ok(Exit::Ok),
    }
}

/// One prompt; gives where the person goes from it.
#[allow(clippy::too_many_arguments, reason = "everything that a prompt is made from")]
fn prompt(
    runtime: &Runtime,
    subject: Subject,
    place: Option<Place>,
    image: &str,
    temporary: bool,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Option<Next>, Failure> {
    let place = Arc::new(Mutex::new(place));
    let language: Box<dyn language::Language> = match bai_engine::jupyter_language(image) {
        Some(language) => Box::new(language::Jupyter::of(&language)),
        None => language::for_image(image),
    };
    let banner = Banner {
        place: target_label(global, config, !temporary)?,
        image: image.to_owned(),
        session: match &subject {
            Subject::Create(request) => request.name.clone(),
            Subject::Attach(name) => name.clone(),
        },
    };
    let (console, typed) = look::for_prompt(open, global, config)?;
    let handle = runtime.handle().clone();
    let (pane, pane_news) = SessionPane::new(handle, console.screen, super::pty::prefix(config)?);
    let pane = Arc::new(pane);
    let options = ReplOptions {
        runtime: runtime.handle().clone(),
        open: opener(Opening {
            place: place.clone(),
            subject,
            pane: pane.clone(),
            again: Mutex::default(),
            global: global.clone(),
            config: config.clone(),
            outlive: !temporary,
            prelude: super::ready::wants_prelude(global, config),
        }),
        errands: Arc::new(PromptErrands::new(place.clone(), global.clone(), config.clone())),
        banner,
        language: language.into(),
        console,
        themes: look::library(),
        pane,
        pane_news,
        typed,
        keymap: match config.edit_mode {
            EditMode::Emacs => Keymap::Emacs,
            EditMode::Vi => Keymap::Vi,
        },
        history_dir: Paths::of_user().map(|paths| paths.history_dir()),
        quiet: global.quiet,
        leave: if temporary { Leave::Destroy } else { Leave::Keep },
        outlives: !temporary,
    };
    let left = crate::repl::run(options);
    // The run loop asks for bracketed paste, so that a paste while a cell runs is whole for the next prompt.
    crate::terminal::restore();
    runtime.block_on(async {
        if let Some(place) = place.lock().await.take() {
            Place::close(place).await;
        }
    });
    left.map(|exit| exit.next).map_err(|trouble| {
        let failure = Failure::new(Exit::Failed, trouble.sentence);
        trouble.hint.into_iter().fold(failure, Failure::hint)
    })
}

/// What is needed to open the session, as often as that is wanted.
struct Opening {
    place: Arc<Mutex<Option<Place>>>,
    subject: Subject,
    pane: Arc<SessionPane>,
    /// How a session that was there already is made again.
    again: Mutex<Option<CreateRequest>>,
    global: Global,
    config: FileConfig,
    outlive: bool,
    prelude: bool,
}

/// Opens the session, and the place when that is not open yet. The place is kept for the next time.
fn opener(opening: Opening) -> Opener {
    let opening = Arc::new(opening);
    Box::new(move |progress| {
        let opening = Arc::clone(&opening);
        async move { opening.open(&progress).await }.boxed()
    })
}

impl Opening {
    async fn open(&self, progress: &Progress) -> Result<Arc<dyn Remote>, Trouble> {
        let mut place = self.place.lock().await;
        let opened = match (place.take(), &self.subject) {
            (Some(open), _) => open,
            (None, Subject::Create(_)) => {
                Place::open(&self.global, &self.config, self.outlive).await.map_err(Failure::into_trouble)?
            }
            (None, Subject::Attach(_)) => {
                Place::find(&self.global, &self.config).await.map_err(Failure::into_trouble)?
            }
        };
        let place = place.insert(opened);
        let (session, image) = self.session(place, progress).await?;
        self.pane.enter(session.clone());
        let prelude = super::ready::prelude_use(&place.api, &image, self.prelude).await;
        let note = session.note().await;
        Ok(remote(session, RemoteOptions { transport: transport(&self.global), note, prelude }))
    }

    /// The session and its image.
    async fn session(&self, place: &Place, progress: &Progress) -> Result<(ComputeSession, String), Trouble> {
        let tell = |status: &bai_protocol::status::SessionStatus| progress.tell(status.name());
        let name = match &self.subject {
            Subject::Create(request) => {
                let session = tokio::select! {
                    created = ComputeSession::create(&place.api, (**request).clone(), tell) => created?.0,
                    () = progress.given_up() => ComputeSession::attach(&place.api, &request.name).await?,
                };
                return Ok((session, request.image.clone()));
            }
            Subject::Attach(name) => name,
        };
        let mut again = self.again.lock().await;
        let attached = async {
            let session = ComputeSession::attach(&place.api, name).await?;
            session.wait_until_running(None, tell).await?;
            Ok::<_, ClientError>(session)
        };
        let session = match (attached.await, &*again) {
            // Servers find sessions by their names for some time after they have ended, all of them.
            (Err(error), Some(request)) if is_over(error.kind()) => {
                ComputeSession::create(&place.api, request.clone(), tell).await?.0
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
