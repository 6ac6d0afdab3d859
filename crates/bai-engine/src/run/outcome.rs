//! The state of a run after a delivery, and how a run ends.

use bai_protocol::execute::RunStatus;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// The kernel finished it.
    Finished(i32),
    /// The session ended during the run; the text says why.
    Destroyed(String),
    /// The engine shuts down.
    Shutdown,
}

/// The state of the run after a delivery's output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Continued,
    /// The program waits for a line; the number identifies the question.
    Waiting {
        is_password: bool,
        question: u64,
    },
    /// The program does not wait for the line any more.
    Withdrawn,
    Step {
        status: RunStatus,
        exit_code: i32,
    },
    Ended(End),
}
