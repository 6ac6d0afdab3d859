//! Input for the program: lines that the user edits after the program's prompt, and secrets without echo.

use bai_protocol::execute::END_OF_INPUT;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::event_buffer::BufferedRun;
use super::question_watch::{Followed, QuestionWatch};
use super::{PauseReason, RunningCell};
use crate::render::Stream;
use crate::repl::above_line::AboveLine;
use crate::repl::editor::{AnswerRead, AnswerStop, StopReason};
use crate::repl::printable::printable;
use crate::repl::session::SessionError;
use crate::repl::terminal::{TerminalError, open};
use crate::terminal::{SecretError, forget_keys, has_hung_up, read_secret_unless};

type SecretResult = Result<SecretString, SecretError>;

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
        let Some(run) = self.run.take_if(|run| !run.question_is_over()) else {
            self.typed.answers = (!initial.is_empty()).then_some(initial);
            return Ok(None);
        };
        let notifier = self.editor.notifier();
        let above = (!is_password && notifier.can_show())
            .then(|| AboveLine::new(notifier, self.terminal.console.options().clone()));
        let transcript = std::mem::take(&mut self.fold.transcript);
        // Until the line editor has the keyboard, Ctrl-C and the key of the pane are signals.
        let interrupts = (!is_password).then(|| self.terminal.interrupts.clone());
        let pane_key = (!is_password).then(|| self.terminal.pane_key.again(self.runtime)).transpose()?;
        let watch =
            QuestionWatch::start(self.runtime, Followed { run, transcript }, above, (interrupts, pane_key));
        if is_password {
            self.typed.answers = (!initial.is_empty()).then_some(initial);
            let secret = self.read_secret(&watch.stop);
            self.answered(watch)?;
            self.take_secret(secret?)
        } else {
            let answer = self.read_line(&initial, &watch.stop);
            self.answered(watch)?;
            self.resized();
            self.take_line(answer?)
        }
    }

    /// Goes on with the run after an answer was read.
    fn answered(&mut self, watch: QuestionWatch) -> Result<(), TerminalError> {
        if let Some(Followed { run, transcript }) = watch.end(self.runtime) {
            self.run = Some(run);
            self.fold.transcript = transcript;
        }
        self.terminal.raw(&self.editor.take_above())
    }

    fn read_line(&mut self, initial: &str, stop: &AnswerStop) -> Result<AnswerRead, TerminalError> {
        let prompt = self.terminal.console.take_partial_line()?;
        let answer = self.editor.read_answer(&prompt, initial, stop);
        self.terminal.console.line_was_read();
        self.terminal.resized();
        Ok(answer)
    }

    fn take_line(&mut self, answer: AnswerRead) -> Result<Option<PauseReason>, TerminalError> {
        match answer {
            AnswerRead::Line { text, rest } => {
                self.typed.answers = rest;
                if !self.send(Zeroizing::new(text.clone())) {
                    self.typed.keys.push_str(&text);
                }
            }
            AnswerRead::Unwanted { typed } => self.typed.keys.push_str(&typed),
            AnswerRead::Interrupted { typed } => {
                self.typed.keys.push_str(&typed);
                return Ok(self.interrupt().then_some(PauseReason::Menu));
            }
            AnswerRead::Pane { typed } => {
                self.typed.answers = (!typed.is_empty()).then_some(typed);
                // It is handled now.
                self.terminal.pane_key.take();
                let end = self.runtime.clone().block_on(self.visit_pane())?;
                return Ok(end.or(Some(PauseReason::Question { is_password: false })));
            }
            AnswerRead::Detached { typed } => {
                self.typed.answers = (!typed.is_empty()).then_some(typed);
                let end = self.detach()?;
                // A question that stays is asked again.
                return Ok(end.or(Some(PauseReason::Question { is_password: false })));
            }
            AnswerRead::End => self.send_end()?,
            AnswerRead::Failed(error) => return Err(error.into()),
        }
        Ok(None)
    }

    /// Reads a secret. `None` if the program does not wait for it any more.
    fn read_secret(&mut self, stop: &AnswerStop) -> Result<Option<SecretResult>, TerminalError> {
        open(self.terminal.console.flush()?)?;
        let interrupts = self.terminal.interrupts.clone();
        let secret = read_secret_unless(&|| interrupts.came() || stop.reason().is_some());
        if stop.reason() == Some(StopReason::Unwanted) {
            // It may be the secret, and would appear at the next prompt.
            forget_keys();
        }
        self.terminal.raw("\n")?;
        self.terminal.console.line_was_read();
        Ok(stop.reason().is_none().then_some(secret))
    }

    fn take_secret(&mut self, secret: Option<SecretResult>) -> Result<Option<PauseReason>, TerminalError> {
        match secret {
            None => {}
            Some(Ok(secret)) => {
                self.send(Zeroizing::new(secret.expose_secret().to_owned()));
            }
            Some(Err(SecretError::Interrupted)) => return Ok(self.interrupt().then_some(PauseReason::Menu)),
            Some(Err(SecretError::Eof)) => self.send_end()?,
            Some(Err(SecretError::Io(error))) => return Err(error.into()),
            Some(Err(SecretError::NotATerminal)) => {
                self.terminal.error(&SessionError::new(
                    "cannot ask for a password: standard input is not a terminal",
                    Some("an empty line was sent".to_owned()),
                ))?;
                self.send(Zeroizing::default());
            }
        }
        Ok(None)
    }

    /// Sends an answer. False if the program does not wait for it.
    fn send(&self, text: Zeroizing<String>) -> bool {
        self.run.as_ref().is_some_and(|run| run.send_input(text))
    }

    /// The keyboard has ended: by Ctrl-D, or with its terminal. The next client answers then.
    fn send_end(&mut self) -> Result<(), TerminalError> {
        if has_hung_up() {
            return Err(TerminalError::Closed);
        }
        if self.run.as_ref().is_some_and(BufferedRun::end_pieces) {
            return Ok(());
        }
        if self.runtime.block_on(self.session.ends_input()) {
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
