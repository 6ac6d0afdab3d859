//! The state of the prompt, which its loop, the life of its session and the actions of its commands share. It holds no
//! behaviour.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::completion::Completer;
use super::delegated::DelegatedCommands;
use super::editor::Editor;
use super::idle_output::IdleOutput;
use super::language::Language;
use super::options::{NextSession, OnLeave};
use super::parting::Parting;
use super::session::{PromptSession, SessionError, SessionOpener};
use super::terminal::PromptTerminal;
use crate::theme::Library;
use bai_client::{Occupation, SessionState};

/// A cell that was run.
#[derive(Debug, Clone)]
pub(super) struct RanCell {
    pub(super) code: String,
    /// It ended with an error or was stopped. `:replay` leaves it out.
    pub(super) failed: bool,
}

/// What the loop does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopAction {
    Continue,
    Quit,
}

/// The prompt.
pub(super) struct Repl {
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) terminal: PromptTerminal,
    pub(super) editor: Editor,
    pub(super) language: Arc<dyn Language>,
    pub(super) quiet: bool,
    pub(super) outlives: bool,
    pub(super) themes: Library,
    pub(super) completer: Arc<Completer>,
    pub(super) opener: SessionOpener,
    pub(super) delegated: Arc<dyn DelegatedCommands>,
    pub(super) on_leave: OnLeave,
    pub(super) phase: SessionPhase,
    /// What occupied the session when it was looked up, until that is told.
    pub(super) occupation: Option<Occupation>,
    /// Whether the editor has the keyboard, so that notices can be shown above the line.
    pub(super) at_prompt: Arc<AtomicBool>,
    /// The cells that were run in this session, for `:save` and `:replay`.
    pub(super) cells: Vec<RanCell>,
    /// Initial text of the next line.
    pub(super) initial: String,
    /// The user left a cell running in the session, and this is the state of the session after it.
    pub(super) left_running: Option<SessionState>,
    /// The session that the user goes to next.
    pub(super) next: Option<NextSession>,
    /// The task that parts with the session when a signal ends this program.
    pub(super) fatal_signals: Option<tokio::task::JoinHandle<()>>,
    /// What the session prints between two cells, and the task that receives it.
    pub(super) idle: Arc<IdleOutput>,
    pub(super) listening: Arc<Mutex<Option<tokio::task::AbortHandle>>>,
    /// The request to end what holds the session.
    pub(super) freeing: Option<JoinHandle<()>>,
    /// A cell was lost, and the session may not run another one.
    pub(super) lost: bool,
    /// A note about the session that could not be shown when it was opened.
    pub(super) pending_note: Arc<Mutex<Option<String>>>,
    /// The session that is parted with when a signal ends this program, or its terminal has gone.
    pub(super) parting: Arc<Parting>,
    /// Notices from the terminal inside the session that were not shown yet.
    pub(super) pane_notices: Arc<Mutex<Vec<String>>>,
}

/// The state of the prompt's session.
pub(super) enum SessionPhase {
    Opening {
        done: oneshot::Receiver<Result<Arc<PromptSession>, SessionError>>,
        status: watch::Receiver<String>,
        give_up: CancellationToken,
    },
    Open(Arc<PromptSession>),
    Failed(SessionError),
    Destroyed,
    /// It was ended elsewhere, or its server has ended.
    Gone,
}
