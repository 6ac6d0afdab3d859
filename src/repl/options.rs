//! What the prompt is made from, and what comes of it.

use super::delegated::DelegatedCommands;
use super::editor::Keymap;
use super::language::Language;
use super::session::SessionOpener;
use super::terminal_pane::TerminalPane;
use crate::render::ConsoleOptions;
use crate::theme::Library;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What the prompt is made from.
pub struct ReplOptions {
    /// Where everything runs that waits. It must have more than the calling thread.
    pub runtime: tokio::runtime::Handle,
    /// Opens the session. Called at once, while the first line is typed.
    pub open: SessionOpener,
    /// Whoever does what the command line can do.
    pub delegated: Arc<dyn DelegatedCommands>,
    /// What is said at the beginning.
    pub banner: Banner,
    /// The session's language: [`super::language::for_image`].
    pub language: Arc<dyn Language>,
    /// The terminal, and how programs' output is shown on it; its theme is also the prompt's.
    pub console: ConsoleOptions,
    /// The themes that can be chosen at the prompt.
    pub themes: Library,
    /// The terminal inside the session.
    pub pane: Arc<TerminalPane>,
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

/// What happens to the session when the user leaves.
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

/// The session that the user goes to from a prompt.
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
