//! Warnings about a run that goes on, in the words that the prompt and scripts share.

use super::hints::FrontEnd;
use super::session::SessionError;
use crate::format;
use bai_client::{ClientError, Step};
use std::time::Duration;

/// A part of the output is lost, because the server could not pass it on.
pub(crate) fn output_lost(error: &ClientError, front_end: FrontEnd) -> SessionError {
    SessionError::new(format!("a part of the output is lost: {error}"), super::hints::hint(error, front_end))
}

/// The session has not begun to run the code for this time.
pub(crate) fn not_started(waited: Duration) -> String {
    let waited = format::running(waited);
    format!("the session has not answered for {waited}: something else runs in it, or it is stuck")
}

/// The name of a step.
pub(crate) fn step_name(step: Step) -> &'static str {
    match step {
        Step::Clean => "clean",
        Step::Build => "build",
    }
}

/// A step of a batch has failed. After a failed clean step the run goes on.
pub(crate) fn step_failed(step: Step, code: i32) -> String {
    let then = match step {
        Step::Clean => "",
        Step::Build => ", so the execute step is skipped",
    };
    format!("the step {} ended with exit code {code}{then}", step_name(step))
}
