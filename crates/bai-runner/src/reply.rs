//! Replies of a kernel runner (`docs/wire` §9.3).

use bai_protocol::complete::Completion;
use bai_protocol::record::ConsoleRecord;
use serde::{Deserialize, Serialize};

/// One message from the runner to its reader. The runner joins code points that were split between two reads. Bytes of
/// standard output and standard error that are not UTF-8 are in the text as [`bai_protocol::byte_text`] writes them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// Output of the program or its children. The runner's own messages are on standard error.
    Console(ConsoleRecord),
    /// The program waits for a line.
    WaitingInput {
        /// Whether the input must not be shown.
        is_password: bool,
    },
    /// The program does not wait for that line any more, although none came: a time limit or a signal has ended its wait.
    InputWithdrawn,
    /// Answer to [`Op::Complete`](super::Op::Complete).
    Completion(Completion),
    /// The batch step `clean` is over.
    CleanFinished {
        /// Exit code of the step.
        exit_code: i32,
    },
    /// The batch step `build` is over.
    BuildFinished {
        /// Exit code of the step.
        exit_code: i32,
    },
    /// The run is over.
    Finished {
        /// Exit code of the code or of the `exec` step.
        exit_code: i32,
    },
    /// Answer to [`Op::Status`](super::Op::Status).
    Status(RunnerStatus),
}

impl From<ConsoleRecord> for Reply {
    fn from(record: ConsoleRecord) -> Self {
        Reply::Console(record)
    }
}

/// The status of the runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunnerStatus {
    /// When the runner started, in seconds of its monotonic clock.
    pub started_at: f64,
}
