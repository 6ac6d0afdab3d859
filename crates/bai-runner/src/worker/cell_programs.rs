//! The programs that a cell starts by a line of the shell, at a terminal of their own: each is started in the driver's stead, as
//! the process of the task, so that keys, signals and the window reach it as they reach a script at a terminal. Meanwhile the
//! interpreter waits, and so does its output. What the code keeps goes to it by a pipe of its own. What such a program leaves in
//! the background goes on, and is shown.

use super::super::process::Program;
use super::super::step::RunningStep;
use super::super::wire::{CellProgram, ToDriver};
use super::{InputRequester, InterpreterSlot, Worker};
use crate::own_terminal;
use bai_protocol::byte_text;
use bai_protocol::execute::Window;
use bai_protocol::record::{ConsoleRecord, TerminalChange};
use futures_util::future::select_all;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;

/// How many terminals programs in the background may keep. With one more, the oldest ends, and its programs with it.
const LEFT_TERMINALS: usize = 32;

/// What is kept of such programs.
#[derive(Default)]
pub(super) struct CellPrograms {
    /// The type of the terminal that those of the task may have.
    pty: Option<String>,
    /// How many pieces of input the task has taken.
    pub(super) taken: u64,
    /// What was typed for the last one, and not read.
    unread: Vec<u8>,
    /// The terminals of those that have ended, as far as programs in the background still have them.
    left: VecDeque<Box<RunningStep>>,
}

impl CellPrograms {
    /// A task is about to begin whose programs may have such a terminal, or none.
    pub(super) fn begin(&mut self, pty: Option<String>) {
        self.pty = pty;
        self.taken = 0;
        self.unread.clear();
    }

    pub(super) fn may_have_terminal(&self) -> bool {
        self.pty.is_some()
    }

    /// What programs in the background print. Cancel-safe.
    pub(super) async fn left_output(&mut self) -> String {
        loop {
            if self.left.is_empty() {
                std::future::pending::<()>().await;
            }
            let waits = self.left.iter_mut().map(|program| Box::pin(program.left_output()));
            let (text, at, _) = select_all(waits).await;
            match text {
                Some(text) => return text,
                None => drop(self.left.remove(at)),
            }
        }
    }

    /// Ends what is in the background.
    pub(super) fn end_left(&mut self) {
        self.left.clear();
    }
}

/// A text of the driver as the bytes that it stands for.
fn os_text(text: &str) -> OsString {
    OsString::from_vec(byte_text::bytes(text).into_owned())
}

/// Starts a program at a new terminal of this type and size, in the stead of this process.
fn start(
    wanted: &CellProgram,
    kind: &str,
    window: Option<Window>,
    starter: Option<Pid>,
) -> io::Result<Box<RunningStep>> {
    let (executable, args) = wanted.args.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let variables = wanted.environment.iter();
    let mut env: Vec<_> = variables.map(|(name, value)| (os_text(name), os_text(value))).collect();
    own_terminal::name_in(&mut env, kind);
    let program = Program {
        executable: &PathBuf::from(os_text(executable)),
        args: &args.iter().map(|argument| os_text(argument)).collect::<Vec<_>>(),
        workdir: &PathBuf::from(os_text(&wanted.folder)),
        env: &env,
        pipes: &[],
        stdin: None,
        output: wanted.output.as_deref().map(open_pipe).transpose()?,
        starter,
    };
    RunningStep::start_at_terminal(&program, window)
}

/// The writing end of a pipe that the driver reads.
fn open_pipe(name: &str) -> io::Result<OwnedFd> {
    // It does not wait: without a reader there is an error.
    let pipe = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(os_text(name))?;
    if !pipe.metadata()?.file_type().is_fifo() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let pipe = OwnedFd::from(pipe);
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(pipe)
}

impl Worker {
    /// Starts a program of the cell that runs.
    pub(super) fn start_cell_program(&mut self, wanted: &CellProgram) {
        let InterpreterSlot::Running(interpreter) = &mut self.slot else { return };
        let current =
            self.current.as_mut().filter(|current| current.in_interpreter && current.step.is_none());
        let started = match (current, &self.cell_programs.pty) {
            (Some(current), Some(kind)) => {
                match start(wanted, kind, self.window, interpreter.leader()) {
                    Ok(mut step) => {
                        // It reads what was typed for the one before it.
                        step.type_bytes(&std::mem::take(&mut self.cell_programs.unread), false, false);
                        current.step = Some(step);
                        true
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a program of a cell has no terminal");
                        false
                    }
                }
            }
            _ => false,
        };
        if started {
            self.outbox.push(ConsoleRecord::Terminal(TerminalChange::Open));
        } else {
            interpreter.send(&ToDriver::Ended { code: None });
        }
    }

    /// Nobody is at the terminal any more.
    pub(super) fn hang_up(&mut self) {
        if let Some(program) = self.current.as_ref().filter(|current| current.is_at_terminal())
            && let Some(step) = &program.step
        {
            step.hang_up();
        }
    }

    /// The program that has the terminal has ended, or has to: the cell, if it goes on, gets its exit code.
    pub(super) fn end_cell_program(&mut self, code: Option<i32>) {
        let Some(current) = self.current.as_mut().filter(|current| current.is_at_terminal()) else { return };
        let Some(mut program) = current.step.take() else { return };
        program.drain(|record| self.outbox.push(record));
        self.cell_programs.unread.extend(program.take_unread());
        self.withdraw(InputRequester::Reader);
        let taken = self.cell_programs.taken;
        let unread = String::from_utf8_lossy(&self.cell_programs.unread).replace('\0', "");
        self.outbox.push(ConsoleRecord::Terminal(TerminalChange::Closed { taken, unread }));
        let Some(code) = code else { return };
        if program.leave() {
            self.cell_programs.left.retain(|program| program.is_left());
            self.cell_programs.left.truncate(LEFT_TERMINALS - 1);
            self.cell_programs.left.push_front(program);
        }
        if let InterpreterSlot::Running(interpreter) = &mut self.slot {
            interpreter.send(&ToDriver::Ended { code: Some(code) });
        }
    }
}
