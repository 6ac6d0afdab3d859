//! Input for a program that runs without a prompt: lines of standard input, or of the keyboard.

use crate::terminal::{SecretError, read_secret};
use secrecy::ExposeSecret;
use std::io::BufRead;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

/// The reply to a request for input.
#[derive(Debug)]
pub(super) enum InputReply {
    /// A line, without its newline.
    Line(Zeroizing<String>),
    /// The input has ended.
    End,
    /// The user pressed Ctrl-C.
    Interrupted,
}

/// The source of input.
#[derive(Debug)]
pub(super) struct InputSource {
    questions: Option<mpsc::Sender<(bool, oneshot::Sender<InputReply>)>>,
}

impl InputSource {
    /// A source without input, because standard input was the script.
    pub(super) fn empty() -> Self {
        InputSource { questions: None }
    }

    /// Standard input, terminal or not. It is read only on a request, and on its own thread, because a read cannot be
    /// cancelled.
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

    /// Requests one line.
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
