//! The menu after a second Ctrl-C, for a program that does not stop. A letter and Enter choose: text that was meant for the
//! program or for the prompt is no choice, and is kept.

use super::{BufferedRun, CellEnd, PauseReason, RunningCell};
use crate::repl::keyboard::{self, Keyboard};
use crate::repl::printable::printable;
use crate::repl::session::RestartOutcome;
use crate::repl::terminal::{TerminalError, WaitOutcome, open};
use crate::theme::Role;
use bai_client::{RunEvent, SessionState};
use std::time::Duration;

/// Time limit for the end of a run after its session was restarted.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The key Esc, which also begins other keys and pastes.
const ESCAPE: u8 = 0x1b;

/// Maximum bytes that are typed at the menu.
const MAX_LINE: usize = 4096;

/// What to do with a program that does not stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MenuChoice {
    Wait,
    Restart,
    Leave,
    Destroy,
}

/// The text of the menu. `after_leave` is the state of the session after a program that is left running, if one can be.
fn menu_text(after_leave: Option<SessionState>) -> String {
    let leave = match after_leave {
        None => "",
        Some(SessionState::Usable) => "[l]eave it running and quit, ",
        Some(_) => "[l]eave it running and quit (the session takes no more code then), ",
    };
    format!("still running: [w]ait, [r]estart the kernel, {leave}[d]estroy the session? (and Enter)")
}

/// The choice of a line.
fn choice(line: &str, can_leave: bool) -> Option<MenuChoice> {
    match line.to_ascii_lowercase().as_str() {
        "" | "w" | "k" => Some(MenuChoice::Wait),
        "r" => Some(MenuChoice::Restart),
        "l" if can_leave => Some(MenuChoice::Leave),
        "d" => Some(MenuChoice::Destroy),
        _ => None,
    }
}

/// The line that is typed at the menu.
#[derive(Debug, Default)]
struct MenuLine {
    bytes: Vec<u8>,
    /// Enter was pressed.
    is_complete: bool,
}

impl MenuLine {
    fn text(&self) -> String {
        printable(&String::from_utf8_lossy(&self.bytes))
    }

    /// Takes a byte. Returns whether the line has ended.
    fn key(&mut self, key: u8) -> bool {
        match key {
            b'\r' | b'\n' => {
                self.is_complete = true;
                return true;
            }
            ESCAPE => {
                self.bytes.clear();
                return true;
            }
            0x08 | 0x7f => {
                let text = self.text();
                let mut rest = text.chars();
                rest.next_back();
                self.bytes = rest.as_str().as_bytes().to_vec();
            }
            0x15 => self.bytes.clear(),
            key if self.bytes.len() < MAX_LINE => self.bytes.push(key),
            _ => {}
        }
        false
    }
}

