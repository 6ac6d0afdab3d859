//! The line after a cell.

use std::time::Duration;

use super::CellEnd;
use crate::format::duration;
use crate::repl::spinner::QUIET;
use crate::repl::terminal::{PromptTerminal, TerminalError};
use crate::theme::Role;

/// Shows the line after a cell, if there is something to report. `time` is how long it took, if that is known.
pub(super) fn footer(
    terminal: &mut PromptTerminal,
    end: &CellEnd,
    time: Option<Duration>,
    timed: bool,
    interrupted: bool,
) -> Result<(), TerminalError> {
    terminal.fresh_line()?;
    let signs = terminal.paint.signs();
    let is_long = time.is_some_and(|time| timed || time >= QUIET);
    let time = time.map(duration);
    let line = |sign: &str, words: Option<String>| {
        let parts: Vec<_> = words.into_iter().chain(time).collect();
        format!("{sign} {}", parts.join(&format!(" {} ", signs.dot))).trim_end().to_owned()
    };
    match end {
        CellEnd::Finished(Some(0) | None) if is_long => {
            terminal.line(Some(Role::FooterOk), &line(signs.ok, None))
        }
        CellEnd::Finished(Some(0) | None) => Ok(()),
        // An exception has printed its own message.
        CellEnd::Finished(Some(1)) => terminal.line(Some(Role::FooterFail), &line(signs.fail, None)),
        CellEnd::Finished(Some(code)) => {
            let words = match *code {
                130 if interrupted => "interrupted".to_owned(),
                code => format!("exit code {code}"),
            };
            terminal.line(Some(Role::FooterFail), &line(signs.fail, Some(words)))
        }
        CellEnd::Restarted => {
            terminal.note("the kernel is new: all variables are gone (:replay runs the cells again)")
        }
        CellEnd::Destroyed => terminal.note("the session is destroyed (:new opens another)"),
        CellEnd::Lost(_) | CellEnd::LeftRunning(_) | CellEnd::Unrestartable => Ok(()),
    }
}
