//! The question of a script for a secret, at the terminal of this program: beside the stream of the script's input.

use super::input::InputReply;
use crate::render::sanitize;
use crate::terminal::{SecretError, ask_secret};
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// An open question. Dropping it ends it, and gives the terminal its modes back.
pub(super) struct SecretQuestion {
    over: Arc<AtomicBool>,
    answer: oneshot::Receiver<InputReply>,
    thread: Option<JoinHandle<()>>,
}

impl SecretQuestion {
    /// Asks on a thread of its own, because a read cannot be cancelled.
    pub(super) fn ask(prompt: &str) -> Self {
        let prompt = sanitize::text(prompt);
        let (over, (reply, answer)) = (Arc::new(AtomicBool::new(false)), oneshot::channel());
        let ended = over.clone();
        let thread = std::thread::spawn(move || {
            let answer = match ask_secret(&prompt, &|| ended.load(Ordering::Relaxed)) {
                Ok(secret) => InputReply::Line(Zeroizing::new(secret.expose_secret().to_owned())),
                Err(SecretError::Interrupted) => InputReply::Interrupted,
                Err(SecretError::Eof | SecretError::NotATerminal | SecretError::Io(_)) => InputReply::End,
            };
            // The question may be over.
            let _ = reply.send(answer);
        });
        SecretQuestion { over, answer, thread: Some(thread) }
    }

    /// Waits for the answer; for ever without a question. Cancel-safe.
    pub(super) async fn answered(question: &mut Option<Self>) -> InputReply {
        match question {
            Some(question) => (&mut question.answer).await.unwrap_or(InputReply::End),
            None => std::future::pending().await,
        }
    }
}

impl Drop for SecretQuestion {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // The thread looks at it many times in a second.
        self.thread.take().map(JoinHandle::join);
    }
}
