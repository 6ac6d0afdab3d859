//! The line after a cell.

use std::time::Duration;

use super::CellEnd;
use crate::format::duration;
use crate::repl::spinner::QUIET;
use crate::repl::terminal::{PromptTerminal, TerminalError};
use crate::theme::Role;

/// Shows the line after a cell, if there is something to report.
pub(super) fn footer(
    terminal: &mut PromptTerminal,
    end: &CellEnd,
    time: Duration,
    timed: bool,
    interrupted: bool,
) -> Result<(), TerminalError> {
    terminal.fresh_line()?;
    let signs = terminal.paint.signs();
    let dot = signs.dot;
    match end {
        CellEnd::Finished(Some(0) | None) if timed || time >= QUIET => {
            terminal.line(Some(Role::FooterOk), &format!("{} {}", signs.ok, duration(time)))
        }
        CellEnd::Finished(Some(0) | None) => Ok(()),
        // An exception has printed its own message.
        CellEnd::Finished(Some(1)) => {
            terminal.line(Some(Role::FooterFail), &format!("{} {}", signs.fail, duration(time)))
        }
        CellEnd::Finished(Some(code)) if interrupted && *code == 130 => terminal
            .line(Some(Role::FooterFail), &format!("{} interrupted {dot} {}", signs.fail, duration(time))),
        CellEnd::Finished(Some(code)) => terminal.line(
            Some(Role::FooterFail),
            &format!("{} exit code {code} {dot} {}", signs.fail, duration(time)),
        ),
        CellEnd::Restarted => {
            terminal.note("the kernel is new: all variables are gone (:replay runs the cells again)")
        }
        CellEnd::Destroyed => terminal.note("the session is destroyed (:new opens another)"),
        CellEnd::Lost(_) | CellEnd::LeftRunning(_) | CellEnd::Unrestartable => Ok(()),
    }
}
