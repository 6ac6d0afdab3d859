//! The process that runs the cells of a language with persistent variables: an interpreter under our driver, or a Jupyter kernel. The
//! worker talks to both in the driver's messages.

use super::error::StartError;
use super::interpreter::{Event, Interpreter};
use super::jupyter::JupyterKernel;
use super::kernel_spec::KernelSpec;
use super::language::Resolved;
use super::outbox::Outbox;
use super::own_program::OwnScript;
use super::process;
use super::script_streams::ScriptStreams;
use super::wire::{FromDriver, ToDriver};
use bai_protocol::execute::{Script, Window};
use bai_protocol::record::ConsoleRecord;
use bai_protocol::signal::RunSignal;
use nix::unistd::Pid;
use std::process::ExitStatus;

/// The process that runs cells.
pub(super) enum Backend {
    Driven(Box<Interpreter>),
    Jupyter(Box<JupyterKernel>),
}

impl Backend {
    /// Starts the process and waits until it takes cells, or this script alone. Also returns its output until then.
    pub(super) async fn start(
        resolved: &Resolved,
        spec: &KernelSpec,
        script: Option<OwnScript>,
    ) -> Result<(Self, Vec<ConsoleRecord>), StartError> {
        if resolved.language.is_jupyter() {
            return Ok((Backend::Jupyter(JupyterKernel::start(resolved, spec).await?), Vec::new()));
        }
        let (interpreter, early) = Interpreter::start(resolved, spec, script).await?;
        Ok((Backend::Driven(interpreter), early))
    }

    /// What runs the cells, if it is not the language itself.
    pub(super) fn shell(&self) -> Option<&str> {
        match self {
            Backend::Driven(interpreter) => interpreter.shell(),
            Backend::Jupyter(_) => None,
        }
    }

    /// Waits for the next event. Without `room`, no output is read. Cancel-safe.
    pub(super) async fn next(&mut self, room: bool) -> Event {
        match self {
            Backend::Driven(interpreter) => interpreter.next(room).await,
            Backend::Jupyter(kernel) => kernel.next(room).await,
        }
    }

    /// Takes all output from before this call.
    pub(super) fn drain(&mut self, take: impl FnMut(ConsoleRecord)) {
        match self {
            Backend::Driven(interpreter) => interpreter.drain(take),
            Backend::Jupyter(kernel) => kernel.drain(take),
        }
    }

    /// Ends its streams at the end of a cell.
    pub(super) fn finish_streams(&mut self, outbox: &mut Outbox) {
        match self {
            Backend::Driven(interpreter) => interpreter.finish_streams(outbox),
            Backend::Jupyter(kernel) => kernel.finish_streams(outbox),
        }
    }

    /// The last messages of a process that has ended.
    pub(super) fn last_messages(&mut self) -> Vec<FromDriver> {
        match self {
            Backend::Driven(interpreter) => interpreter.last_messages(),
            // It has delivered them all before it reported its end.
            Backend::Jupyter(_) => Vec::new(),
        }
    }

    /// The exit code that a shell would report, and a clause about the end of the process.
    pub(super) fn describe_end(&self, status: &ExitStatus) -> (i32, String) {
        match self {
            Backend::Driven(interpreter) => interpreter.describe_end(status),
            Backend::Jupyter(_) => process::describe_end(status),
        }
    }

    /// Sends bytes to the reader of standard input.
    pub(super) fn type_bytes(&mut self, bytes: &[u8], end: bool, ahead: bool) {
        if let Backend::Driven(interpreter) = self {
            interpreter.type_bytes(bytes, end, ahead);
        }
    }

    /// Other keys are wanted, which are to be told after this: takes what was written to the terminal in modes of the program's own. The
    /// rest comes after the keys, because a question may be in it, and others than the program show it.
    pub(super) fn before_keys(&mut self, take: impl FnMut(ConsoleRecord)) {
        if let Backend::Driven(interpreter) = self {
            interpreter.before_keys(take);
        }
    }

