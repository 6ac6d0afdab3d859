//! Errors of the command line: a sentence about what failed and why, a hint about what to do, and the exit status.

use super::exit_status::ExitStatus;
use crate::config::ConfigError;
use crate::render::sanitize;
use crate::repl::{FrontEnd, SessionError, hint};
use crate::theme::LibraryError;
use bai_client::{ClientError, ErrorKind};
use std::fmt::Display;

/// An error as the user sees it.
#[derive(Debug)]
pub(super) struct CliError {
    exit: ExitStatus,
    message: String,
    hint: Option<String>,
}

/// Maximum width of a message; parts of it come from servers.
const MESSAGE_WIDTH: usize = 1_000;

impl CliError {
    /// An error of this program.
    pub(super) fn new(exit: ExitStatus, message: impl Display) -> Self {
        CliError { exit, message: message.to_string(), hint: None }
    }

    /// The exit status of the program.
    pub(super) fn exit(&self) -> ExitStatus {
        self.exit
    }

    /// Adds a hint about what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The sentence about what failed, and why.
    pub(super) fn sentence(&self) -> &str {
        &self.message
    }

    /// The error as the prompt shows it.
    pub(super) fn into_session_error(self) -> SessionError {
        SessionError::new(self.message, self.hint)
    }

    /// Prints the error on standard error, without the control characters of a server. Returns the exit status.
    pub(super) fn report(&self) -> ExitStatus {
        eprintln!("bai-repl: {}", sanitize::line(&self.message, MESSAGE_WIDTH));
        if let Some(hint) = &self.hint {
            eprintln!("hint: {}", sanitize::line(hint, MESSAGE_WIDTH));
        }
        self.exit
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let exit = match error {
            ConfigError::NotLoggedIn { .. }
            | ConfigError::LoginEnded { .. }
            | ConfigError::NotInKeyring { .. } => ExitStatus::Refused,
            _ => ExitStatus::Usage,
        };
        let is_open = matches!(error, ConfigError::Readable { .. } | ConfigError::Writable { .. });
        let error = CliError::new(exit, error);
        match is_open {
            true => error.hint("--endpoint local needs no such file: it runs the code on this machine"),
            false => error,
        }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let hint = hint(&error, FrontEnd::CommandLine);
        CliError { exit: exit_of(error.kind()), message: error.to_string(), hint }
    }
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        CliError { exit: ExitStatus::Failed, message: error.sentence, hint: error.hint }
    }
}

impl From<LibraryError> for CliError {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::Unknown { name, known } => {
                CliError::new(ExitStatus::Usage, format!("there is no theme \"{name}\""))
                    .hint(format!("there are: {}", known.join(", ")))
            }
            other => CliError::new(ExitStatus::Usage, other).hint("bai-repl themes lists the valid themes"),
        }
    }
}

/// The exit status for a kind of error.
pub(super) fn exit_of(kind: ErrorKind) -> ExitStatus {
    match kind {
        ErrorKind::Connect | ErrorKind::Tls | ErrorKind::Untrusted | ErrorKind::NotABackend => {
            ExitStatus::Connect
        }
        ErrorKind::Auth
        | ErrorKind::LoginEnded
        | ErrorKind::LoggedInElsewhere
        | ErrorKind::ClockSkew
        | ErrorKind::Forbidden
        | ErrorKind::Refused
        | ErrorKind::NameTaken
        | ErrorKind::AlreadyExists
        | ErrorKind::NotAnswering
        | ErrorKind::Busy => ExitStatus::Refused,
        ErrorKind::NotFound
        | ErrorKind::NoSuchFile
        | ErrorKind::UnknownImage
        | ErrorKind::NotATerminal
        | ErrorKind::Ambiguous => ExitStatus::NotFound,
        ErrorKind::NotLoopback => ExitStatus::Usage,
        ErrorKind::Timeout => ExitStatus::TimedOut,
        ErrorKind::Lost | ErrorKind::ServerEnded | ErrorKind::SessionFailed => ExitStatus::Lost,
        _ => ExitStatus::Failed,
    }
}
