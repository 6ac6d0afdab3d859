//! The prompt, wired: the place that its session lives in is opened beside the first keys.

use super::args::{Global, Open};
use super::exit::Exit;
use super::failure::Failure;
use super::pane::SessionPane;
use super::place::{Place, target_label};
use super::{look, transport};
use crate::client::ComputeSession;
use crate::config::{EditMode, FileConfig, Paths};
use crate::protocol::create::CreateRequest;
use crate::repl::{Banner, Keymap, Leave, Opener, Progress, ReplOptions, Trouble, language, remote};
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
    let look_up = async {
        let place = Place::find(global, config).await?;
        let session = ComputeSession::attach(&place.api, &name).await?;
        let info = session.info().await?;
        Ok::<_, Failure>((place, info.image().unwrap_or_default().to_owned()))
    };
    let (place, image) = runtime.block_on(look_up)?;
    prompt(runtime, Subject::Attach(name), Some(place), &image, open, global, config)
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
    prompt(runtime, Subject::Create(Box::new(request)), None, &image, open, global, config)
}

fn prompt(
    runtime: &Runtime,
    subject: Subject,
    place: Option<Place>,
    image: &str,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Exit, Failure> {
    let temporary = match &subject {
        Subject::Create(_) => super::open::is_temporary(open),
        Subject::Attach(_) => open.rm,
    };
    let place = Arc::new(Mutex::new(place));
    let language: Box<dyn language::Language> = language::for_image(image);
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
        open: opener(place.clone(), subject, pane.clone(), global.clone(), config.clone(), !temporary),
        banner,
        language: language.into(),
        console,
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
    left.map(|_| Exit::Ok).map_err(|trouble| {
        let failure = Failure::new(Exit::Failed, trouble.sentence);
        trouble.hint.into_iter().fold(failure, Failure::hint)
    })
}

/// Opens the session, and the place when that is not open yet. The place is kept for the next time.
fn opener(
    place: Arc<Mutex<Option<Place>>>,
    subject: Subject,
    pane: Arc<SessionPane>,
    global: Global,
    config: FileConfig,
    outlive: bool,
) -> Opener {
    let shared = Arc::new((place, subject, pane, global, config));
    Box::new(move |progress| {
        let shared = shared.clone();
        async move {
            let (place, subject, pane, global, config) = &*shared;
            let mut place = place.lock().await;
            let opened = match (place.take(), subject) {
                (Some(open), _) => open,
                (None, Subject::Create(_)) => {
                    Place::open(global, config, outlive).await.map_err(Failure::into_trouble)?
                }
                (None, Subject::Attach(_)) => {
                    Place::find(global, config).await.map_err(Failure::into_trouble)?
                }
            };
            let session = session_in(place.insert(opened), subject, &progress).await?;
            pane.enter(session.clone());
            let note = session.note().await;
            Ok(remote(session, transport(global), note))
        }
        .boxed()
    })
}

async fn session_in(
    place: &Place,
    subject: &Subject,
    progress: &Progress,
) -> Result<ComputeSession, Trouble> {
    let tell = |status: &crate::protocol::status::SessionStatus| progress.tell(status.name());
    match subject {
        Subject::Create(request) => {
            let (session, _) = ComputeSession::create(&place.api, (**request).clone(), tell).await?;
            Ok(session)
        }
        Subject::Attach(name) => {
            let session = ComputeSession::attach(&place.api, name).await?;
            session.wait_until_running(None, tell).await?;
            Ok(session)
        }
    }
}
