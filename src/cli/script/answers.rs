//! The answers to the questions of a run: lines and pieces of its input, and secrets beside it.

use super::ScriptRun;
use super::ending::EarlyEnd;
use crate::cli::input::{InputReply, Wanted};
use crate::cli::secret_question::SecretQuestion;
use bai_client::Rest;
use bai_protocol::execute::END_OF_INPUT;
use bytes::Bytes;
use std::io::IsTerminal;
use tokio::sync::oneshot;

/// Waits for an answer that is being read.
pub(super) async fn answered(answer: &mut Option<oneshot::Receiver<InputReply>>) -> InputReply {
    match answer {
        Some(answer) => answer.await.unwrap_or(InputReply::End),
        None => std::future::pending().await,
    }
}

impl ScriptRun<'_> {
    /// Asks for a secret at the terminal, whatever standard input is.
    pub(super) async fn ask_secret(&mut self, prompt: &str) {
        self.output.flush().await;
        // One question at a time has the keyboard.
        self.secret = None;
        self.secret = Some(SecretQuestion::ask(prompt));
    }

    /// Gives the program the secret.
    pub(super) async fn give_secret(&mut self, answer: InputReply) -> Result<(), EarlyEnd> {
        match answer {
            InputReply::Line(secret) => self.run.send_secret(Some(secret)),
            InputReply::Interrupted => return self.interrupt().await,
            InputReply::End | InputReply::Piece(_) => self.run.send_secret(None),
        }
        Ok(())
    }

    /// Asks for input, or sends what is left of it.
    pub(super) async fn ask(&mut self, wanted: Wanted) {
        self.output.flush().await;
        // What the last question did not take any more is for this one.
        if let Some((bytes, rest)) = self.unsent.take_if(|_| self.asks_piece) {
            self.send_piece(bytes, rest);
        } else if self.answer.is_none() {
            // An answer that is still being read is for this question: the one before it has ended by itself.
            self.answer = Some(self.input.ask(wanted));
        }
    }

    /// Gives the program an answer.
    pub(super) async fn give(&mut self, answer: InputReply) -> Result<(), EarlyEnd> {
        match answer {
            InputReply::Line(line) => {
                self.run.send_input(line);
            }
            InputReply::Piece(bytes) => {
                // What is typed stays with the terminal until a program asks for it.
                let rest = if std::io::stdin().is_terminal() { Rest::WhenAsked } else { Rest::AtHand };
                self.send_piece(bytes.into(), rest);
            }
            InputReply::Interrupted => self.interrupt().await?,
            InputReply::End if self.asks_piece => {
                self.send_piece(Bytes::new(), Rest::None);
            }
            InputReply::End if self.takes_end => {
                self.run.send_input(END_OF_INPUT.to_owned());
            }
            InputReply::End => {
                if !std::mem::replace(&mut self.no_input_reported, true) {
                    eprintln!(
                        "bai-repl: the program asks for more input than there is, and this server cannot tell it so; it is interrupted"
                    );
                }
                self.run.interrupt();
            }
        }
        Ok(())
    }

    /// Sends a piece of the input, or keeps it for the next question.
    pub(super) fn send_piece(&mut self, bytes: Bytes, rest: Rest) {
        if !self.run.send_piece(bytes.clone(), rest) {
            self.unsent = Some((bytes, rest));
        }
    }

    /// What a question of the program wants.
    pub(super) fn wanted(&self, is_password: bool) -> Wanted {
        match self.takes_pieces {
            _ if is_password => Wanted::Password,
            true => Wanted::Piece,
            false => Wanted::Line,
        }
    }
}