impl RunningCell<'_> {
    /// Asks what to do with a program that does not stop. `None` if the run goes on as before.
    pub(super) async fn menu(&mut self) -> Result<Option<PauseReason>, TerminalError> {
        let keyboard = Keyboard::open()?;
        self.typed.keys.push_str(&keyboard::drain());
        let after_leave =
            self.run.as_ref().filter(|_| self.options.outlives).map(BufferedRun::state_after_leave);
        self.terminal.line(Some(Role::Note), &menu_text(after_leave))?;
        let mut held = Vec::new();
        // A question of the program waits until the menu is closed: a program that catches Ctrl-C may ask again.
        let mut question = None;
        let mut line = MenuLine::default();
        let choice = loop {
            let Some(run) = &mut self.run else { break MenuChoice::Wait };
            tokio::select! {
                biased;
                () = self.terminal.interrupts.next() => run.interrupt(),
                _ = self.terminal.window.recv() => {
                    self.terminal.resized();
                    self.terminal.console.options().window().into_iter().for_each(|window| run.resize(window));
                }
                key = keyboard.key() => {
                    let key = key?;
                    if key == ESCAPE && keyboard.is_readable() {
                        // A paste is text for the prompt. Arrows and their like do nothing.
                        let text = keyboard::drain_after(&[key]);
                        if text.is_empty() {
                            continue;
                        }
                        line.bytes.extend_from_slice(text.as_bytes());
                        break MenuChoice::Wait;
                    }
                    if !line.key(key) {
                        self.show_menu_line(&line)?;
                        continue;
                    }
                    let choice = choice(&line.text(), self.options.outlives);
                    if choice.is_some() {
                        line = MenuLine::default();
                    }
                    break choice.unwrap_or(MenuChoice::Wait);
                }
                event = run.next(), if held.len() < 256 => match event {
                    Some(RunEvent::WaitingInput { is_password }) => question = Some(is_password),
                    Some(RunEvent::QuestionWithdrawn) => question = None,
                    event => {
                        let over = matches!(event, Some(RunEvent::Finished { .. } | RunEvent::Lost(_)) | None);
                        held.push(event);
                        if over {
                            break MenuChoice::Wait;
                        }
                    }
                }
            }
        };
        self.end_menu_line(&line, question.is_some())?;
        for event in held {
            if let Some(end @ PauseReason::End(_)) = self.event(event).await? {
                return Ok(Some(end));
            }
        }
        open(self.terminal.console.flush()?)?;
        self.interrupted = None;
        match choice {
            MenuChoice::Wait if self.program.is_open() => {
                if question.is_some() {
                    self.program.is_asked_for_keys();
                }
                Ok(Some(PauseReason::Program))
            }
            MenuChoice::Wait => Ok(question.map(|is_password| PauseReason::Question { is_password })),
            MenuChoice::Restart => self.restart().await,
            MenuChoice::Leave => {
                let state = self.run.take().map_or(SessionState::Usable, BufferedRun::leave);
                Ok(Some(PauseReason::End(CellEnd::LeftRunning(state))))
            }
            MenuChoice::Destroy => {
                let done = self
                    .terminal
                    .wait(|| "destroying the session".to_owned(), self.session.destroy())
                    .await?;
                match done {
                    WaitOutcome::Done(Ok(())) => Ok(Some(PauseReason::End(CellEnd::Destroyed))),
                    WaitOutcome::Done(Err(error)) => self.terminal.error(&error).map(|()| None),
                    WaitOutcome::Interrupted => Ok(None),
                }
            }
        }
    }

    /// Shows what is typed at the menu, on the line below it.
    fn show_menu_line(&mut self, line: &MenuLine) -> Result<(), TerminalError> {
        if self.terminal.screen.dumb {
            return Ok(());
        }
        let columns = usize::from(self.terminal.console.options().size.cols).saturating_sub(1);
        let text = line.text();
        let text = crate::render::sanitize::truncate(&text, columns);
        self.terminal.raw(&format!("\r\x1b[K{text}"))
    }

    /// Removes the typed line. Text that is no choice was meant for the program that asks, or for the prompt.
    fn end_menu_line(&mut self, line: &MenuLine, asks: bool) -> Result<(), TerminalError> {
        if !self.terminal.screen.dumb {
            self.terminal.raw("\r\x1b[K")?;
        }
        let mut text = line.text();
        if line.is_complete && !text.is_empty() {
            text.push('\n');
        }
        if asks && self.typed.answers.is_none() && !text.is_empty() {
            self.typed.answers = Some(text);
        } else {
            self.typed.keys.push_str(&text);
        }
        Ok(())
    }

    async fn restart(&mut self) -> Result<Option<PauseReason>, TerminalError> {
        match self.terminal.wait(|| "restarting the kernel".to_owned(), self.session.restart()).await? {
            WaitOutcome::Done(Ok(RestartOutcome::Done)) => {}
            WaitOutcome::Done(Ok(RestartOutcome::Unsupported)) => {
                // The user is asked later whether to destroy the session. The program in it was interrupted already.
                if let Some(run) = self.run.take() {
                    run.leave();
                }
                return Ok(Some(PauseReason::End(CellEnd::Unrestartable)));
            }
            WaitOutcome::Done(Err(error)) => return self.terminal.error(&error).map(|()| None),
            WaitOutcome::Interrupted => return Ok(None),
        }
        let deadline = tokio::time::Instant::now() + END_LIMIT;
        while let Some(run) = &mut self.run {
            match tokio::time::timeout_at(deadline, run.next()).await {
                Ok(Some(RunEvent::Console(record))) => open(self.terminal.console.record(&record)?)?,
                Ok(Some(RunEvent::Finished { .. } | RunEvent::Lost(_)) | None) | Err(_) => self.run = None,
                Ok(Some(_)) => {}
            }
        }
        Ok(Some(PauseReason::End(CellEnd::Restarted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_says_what_leaving_costs() {
        let leave = "[l]eave it running and quit";
        assert!(!menu_text(None).contains(leave));
        assert!(menu_text(Some(SessionState::Usable)).contains(&format!("{leave}, ")));
        let costs = format!("{leave} (the session takes no more code then), ");
        assert!(menu_text(Some(SessionState::Stuck)).contains(&costs));
    }

    #[test]
    fn only_what_is_offered_can_be_chosen() {
        assert_eq!(choice("R", false), Some(MenuChoice::Restart));
        assert_eq!(choice("l", false), None);
        assert_eq!(choice("l", true), Some(MenuChoice::Leave));
        assert_eq!(choice("", false), Some(MenuChoice::Wait));
        for text in ["x", "delete x", "df.head()", "rr"] {
            assert_eq!(choice(text, true), None, "{text}");
        }
    }

    #[test]
    fn a_line_is_typed_with_the_usual_keys() {
        let mut line = MenuLine::default();
        for key in "aé\x7f\x7fd".bytes() {
            assert!(!line.key(key));
        }
        assert_eq!(line.text(), "d");
        assert!(line.key(b'\r'));
    }
}
