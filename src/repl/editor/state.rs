//! What the editor's key handlers, hints, highlighter and completion share. rustyline keeps each of them apart; this
//! is where they meet, under one lock that is never held while waiting.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::late_replies::LateReplies;
use super::paste::Paste;
use crate::repl::suggestion_list::SuggestionList;

/// What is being edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mode {
    /// A cell, at the prompt.
    #[default]
    Cell,
    /// A line for a program that asked.
    Answer,
}

/// A change of the line that no single command of rustyline makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PendingEdit {
    /// The bytes that are replaced.
    pub(super) range: Range<usize>,
    /// What comes in their place; the cursor is put behind it.
    pub(super) text: String,
}

/// Why the editor gave the line back, when it was not because the line is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EditorEnd {
    /// Ctrl-C.
    Cancelled,
    /// A paste with line ends into an answer: its text, which follows what was typed.
    Pasted(String),
}

#[derive(Debug, Default)]
pub(super) struct EditorState {
    pub(super) mode: Mode,
    pub(super) late: LateReplies,
    pub(super) paste: Option<Paste>,
    pub(super) last_key: Option<Instant>,
    /// Spaces that we put at the start of the line, until the user types behind them.
    pub(super) auto_indent: Option<AutoIndent>,
    pub(super) edit: Option<PendingEdit>,
    pub(super) listing: Option<SuggestionList>,
    /// A sentence that is shown below the line until the next key.
    pub(super) notice: Option<String>,
    pub(super) searching: bool,
    /// The line is shown for the last time, as it stays in the scrollback.
    pub(super) last_view: bool,
    pub(super) ending: Option<EditorEnd>,
    /// The line and cursor as last seen, for when the editor fails and loses them.
    pub(super) shadow: (String, usize),
}

/// Indentation that a machine that types will type again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AutoIndent {
    pub(super) given: usize,
    pub(super) swallowed: usize,
}

/// The state, shared.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedEditorState(Arc<Mutex<EditorState>>);

impl SharedEditorState {
    pub(super) fn lock(&self) -> MutexGuard<'_, EditorState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
