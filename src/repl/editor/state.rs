//! The state that the editor's key handlers, hints, highlighter and completion share. rustyline calls them separately. One lock
//! protects the state; it is never held during a wait.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::late_replies::LateReplies;
use super::paste::Paste;
use super::search::Search;
use super::stop::AnswerStop;
use crate::repl::suggestion_list::SuggestionList;

/// The kind of line that is being edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// A cell, at the prompt.
    #[default]
    Cell,
    /// An answer to a program's question.
    Answer,
}

/// A change of the line for which rustyline has no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PendingEdit {
    /// The byte range that is replaced.
    pub(super) range: Range<usize>,
    /// The new text.
    pub(super) text: String,
    /// Where the cursor is put, if not after the new text.
    pub(super) cursor: Option<usize>,
}

impl PendingEdit {
    /// An edit with the cursor after the new text.
    pub(super) fn new(range: Range<usize>, text: String) -> Self {
        PendingEdit { range, text, cursor: None }
    }
}

/// Why the editor returned an incomplete line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EditorEnd {
    /// The user leaves the prompt from the pane.
    Detached,
    /// Ctrl-C.
    Cancelled,
    /// A paste with line ends into an answer: its text, which follows the typed text.
    Pasted(String),
}

#[derive(Debug, Default)]
pub(super) struct EditorState {
    pub(super) mode: Mode,
    /// What ends the editing of an answer.
    pub(super) stop: AnswerStop,
    /// Tab completes the line: it is code.
    pub(super) completes: bool,
    pub(super) late: LateReplies,
    pub(super) paste: Option<Paste>,
    pub(super) last_key: Option<Instant>,
    /// Indentation that was inserted automatically, until the user types after it.
    pub(super) auto_indent: Option<AutoIndent>,
    pub(super) edit: Option<PendingEdit>,
    pub(super) listing: Option<SuggestionList>,
    /// A sentence that is shown below the line until the next key.
    pub(super) notice: Option<String>,
    /// Whether there is a history that can be searched.
    pub(super) has_history: bool,
    /// A search of the history that is under way.
    pub(super) search: Option<Search>,
    /// The line is drawn for the last time, as it stays in the scrollback.
    pub(super) last_view: bool,
    pub(super) ending: Option<EditorEnd>,
    /// Whole lines, with harmless sequences, that are to appear above the line when it is drawn next.
    pub(super) above: String,
    /// A copy of the line and the cursor, for when the editor fails and loses them.
    pub(super) shadow: (String, usize),
}

/// Automatic indentation, which a program that types will type again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AutoIndent {
    pub(super) given: usize,
    pub(super) swallowed: usize,
}

/// The shared state.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedEditorState(Arc<Mutex<EditorState>>);

impl SharedEditorState {
    pub(super) fn lock(&self) -> MutexGuard<'_, EditorState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
