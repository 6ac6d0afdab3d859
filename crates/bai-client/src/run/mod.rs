//! One execution, from its first word to `finished`: what the caller holds, and what it yields.
//!
//! [`Run`] is only a handle. A task of its own (`driver`) owns the connection, asks the pure state machine
//! (`machine`) what each frame means, and holds the session's turn until the run is over, so that a run is never
//! abandoned, whatever becomes of the handle (`docs/wire` §3.6).

mod driver;
mod heuristics;
mod link;
mod link_event;
mod lost_run;
mod machine;
mod poll;
mod socket;
pub(super) mod steps;

pub(super) use driver::{Start, start, start_in_turn};

use super::error::ClientError;
use bai_protocol::execute::{BatchOptions, RunId};
use bai_protocol::record::ConsoleRecord;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

/// The code to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Source text, in the session's namespace.
    Query(String),
    /// The three batch steps, in shell commands; empty ones are skipped, and `*` does what the files ask for. At servers
    /// that lose what is said between the steps each is a run of its own; the caller sees no difference.
    Batch(BatchOptions),
}

impl Cell {
    /// Source text, in the session's namespace.
    pub fn query(code: impl Into<String>) -> Self {
        Cell::Query(code.into())
    }
}

/// How a run's output travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// WebSocket; polling when something in between refuses the upgrade, or the server is too old for it.
    #[default]
    Auto,
    /// WebSocket only.
    WebSocket,
    /// HTTP polling only. Slower to show output (the server answers every 2 s), but a run survives lost
    /// connections on every server.
    Poll,
}

/// Options of one run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How output travels.
    pub transport: Transport,
    /// How long a server may be silent on a connection that has already delivered a frame and is not
    /// waiting for input, before the connection counts as dead. Default 60 s; genuine servers
    /// speak every 0.2 s (WebSocket) or 2 s (polling).
    pub silence_limit: Duration,
    /// How long a dropped run may take to end after its interrupt, before it is given up. Default 30 s.
    pub drain_limit: Duration,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            transport: Transport::Auto,
            silence_limit: Duration::from_secs(60),
            drain_limit: Duration::from_secs(30),
        }
    }
}

impl RunOptions {
    /// Defaults, with a transport.
    pub fn over(transport: Transport) -> Self {
        RunOptions { transport, ..Default::default() }
    }
}

/// A batch step whose end is told before the run's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The step `clean`.
    Clean,
    /// The step `build`.
    Build,
}

/// The events of a run, in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunEvent {
    /// Something was printed. Untrusted text.
    Console(ConsoleRecord),
    /// The program waits for a line; its prompt was printed before. Answer with [`Run::send_input`].
    WaitingInput {
        /// Whether what is typed must not be shown.
        is_password: bool,
    },
    /// A batch step ended; the run goes on.
    StepFinished {
        /// Which.
        step: Step,
        /// Its exit code, when the server knows it.
        exit_code: Option<i32>,
    },
    /// The server has not said anything about this run for some seconds. On a cluster another client may be running
    /// something in the session, or the session is stuck. Told at most once in a run; the run goes on.
    NotStarted {
        /// How long it has been.
        waited: Duration,
    },
    /// The connection was lost and restored; no output is missing. Sent each time.
    Resumed,
    /// The server failed to pass on something that was printed, HTML on genuine servers, for example; that part of the
    /// output is lost and the run goes on. The exit code is not known after this.
    OutputLost(ClientError),
    /// The run is over. The last event.
    Finished {
        /// Exit code, when the server knows it.
        exit_code: Option<i32>,
    },
    /// The run cannot be followed any more. The last event.
    Lost(LostRun),
}

/// Why and how a run was lost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LostRun {
    /// What happened. Its kind is [`super::ErrorKind::Lost`] for a connection that ended, or that of the server's answer.
    pub error: ClientError,
    /// In which state the session is left.
    pub session: SessionState,
    /// The run's id, when the server gave the run the one that we made up.
    pub run_id: Option<RunId>,
}

/// Whether a session can be used after a run was lost in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// It takes the next run.
    Usable,
    /// It answers no execution any more; on clusters only destroying it helps, and creating another
    /// (`docs/wire` §3.6).
    Stuck,
    /// It does not exist any more.
    Gone,
    /// The server could not be asked.
    Unknown,
}

/// One execution. Dropping it does not abandon it: a background task interrupts the program and
/// reads on until it ends, with limits, and only then lets the next run of the session begin.
#[derive(Debug)]
#[must_use = "a run that is dropped is interrupted"]
pub struct Run {
    events: mpsc::Receiver<RunEvent>,
    input: mpsc::Sender<Zeroizing<String>>,
    interrupts: watch::Sender<u64>,
    leave: watch::Sender<bool>,
    over: bool,
}

impl Run {
    /// The next event; `None` after [`RunEvent::Finished`] or [`RunEvent::Lost`]. Cancel-safe.
    ///
    /// Events wait in a bounded queue. A caller that does not read them holds back the server, and in the end the program.
    pub async fn next(&mut self) -> Option<RunEvent> {
        if self.over {
            return None;
        }
        let event = self.events.recv().await;
        self.over = matches!(event, None | Some(RunEvent::Finished { .. } | RunEvent::Lost(_)));
        event
    }

    /// Answers [`RunEvent::WaitingInput`], without a newline. Gives whether the answer was taken: a second
    /// answer to one question is not, and one that comes after an interrupt is dropped.
    pub fn send_input(&self, text: impl Into<Zeroizing<String>>) -> bool {
        self.input.try_send(text.into()).is_ok()
    }

    /// Asks the program to stop, as Ctrl-C does. The run still ends with [`RunEvent::Finished`], unless the program
    /// goes on. A program that waits for input is answered with an empty line where the server
    /// needs that (`docs/wire` §3.10).
    pub fn interrupt(&self) {
        self.interrupts.send_modify(|count| *count += 1);
    }

    /// Lets the program run on without an interrupt. A server with [`bai_protocol::capability::Capability::KeptOutput`]
    /// keeps the rest of the output for the client that resumes the run. Elsewhere that output is read and thrown away
    /// while this process lives.
    pub fn leave(self) {
        self.leave.send_replace(true);
    }
}
