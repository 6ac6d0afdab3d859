//! How a run stands, as a delivery tells it, and how a run ends.

use bai_protocol::execute::RunStatus;

/// Why a run has no more to say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// The kernel finished it.
    Finished(i32),
    /// The session ended under it; the text is for people.
    Destroyed(String),
    /// The engine goes away.
    Shutdown,
}

/// The state that a delivery tells of, after its output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Continued,
    /// The program asks; the number tells one question from the next.
    Waiting {
        is_password: bool,
        question: u64,
    },
    Step {
        status: RunStatus,
        exit_code: i32,
    },
    Ended(End),
}
