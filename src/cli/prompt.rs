//! The prompt, wired: the place that its session lives in is opened beside the first keys.

use super::args::{Global, Open};
use super::exit::Exit;
use super::failure::Failure;
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
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// A session that is made, or taken if it lives.
    Create(Box<CreateRequest>),
    /// A session that lives.
    Attach(String),
}

/// Opens the prompt and stays until the person leaves.
pub(super) fn open(
    runtime: &Runtime,
    subject: Subject,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Exit, Failure> {
    let temporary = matches!(subject, Subject::Create(_)) && super::open::is_temporary(open);
    let attached = matches!(subject, Subject::Attach(_));
    let place = Arc::new(Mutex::new(None));
    let image = super::open::image(open);
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
    let options = ReplOptions {
        runtime: runtime.handle().clone(),
        open: opener(place.clone(), subject, global.clone(), config.clone(), !temporary),
        banner,
        language: language.into(),
        console,
        typed,
        keymap: match config.edit_mode {
            EditMode::Emacs => Keymap::Emacs,
            EditMode::Vi => Keymap::Vi,
        },
        history_dir: Paths::of_user().map(|paths| paths.history_dir()),
        quiet: global.quiet,
        leave: if temporary || (attached && open.rm) { Leave::Destroy } else { Leave::Keep },
        outlives: !temporary,
    };
    let left = crate::repl::run(options);
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
    global: Global,
    config: FileConfig,
    outlive: bool,
) -> Opener {
    let shared = Arc::new((place, subject, global, config));
    Box::new(move |progress| {
        let shared = shared.clone();
        async move {
            let (place, subject, global, config) = &*shared;
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
            Ok(remote(session, transport(global)))
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
