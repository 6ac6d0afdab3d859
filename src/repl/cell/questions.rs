//! Input for the program: lines that the user edits after the program's prompt, and secrets without echo.

use bai_client::Capability;
use bai_protocol::execute::END_OF_INPUT;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{PauseReason, RunningCell};
use crate::render::Stream;
use crate::repl::editor::AnswerRead;
use crate::repl::printable::printable;
use crate::repl::session::SessionError;
use crate::repl::terminal::{TerminalError, open};
use crate::terminal::{SecretError, read_secret_unless};

impl RunningCell<'_> {
    /// Reads a line for the program. `None` if the run goes on.
    pub(super) fn answer(&mut self, is_password: bool) -> Result<Option<PauseReason>, TerminalError> {
        // Ctrl-C was pressed when the question arrived: it is still a signal.
        if self.terminal.interrupts.came() {
            return Ok(self.interrupt().then_some(PauseReason::Menu));
        }
        let waiting = self.typed.answers.take();
        let (ready, initial) = match waiting.as_deref().map(|text| text.split_once('\n')) {
            Some(Some((line, rest))) => (Some(line.to_owned()), rest.to_owned()),
            Some(None) => (None, waiting.unwrap_or_default()),
            None => (None, String::new()),
        };
        if let Some(line) = ready {
            self.typed.answers = (!initial.is_empty()).then_some(initial);
            let echo = if is_password { "\n".to_owned() } else { format!("{}\n", printable(&line)) };
            open(self.terminal.console.text(Stream::Stdout, &echo)?)?;
            open(self.terminal.console.flush()?)?;
            self.send(Zeroizing::new(line));
            return Ok(None);
        }
        if is_password {
            self.typed.answers = (!initial.is_empty()).then_some(initial);
            return self.secret();
        }
        let prompt = self.terminal.console.take_partial_line()?;
        let answer = self.editor.read_answer(&prompt, &initial);
        self.terminal.console.line_was_read();
        self.terminal.resized();
        match answer {
            AnswerRead::Line { text, rest } => {
                self.typed.answers = rest;
                self.send(Zeroizing::new(text));
            }
            AnswerRead::Interrupted => return Ok(self.interrupt().then_some(PauseReason::Menu)),
            AnswerRead::End => self.send_end()?,
            AnswerRead::Failed(error) => return Err(error.into()),
        }
        Ok(None)
    }

    fn secret(&mut self) -> Result<Option<PauseReason>, TerminalError> {
        open(self.terminal.console.flush()?)?;
        let interrupts = self.terminal.interrupts.clone();
        let secret = read_secret_unless(&|| interrupts.came());
        self.terminal.raw("\n")?;
        self.terminal.console.line_was_read();
        match secret {
            Ok(secret) => {
                self.send(Zeroizing::new(secret.expose_secret().to_owned()));
            }
            Err(SecretError::Interrupted) => return Ok(self.interrupt().then_some(PauseReason::Menu)),
            Err(SecretError::Eof) => self.send_end()?,
            Err(SecretError::Io(error)) => return Err(error.into()),
            Err(SecretError::NotATerminal) => {
                self.terminal.error(&SessionError::new(
                    "cannot ask for a password: standard input is not a terminal",
                    Some("an empty line was sent".to_owned()),
                ))?;
                self.send(Zeroizing::default());
            }
        }
        Ok(None)
    }

    pub(super) fn send(&self, text: Zeroizing<String>) {
        // False if the run has ended in the meantime: then the answer is not needed.
        let _sent = self.run.as_ref().is_some_and(|run| run.send_input(text));
    }

    fn send_end(&mut self) -> Result<(), TerminalError> {
        let api = self.session.client().api();
        if self.runtime.block_on(api.has(Capability::Scripts)) {
            self.send(Zeroizing::new(END_OF_INPUT.to_owned()));
            return Ok(());
        }
        if !std::mem::replace(&mut self.end_of_file_reported, true) {
            self.terminal.note("this server has no end of the input; an empty line was sent")?;
        }
        self.send(Zeroizing::default());
        Ok(())
    }
}
