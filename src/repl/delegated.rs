//! Commands that the prompt shares with the command line, about the server's sessions and about the files and apps of this one.
//! The layer above the prompt parses their flags and runs them; they write to the terminal themselves.

use super::session::SessionError;
use bai_client::{Api, ComputeSession};
use futures_util::future::BoxFuture;

/// Runs commands of the command line for the prompt.
pub trait DelegatedCommands: Send + Sync {
    /// Runs a command on this session, with these words as its flags. Ctrl-C ends it, as a signal.
    fn run(
        &self,
        command: DelegatedCommand,
        session: ComputeSession,
        words: Vec<String>,
    ) -> BoxFuture<'_, Result<(), SessionError>>;
    /// The flags of a command, as `:name --help` shows them.
    fn help(&self, command: DelegatedCommand) -> String;
    /// The server of the prompt's session; an error before that is open.
    fn server(&self) -> BoxFuture<'_, Result<Api, SessionError>>;
    /// Checks that there is a session of this name, id or beginning, on which a prompt can be opened.
    fn find(&self, session: String) -> BoxFuture<'_, Result<(), SessionError>>;
    /// Creates a session of this image, and waits until it runs. The next prompt is opened on it.
    fn create(&self, image: String) -> BoxFuture<'_, Result<(), SessionError>>;
}

/// A command that the prompt shares with the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelegatedCommand {
    /// `:ls`: the sessions of the server.
    Ls,
    /// `:files`: the files of the session.
    Files,
    /// `:logs`: the log of the session's container.
    Logs,
    /// `:upload`: copies files to the session.
    Upload,
    /// `:download`: copies files from the session.
    Download,
    /// `:apps`: the apps of the session.
    Apps,
    /// `:app`: a local address for an app.
    App,
}
