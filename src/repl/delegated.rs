//! Commands that the command line has, too: about the server's sessions, and about the files and services of this one.
//! Their flags are read, and their work is done, by whoever stands above the prompt; they write to the terminal themselves.

use super::session::SessionError;
use bai_client::{Api, ComputeSession};
use futures_util::future::BoxFuture;

/// Whoever does what the command line can do.
pub trait DelegatedCommands: Send + Sync {
    /// Does a command in this session, with these words as its flags. Ctrl-C, which is a signal meanwhile, ends it.
    fn run(
        &self,
        command: DelegatedCommand,
        session: ComputeSession,
        words: Vec<String>,
    ) -> BoxFuture<'_, Result<(), SessionError>>;
    /// The server of the prompt's session, once that is known.
    fn server(&self) -> BoxFuture<'_, Result<Api, SessionError>>;
    /// Whether there is a session of this name, id, or beginning that a prompt can be opened on.
    fn find(&self, session: String) -> BoxFuture<'_, Result<(), SessionError>>;
}

/// A command that the command line has, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelegatedCommand {
    /// `:ls`: the sessions of the server.
    Ls,
    /// `:files`: the files of the session.
    Files,
    /// `:logs`: the log of its container.
    Logs,
    /// `:upload`: files to it.
    Upload,
    /// `:download`: files from it.
    Download,
    /// `:apps`: its apps.
    Apps,
    /// `:app`: a local address for an app.
    App,
}
