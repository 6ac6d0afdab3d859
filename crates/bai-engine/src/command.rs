//! The commands of a session's actor.

use super::run::{Run, RunInput};
use bai_protocol::execute::{BatchOptions, RunId, Script};
use bai_runner::{Kernel, Op, Step};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The work of one run.
#[derive(Debug)]
pub(super) enum Work {
    Query(String, Option<Script>),
    Batch(BatchOptions),
}

impl Work {
    pub(super) fn into_ops(self) -> Vec<Op> {
        let step = |text: &str| Step::from_wire(Some(text));
        match self {
            Work::Query(code, None) => vec![Op::Code(code)],
            Work::Query(code, Some(script)) => vec![Op::Script(code, script)],
            Work::Batch(options) => vec![
                Op::Clean(step(&options.clean)),
                Op::Build(step(&options.build)),
                Op::Exec(step(&options.exec)),
            ],
        }
    }
}

/// A command for a session's actor.
pub(super) enum SessionCommand {
    /// Queue a run.
    Begin(Arc<Run>, Work),
    /// Input for the run that waits for it.
    Input(Arc<Run>, RunInput),
    /// Interrupt this run, also one that waits for its turn; without an id, the active one.
    Interrupt(Option<RunId>),
    /// Start a new interpreter. Waiting runs end.
    Restart(oneshot::Sender<Result<(), String>>),
    /// Get the kernel's handle, for completion.
    Kernel(oneshot::Sender<Kernel>),
}