    /// Types bytes into a terminal that is shared.
    pub(super) fn type_keys(&mut self, bytes: &[u8]) {
        if let Backend::Driven(interpreter) = self {
            interpreter.type_keys(bytes);
        }
    }

    /// The process has announced that it will read standard input.
    pub(super) fn reader_was_announced(&mut self) {
        if let Backend::Driven(interpreter) = self {
            interpreter.reader_was_announced();
        }
    }

    /// A cell begins or is over.
    pub(super) fn set_busy(&mut self, busy: bool) {
        if let Backend::Driven(interpreter) = self {
            interpreter.set_busy(busy);
        }
    }

    /// Whether it runs one script by itself.
    pub(super) fn is_program(&self) -> bool {
        matches!(self, Backend::Driven(interpreter) if interpreter.is_program())
    }

    /// Whether this is the script that it runs by itself.
    pub(super) fn is_for(&self, code: &str, script: Option<&Script>) -> bool {
        matches!(self, Backend::Driven(interpreter) if interpreter.is_for(code, script))
    }

    /// The process that runs the code of cells, where that is one which starts programs by our driver.
    pub(super) fn leader(&self) -> Option<Pid> {
        match self {
            Backend::Driven(interpreter) => Some(interpreter.leader()),
            Backend::Jupyter(_) => None,
        }
    }

    /// Whether the script that it runs by itself has a terminal of its own.
    pub(super) fn has_terminal(&self) -> bool {
        matches!(self, Backend::Driven(interpreter) if interpreter.has_terminal())
    }

    /// The terminal of its script has this size from now on.
    pub(super) fn resize(&self, window: Window) {
        if let Backend::Driven(interpreter) = self {
            interpreter.resize(window);
        }
    }

    /// Whether a stream of the output of its script is lent.
    pub(super) fn has_lent_output(&self) -> bool {
        matches!(self, Backend::Driven(interpreter) if interpreter.lent().is_some_and(ScriptStreams::have_output))
    }

    /// Whether the whole output of its script is lent.
    pub(super) fn has_lent_all_output(&self) -> bool {
        matches!(self, Backend::Driven(interpreter) if interpreter.lent().is_some_and(ScriptStreams::have_all_output))
    }

    /// The script begins: gives it the input that is not the user's.
    pub(super) fn begin_script(&mut self) {
        if let Backend::Driven(interpreter) = self {
            interpreter.begin_script();
        }
    }

    pub(super) fn send(&mut self, message: &ToDriver<'_>) {
        match self {
            Backend::Driven(interpreter) => interpreter.send(message),
            Backend::Jupyter(kernel) => kernel.send(message),
        }
    }

    /// Whether it is too busy to be asked for something optional.
    pub(super) fn is_congested(&self) -> bool {
        match self {
            Backend::Driven(interpreter) => interpreter.is_congested(),
            Backend::Jupyter(kernel) => kernel.is_congested(),
        }
    }

    pub(super) fn interrupt(&mut self) {
        match self {
            Backend::Driven(interpreter) => interpreter.interrupt(),
            Backend::Jupyter(kernel) => kernel.interrupt(),
        }
    }

    /// Lets a signal from outside reach the program. A Jupyter kernel knows none but the interrupt.
    pub(super) fn signal(&mut self, signal: RunSignal) {
        match self {
            Backend::Driven(interpreter) => interpreter.signal(signal),
            Backend::Jupyter(kernel) => match signal {
                RunSignal::ReaderGone { .. } => {}
                _ => kernel.interrupt(),
            },
        }
    }

    /// Ends the process. It is asked to end and may take a moment, unless a cell keeps it busy.
    pub(super) async fn shutdown(self) {
        match self {
            Backend::Driven(interpreter) => interpreter.shutdown().await,
            Backend::Jupyter(kernel) => kernel.shutdown().await,
        }
    }
}
