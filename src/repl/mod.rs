//! The prompt and the life of a cell: editor, completion, highlighting, history, `:commands`, and the loop
//! that runs a cell. Nothing here speaks HTTP or knows how a console record becomes bytes; that is `client`
//! and `render`.
//!
//! [`run`] takes the thread that owns the keyboard and keeps it until the person leaves; everything that waits for a
//! network runs on the runtime beside it.

mod cell;
mod command_actions;
mod commands;
mod completion;
mod delegated;
mod editor;
mod folded_text;
mod highlight;
mod history;
mod image;
mod interrupted_output;
mod keyboard;
pub mod language;
mod output_fold;
mod paint;
mod pane;
mod prompt;
mod remote;
mod session;
mod settings;
mod shell_words;
mod spinner;
mod suggestion_list;
mod terminal;
mod views;

use std::path::PathBuf;
use std::sync::Arc;

pub use completion::{CompletionSource, Names};
pub use delegated::DelegatedCommands;
pub use editor::Keymap;
use language::Language;
pub use pane::{Pane, PaneVisit};
pub use remote::{PreludeUse, RemoteOptions, remote};
pub use session::{CellEvent, OpenProgress, Opener, Remote, RemoteRun, Restarted, SessionError};
use terminal::{PromptTerminal, TerminalError};
use tokio::sync::mpsc;

use crate::render::ConsoleOptions;
use crate::theme::Library;

/// What the prompt is made from.
pub struct ReplOptions {
    /// Where everything runs that waits. It must have more than the calling thread.
    pub runtime: tokio::runtime::Handle,
    /// Opens the session. Called at once, while the first line is typed.
    pub open: Opener,
    /// Whoever does what the command line can do.
    pub delegated: Arc<dyn DelegatedCommands>,
    /// What is said at the beginning.
    pub banner: Banner,
    /// The session's language: [`language::for_image`].
    pub language: Arc<dyn Language>,
    /// The terminal, and how programs' output is shown on it; its theme is also the prompt's.
    pub console: ConsoleOptions,
    /// The themes that can be chosen at the prompt.
    pub themes: Library,
    /// The terminal inside the session.
    pub pane: Arc<dyn Pane>,
    /// What happens in that terminal while it is not shown, in sentences.
    pub pane_notices: mpsc::Receiver<String>,
    /// What was typed before the editor could read it.
    pub typed: String,
    /// Keys of the editor.
    pub keymap: Keymap,
    /// The folder of the history files; without one the history lasts as long as the program.
    pub history_dir: Option<PathBuf>,
    /// No banner, and no word about the session at the end.
    pub quiet: bool,
    /// What becomes of the session at the end.
    pub leave: OnLeave,
    /// The session lives on when this process ends, and its server keeps a run whose client has gone, so that a program
    /// can be left running in it.
    pub outlives: bool,
}

/// What becomes of the session when the person leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLeave {
    /// It is destroyed.
    Destroy,
    /// It stays.
    Keep,
}

/// What is said at the beginning.
#[derive(Debug, Clone, Default)]
pub struct Banner {
    /// Where the session lives: `embedded engine`, or the endpoint's host.
    pub server: String,
    /// What the image is, where that is known: `python:3.6 is CPython 3.6.15`.
    pub image: String,
    /// Name of the session.
    pub session: String,
}

impl Banner {
    fn show(&self, terminal: &mut PromptTerminal) -> Result<(), TerminalError> {
        let dot = format!(" {} ", terminal.paint.signs().dot);
        let version = concat!("bai-repl ", env!("CARGO_PKG_VERSION"));
        let session = format!("session {}", self.session);
        let join = |parts: &[&str]| {
            parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&dot)
        };
        terminal.note(&join(&[version, &self.server, &self.image]))?;
        let terminal_key = format!("{} terminal", terminal.pane.key_name());
        terminal.note(&join(&[&session, ":help", &terminal_key, "Ctrl-D leave"]))?;
        terminal.line(None, "")
    }
}

/// Where the person goes from a prompt, other than away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextSession {
    /// To a session that lives, by its name, id, or a beginning of either.
    Attach(String),
    /// To a new session of this image.
    Create(String),
}

/// How the prompt was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplExit {
    /// Where to go on.
    pub next: Option<NextSession>,
    /// The session that stays, if one does.
    pub session: Option<String>,
}

/// Runs the prompt on this thread until the person leaves. A terminal that is gone is no error.
///
/// # Errors
/// A sentence, when the terminal cannot be used.
pub fn run(options: ReplOptions) -> Result<ReplExit, SessionError> {
    let result = prompt::Repl::new(options).and_then(|mut repl| repl.run());
    match result {
        Err(TerminalError::Closed) => Ok(ReplExit { next: None, session: None }),
        other => other.map_err(|error| SessionError { sentence: error.to_string(), hint: None }),
    }
}
