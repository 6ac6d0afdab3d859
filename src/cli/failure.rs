//! What is said when something fails: what and why in one sentence, what to do in another, and the exit code.

use super::exit::Exit;
use crate::config::ConfigError;
use crate::render::sanitize;
use bai_client::{ClientError, ErrorKind};
use std::fmt::Display;

/// A failure as the person sees it.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

/// Longer messages are cut: they come from servers.
const MESSAGE_WIDTH: usize = 1_000;

impl Failure {
    /// A failure of ours.
    pub(super) fn new(exit: Exit, message: impl Display) -> Self {
        Failure { exit, message: message.to_string(), hint: None }
    }

    /// How the program ends by it.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// The same with a word about what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What failed, and why.
    pub(super) fn sentence(&self) -> &str {
        &self.message
    }

    /// The same for the prompt, which says it in its own way.
    pub(super) fn into_trouble(self) -> crate::repl::Trouble {
        crate::repl::Trouble { sentence: self.message, hint: self.hint }
    }

    /// Says it on standard error, with whatever a server put into it made harmless.
    pub(super) fn tell(&self) -> Exit {
        eprintln!("bai-repl: {}", sanitize::line(&self.message, MESSAGE_WIDTH));
        if let Some(hint) = &self.hint {
            eprintln!("hint: {}", sanitize::line(hint, MESSAGE_WIDTH));
        }
        self.exit
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let exit = match error {
            ConfigError::NotLoggedIn { .. }
            | ConfigError::LoginEnded { .. }
            | ConfigError::NotInKeyring { .. } => Exit::Refused,
            _ => Exit::Usage,
        };
        Failure::new(exit, error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let failure = Failure::new(exit_of(error.kind()), &error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// Which exit code a kind of failure has.
pub(super) fn exit_of(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Connect | ErrorKind::Tls | ErrorKind::NotABackend => Exit::Connect,
        ErrorKind::Auth
        | ErrorKind::ClockSkew
        | ErrorKind::Forbidden
        | ErrorKind::Refused
        | ErrorKind::Busy => Exit::Refused,
        ErrorKind::NotFound | ErrorKind::Ambiguous => Exit::NotFound,
        ErrorKind::Timeout => Exit::TimedOut,
        ErrorKind::Lost | ErrorKind::SessionFailed => Exit::Lost,
        _ => Exit::Failed,
    }
}
