//! The prompt and the life of a cell: editor, completion, highlighting, history, `:commands`, and the loop that runs a cell. This
//! module does not speak HTTP, and does not turn console records into bytes; `bai_client` and `render` do.
//!
//! [`run`] blocks the thread that owns the keyboard until the user leaves. All code that waits for a network runs on the
//! runtime.

mod above_line;
mod banner;
mod batch;
mod cell;
mod command_actions;
mod commands;
mod completion;
mod delegated;
mod delegated_actions;
mod editor;
mod folded_text;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod help_text;
mod highlight;
mod hints;
mod history;
mod idle_output;
mod image;
mod interrupted_output;
mod keyboard;
pub mod language;
mod meant;
mod options;
mod output_fold;
mod paint;
mod parting;
mod printable;
mod prompt;
mod run_warnings;
mod session;
mod session_facts;
mod session_lifecycle;
mod settings;
mod shell_words;
mod spinner;
mod state;
mod suggestion_list;
mod terminal;
mod terminal_pane;
mod views;
mod wrap;

pub use completion::{CompletionSource, RemoteNameKind};
pub use delegated::{DelegatedCommand, DelegatedCommands};
pub use editor::Keymap;
pub(crate) use hints::{FrontEnd, did_you_mean, hint};
#[cfg(test)]
pub(crate) use meant::SUBCOMMANDS;
pub(crate) use meant::meant_subcommand;
pub use options::{Banner, NextSession, OnLeave, ReplExit, ReplOptions};
pub(crate) use run_warnings::{ANSWER_LOST, interrupted, output_lost, step_failed, step_name};
pub use session::{
    OpenProgress, PreludeUse, PromptSession, RestartOutcome, SessionError, SessionOpener, SessionOptions,
};
pub(crate) use session_facts::rows as session_facts;
use terminal::TerminalError;
pub use terminal_pane::TerminalPane;

/// Runs the prompt on this thread until the user leaves. A closed terminal is not an error.
///
/// # Errors
/// A sentence, if the terminal cannot be used.
pub fn run(options: ReplOptions) -> Result<ReplExit, SessionError> {
    let result = state::Repl::new(options).and_then(|mut repl| {
        let result = repl.run();
        if result.is_err() {
            repl.part_without_terminal();
        }
        result
    });
    match result {
        Err(TerminalError::Closed) => Ok(ReplExit { next: None, session: None, session_was_lost: false }),
        other => other.map_err(|error| SessionError::new(error.to_string(), None)),
    }
}
