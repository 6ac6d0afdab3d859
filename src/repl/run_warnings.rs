//! Warnings about a run that goes on, in the words that the prompt and scripts share.

use super::hints::FrontEnd;
use super::session::SessionError;
use bai_client::{ClientError, InterruptOutcome, Step};

/// What is said when a line that was typed has not arrived.
pub(crate) const ANSWER_LOST: &str = "your answer has not arrived; type it again";

/// A part of the output is lost, because the server could not pass it on.
pub(crate) fn output_lost(error: &ClientError, front_end: FrontEnd) -> SessionError {
    SessionError::new(format!("a part of the output is lost: {error}"), super::hints::hint(error, front_end))
}

/// What an interrupt of this session has done.
pub(crate) fn interrupted(session: &str, outcome: InterruptOutcome) -> String {
    match outcome {
        InterruptOutcome::GoesOn => {
            format!("the interrupt was sent to {session}, and what runs in it goes on so far")
        }
        InterruptOutcome::NoCell => format!("no cell runs in {session}"),
        InterruptOutcome::KernelEnded => format!("nothing runs in {session}: its Python has ended"),
        _ => format!("{session} is interrupted"),
    }
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
