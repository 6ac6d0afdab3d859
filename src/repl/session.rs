//! What the prompt asks of a session: the few things that it does with one, whoever provides them. The client's
//! session is the one provider outside of tests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::completion::CompletionSource;
use bai_client::ComputeSession;
use bai_protocol::execute::BatchOptions;
use bai_protocol::record::ConsoleRecord;

/// A failure for the person: a sentence, and what to do. The text may hold a server's words; it is made harmless when it
/// is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionError {
    /// What failed, and why.
    pub sentence: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl SessionError {
    /// The sentence, and below it what to do.
    pub fn in_lines(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}\n{hint}", self.sentence),
            None => self.sentence.clone(),
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// A session that runs cells.
pub trait Remote: CompletionSource {
    /// Its name.
    fn name(&self) -> String;
    /// The client's own handle, for the views of its files and its log.
    fn client(&self) -> ComputeSession;
    /// What the person should know about it before the first cell.
    fn note(&self) -> Option<String>;
    /// Begins to run a cell. Another run of ours that is not over yet is waited for.
    fn execute(&self, code: String) -> BoxFuture<'_, Result<Box<dyn RemoteRun>, SessionError>>;
    /// The same for the steps of a batch.
    fn batch(&self, steps: BatchOptions) -> BoxFuture<'_, Result<Box<dyn RemoteRun>, SessionError>>;
    /// Stops what the session runs, whoever started it.
    fn interrupt(&self) -> BoxFuture<'_, Result<(), SessionError>>;
    /// Makes it ready for completion and rich output, behind the prompt; cells wait for that from this call on. Gives a
    /// sentence when the session does not answer.
    fn prepare(&self) -> BoxFuture<'static, Option<SessionError>>;
    /// Signature and documentation of a name, with its source when `detailed`, without running a cell. Nothing when
    /// that is not possible now.
    fn describe(&self, name: String, detailed: bool) -> BoxFuture<'static, Option<String>>;
    /// Starts its kernel anew: variables are gone, a running cell ends.
    fn restart(&self) -> BoxFuture<'_, Result<Restarted, SessionError>>;
    /// Waits, for a moment at most, until nothing of ours runs in it that nobody sees.
    fn settle(&self) -> BoxFuture<'_, ()>;
    /// Ends the session, and waits until its name is free again.
    fn make_room(&self) -> BoxFuture<'_, Result<(), SessionError>>;
    /// Ends the session.
    fn destroy(&self) -> BoxFuture<'_, Result<(), SessionError>>;
    /// What there is to know about it: names and values, in order.
    fn info(&self) -> BoxFuture<'_, Result<Vec<(String, String)>, SessionError>>;
}

/// What became of a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restarted {
    /// The kernel is new.
    Done,
    /// The server cannot do that; only another session helps.
    Unsupported,
}

/// A running cell. Dropping it interrupts the program.
pub trait RemoteRun: Send {
    /// The next event; nothing after `Finished` or `Lost`. Cancel-safe.
    fn next(&mut self) -> BoxFuture<'_, Option<CellEvent>>;
    /// Answers `WaitingInput`. False when nobody waits any more.
    fn send_input(&self, text: Zeroizing<String>) -> bool;
    /// Stops the program; the run still ends with `Finished`.
    fn interrupt(&self);
    /// Lets the program run on without us.
    fn leave(self: Box<Self>);
}

/// What happens while a cell runs.
#[derive(Debug, Clone)]
pub enum CellEvent {
    /// Something was printed.
    Console(ConsoleRecord),
    /// The program waits for a line.
    WaitingInput {
        /// What is typed must not be shown.
        is_password: bool,
    },
    /// The server has not begun yet: somebody else may be running something.
    NotStarted {
        /// For how long.
        waited: Duration,
    },
    /// A step of a batch has ended; the run goes on.
    StepFinished {
        /// `clean` or `build`.
        step: &'static str,
        /// Its exit code, when the server knows it.
        exit_code: Option<i32>,
    },
    /// The connection was lost and found again; nothing is missing.
    Resumed,
    /// The cell is over.
    Finished {
        /// Exit code, when the server knows it.
        exit_code: Option<i32>,
    },
    /// The cell cannot be followed any more.
    Lost {
        /// What happened.
        error: SessionError,
        /// The session takes another cell.
        usable: bool,
    },
}

/// Where the opening of a session tells how far it is: a status in the server's word, such as `PREPARING`. It is told there
/// when nobody wants to run anything in the session any more.
#[derive(Debug, Clone)]
pub struct OpenProgress {
    status: watch::Sender<String>,
    given_up: CancellationToken,
}

impl OpenProgress {
    pub(super) fn new() -> (Self, watch::Receiver<String>, CancellationToken) {
        let (status, receiver) = watch::channel(String::new());
        let given_up = CancellationToken::new();
        (OpenProgress { status, given_up: given_up.clone() }, receiver, given_up)
    }

    /// Tells the status.
    pub fn tell(&self, status: impl Into<String>) {
        self.status.send_replace(status.into());
    }

    /// Waits until the session is only wanted to be destroyed: then it need not run. Comes after the first status, if at
    /// all.
    pub async fn given_up(&self) {
        self.given_up.cancelled().await;
    }
}

/// Opens the session; called again when it failed or was lost and the person asks for it.
pub type Opener =
    Box<dyn Fn(OpenProgress) -> BoxFuture<'static, Result<Arc<dyn Remote>, SessionError>> + Send + Sync>;
