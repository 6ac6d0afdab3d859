//! The options of the prompt, and its result.

use super::delegated::DelegatedCommands;
use super::editor::Keymap;
use super::language::Language;
use super::session::SessionOpener;
use super::terminal_pane::TerminalPane;
use crate::render::ConsoleOptions;
use crate::theme::Library;
use bai_client::Occupation;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The options of the prompt.
pub struct ReplOptions {
    /// The runtime for all code that waits. It must have threads besides the calling one.
    pub runtime: tokio::runtime::Handle,
    /// Opens the session. It is called at once, while the user types the first line.
    pub open: SessionOpener,
    /// Runs the commands that the prompt shares with the command line.
    pub delegated: Arc<dyn DelegatedCommands>,
    /// The text at the start.
    pub banner: Banner,
    /// The language of the session: [`super::language::for_image`].
    pub language: Arc<dyn Language>,
    /// The terminal, and how output is shown on it. Its theme is also that of the prompt.
    pub console: ConsoleOptions,
    /// The themes that can be chosen at the prompt.
    pub themes: Library,
    /// The terminal inside the session.
    pub pane: Arc<TerminalPane>,
    /// Notices about that terminal while it is in the background.
    pub pane_notices: mpsc::Receiver<String>,
    /// Text that was typed before the editor started.
    pub typed: String,
    /// Key bindings of the editor.
    pub keymap: Keymap,
    /// The folder of the history files; without one the history lasts as long as the program.
    pub history_dir: Option<PathBuf>,
    /// Whether the banner and the message about the session at the end are left out.
    pub quiet: bool,
    /// What happens to the session at the end.
    pub leave: OnLeave,
    /// What occupied the session when it was looked up.
    pub occupation: Option<Occupation>,
    /// Whether a program can be left running: the session outlives this process, and its server keeps a run without a client.
    pub outlives: bool,
}

/// What happens to the session when the user leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLeave {
    /// It is destroyed.
    Destroy,
    /// It is kept.
    Keep,
}

/// The text at the start of the prompt.
#[derive(Debug, Clone, Default)]
pub struct Banner {
    /// The server of the session: `embedded engine`, or the host of the endpoint.
    pub server: String,
    /// The image, such as `python:3.6`.
    pub image: String,
    /// Name of the session.
    pub session: String,
}

/// The session that the user goes to from a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextSession {
    /// An existing session, by its name, its id, or the beginning of either.
    Attach(String),
    /// The session that [`DelegatedCommands::create`] has created.
    Created,
}

/// How the prompt was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplExit {
    /// The next session, if there is one.
    pub next: Option<NextSession>,
    /// The session that is kept, if one is.
    pub session: Option<String>,
    /// Whether the session has ended without the prompt.
    pub session_was_lost: bool,
}
