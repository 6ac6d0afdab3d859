//! The menu after a second Ctrl-C, for a program that does not stop: one key chooses.

use super::{CellEnd, PauseReason, RunningCell};
use crate::repl::keyboard::Keyboard;
use crate::repl::session::RestartOutcome;
use crate::repl::terminal::{TerminalError, WaitOutcome, open};
use crate::theme::Role;
use bai_client::RunEvent;
use std::time::Duration;

/// Time limit for the end of a run after its session was restarted.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What to do with a program that does not stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MenuChoice {
    Wait,
    Restart,
    Leave,
    Destroy,
}

/// The text of the menu.
fn menu_text(can_leave: bool) -> &'static str {
    if can_leave {
        "still running: [w]ait, [r]estart the kernel, [l]eave it running and quit, [d]estroy the session?"
    } else {
        "still running: [w]ait, [r]estart the kernel, [d]estroy the session?"
    }
}

/// The choice of a key.
fn choice(key: u8, can_leave: bool) -> Option<MenuChoice> {
    match key.to_ascii_lowercase() {
        b'w' | b'k' | b'\r' | b'\n' | 0x1b => Some(MenuChoice::Wait),
        b'r' => Some(MenuChoice::Restart),
        b'l' if can_leave => Some(MenuChoice::Leave),
        b'd' => Some(MenuChoice::Destroy),
        _ => None,
    }
}

impl RunningCell<'_> {
    /// Asks what to do with a program that does not stop. `None` if the run goes on as before.
    pub(super) async fn menu(&mut self) -> Result<Option<PauseReason>, TerminalError> {
        let keyboard = Keyboard::open()?;
        self.typed.keys.push_str(&keyboard.drain());
        self.terminal.line(Some(Role::Note), menu_text(self.options.outlives))?;
        let mut held = Vec::new();
        // A question of the program waits until the menu is closed: a program that catches Ctrl-C may ask again.
        let mut question = None;
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
                    if let Some(choice) = choice(key?, self.options.outlives) {
                        break choice;
                    }
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
        for event in held {
            if let Some(end @ PauseReason::End(_)) = self.event(event).await? {
                return Ok(Some(end));
            }
        }
        open(self.terminal.console.flush()?)?;
        self.interrupted = None;
        match choice {
            MenuChoice::Wait => Ok(question.map(|is_password| PauseReason::Question { is_password })),
            MenuChoice::Restart => self.restart().await,
            MenuChoice::Leave => {
                if let Some(run) = self.run.take() {
                    run.leave();
                }
                Ok(Some(PauseReason::End(CellEnd::LeftRunning)))
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
    fn only_what_is_offered_can_be_chosen() {
        assert_eq!(choice(b'R', false), Some(MenuChoice::Restart));
        assert_eq!(choice(b'l', false), None);
        assert_eq!(choice(b'l', true), Some(MenuChoice::Leave));
        assert_eq!(choice(b'\r', false), Some(MenuChoice::Wait));
        assert_eq!(choice(b'x', true), None);
    }
}
