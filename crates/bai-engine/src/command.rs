//! The commands of a session's actor.

use super::run::{Run, RunInput};
use bai_protocol::execute::{BatchOptions, IncomingExecute, RunId, Script, Window};
use bai_protocol::signal::RunSignal;
use bai_runner::{Kernel, Op, Step};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The work of one run.
#[derive(Debug)]
pub(super) struct Work {
    task: Task,
    /// Where a person sees the output.
    pub(super) window: Option<Window>,
    /// The type of the terminal that its programs may have.
    pub(super) pty: Option<String>,
}

#[derive(Debug)]
enum Task {
    Query(String, Option<Script>),
    Batch(BatchOptions),
}

impl Work {
    /// The work of a query.
    pub(super) fn query(call: IncomingExecute) -> Self {
        Work { window: call.window, pty: call.pty, task: Task::Query(call.code, call.script) }
    }

    /// The work of a batch run.
    pub(super) fn batch(call: &IncomingExecute) -> Self {
        Work { window: call.window, pty: None, task: Task::Batch(call.batch()) }
    }

    pub(super) fn into_ops(self) -> Vec<Op> {
        let step = |text: &str| Step::from_wire(Some(text));
        let mut ops = vec![Op::Window(self.window), Op::Pty(self.pty)];
        match self.task {
            Task::Query(code, None) => ops.push(Op::Code(code)),
            Task::Query(code, Some(script)) => ops.push(Op::Script(code, script)),
            Task::Batch(BatchOptions { end: true, .. }) => ops.push(Op::End),
            Task::Batch(options) => ops.extend([
                Op::Clean(step(&options.clean)),
                Op::Build(step(&options.build)),
                Op::Exec(step(&options.exec)),
            ]),
        }
        ops
    }
}

/// A command for a session's actor.
pub(super) enum SessionCommand {
    /// Queue a run.
    Begin(Arc<Run>, Work),
    /// Hand this one what no run owns, from now on.
    Listen(Arc<Run>),
    /// Input for the run that waits for it.
    Input(Arc<Run>, RunInput),
    /// The window of this run has changed.
    Window(Arc<Run>, Window),
    /// Interrupt this run, also one that waits for its turn; without an id, the active one.
    Interrupt(Option<RunId>),
    /// Interrupt what holds the session while no run is active.
    InterruptIdle,
    /// Let this signal reach the program of this run.
    Signal(RunId, RunSignal),
    /// The secret that the program of this run has asked for, or that there is none.
    Secret(RunId, Option<String>),
    /// What was typed for the script of this run.
    Keys(RunId, Vec<u8>),
    /// Start a new interpreter. Waiting runs end.
    Restart(oneshot::Sender<Result<(), String>>),
    /// Get the kernel's handle, for completion.
    Kernel(oneshot::Sender<Kernel>),
}
