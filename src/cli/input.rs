//! Answers to a program that asks for input when there is no prompt: lines of standard input, or of the keyboard.

use crate::terminal::{SecretError, read_secret};
use secrecy::ExposeSecret;
use std::io::BufRead;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// What became of a question.
#[derive(Debug)]
pub(super) enum InputReply {
    /// A line, without its newline.
    Line(Zeroizing<String>),
    /// The input has ended.
    End,
    /// The user pressed Ctrl-C.
    Interrupted,
}

/// Where answers come from.
#[derive(Debug)]
pub(super) struct InputSource {
    questions: Option<mpsc::Sender<(bool, oneshot::Sender<InputReply>)>>,
}

impl InputSource {
    /// No answers: standard input was the script.
    pub(super) fn nobody() -> Self {
        InputSource { questions: None }
    }

    /// Standard input answers, terminal or not. It is read only when something is asked, in a thread of its own, since
    /// a read cannot be called off.
    pub(super) fn from_stdin() -> Self {
        let (questions, mut receiver) = mpsc::channel::<(bool, oneshot::Sender<InputReply>)>(1);
        std::thread::spawn(move || {
            while let Some((is_password, reply)) = receiver.blocking_recv() {
                // After an interrupt the run loop may not wait for the answer.
                let _ = reply.send(read(is_password));
            }
        });
        InputSource { questions: Some(questions) }
    }

    /// The answer to one question.
    pub(super) async fn ask(&self, is_password: bool) -> InputReply {
        let Some(questions) = &self.questions else { return InputReply::End };
        let (reply, answer) = oneshot::channel();
        if questions.send((is_password, reply)).await.is_err() {
            return InputReply::End;
        }
        answer.await.unwrap_or(InputReply::End)
    }
}

fn read(is_password: bool) -> InputReply {
    if is_password {
        // The program has written its prompt.
        match read_secret(|| {}) {
            Ok(secret) => return InputReply::Line(Zeroizing::new(secret.expose_secret().to_owned())),
            Err(SecretError::Interrupted) => return InputReply::Interrupted,
            Err(SecretError::Eof) => return InputReply::End,
            Err(SecretError::NotATerminal | SecretError::Io(_)) => {}
        }
    }
    let mut line = Zeroizing::new(Vec::new());
    match std::io::stdin().lock().read_until(b'\n', &mut line) {
        Ok(length) if length > 0 => {
            let text = String::from_utf8_lossy(&line);
            InputReply::Line(Zeroizing::new(text.trim_end_matches('\n').trim_end_matches('\r').to_owned()))
        }
        _ => InputReply::End,
    }
}
