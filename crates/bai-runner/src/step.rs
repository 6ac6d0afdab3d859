//! Work in its own child process: a batch step (`docs/wire` §3.7, §9.4) or a cell in a language without a driver. A
//! batch step is a shell command or the usual command of the language. All processes of its group end with it.

use super::kernel_spec::KernelSpec;
use super::language::{Cell, Heuristic, Invocation, Resolved, StepKind};
use super::lost_interrupt::Interrupted;
use super::op::Step;
use super::output::Output;
use super::process::{self, Process, Program};
use super::stdin::StandardInput;
use super::wakeup::Wakeups;
use bai_protocol::record::ConsoleRecord;
use nix::sys::signal::Signal;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::process::ExitStatus;

/// A variable of every child: output must not be buffered.
const ALWAYS: (&str, &str) = ("PYTHONUNBUFFERED", "1");

/// A running process, and the commands that follow it.
pub(super) struct RunningStep {
    process: Process,
    out: Output,
    err: Output,
    stdin: StandardInput,
    /// The processes of the last interrupt, and when to look whether one has lost it.
    interrupted: Option<Interrupted>,
    looks: Wakeups,
    defaults: &'static [(&'static str, &'static str)],
    rest: VecDeque<Invocation>,
}

/// The result of a start.
pub(super) enum Started {
    Running(Box<RunningStep>),
    /// It is already over: a line for standard error, if any, and the exit code.
    Over(Option<String>, i32),
}

/// An event of a step.
pub(super) enum StepEvent {
    Output(ConsoleRecord),
    /// A process waits for a line on standard input.
    WaitsForLine,
    Progress,
    Ended(ExitStatus),
}

impl RunningStep {
    /// Starts a batch step in the session's folder.
    pub(super) fn start(kind: StepKind, step: &Step, resolved: &Resolved, spec: &KernelSpec) -> Started {
        let commands = match plan(kind, step, resolved, spec) {
            Heuristic::Run(command) => VecDeque::from([command]),
            Heuristic::Done(line, code) => return Started::Over(line, code),
        };
        let defaults: &[(&str, &str)] = match kind {
            StepKind::Exec => &[("_BACKEND_BATCH_MODE", "1"), ALWAYS],
            StepKind::Clean | StepKind::Build => &[ALWAYS],
        };
        Self::first_of(commands, defaults, spec)
    }

    /// Starts a cell's program. Its files are written to `scratch`.
    pub(super) fn start_cell(code: &str, scratch: &Path, resolved: &Resolved, spec: &KernelSpec) -> Started {
        let cell = Cell { code, executable: &resolved.info.executable, scratch };
        let plan = resolved.language.query(&cell);
        for (path, text) in &plan.files {
            if let Err(error) = std::fs::write(path, text) {
                return Started::Over(Some(format!("cannot write {}: {error}", path.display())), 1);
            }
        }
        Self::first_of(plan.commands.into(), &[ALWAYS], spec)
    }

    fn first_of(
        mut rest: VecDeque<Invocation>,
        defaults: &'static [(&'static str, &'static str)],
        spec: &KernelSpec,
    ) -> Started {
        let Some(first) = rest.pop_front() else { return Started::Over(None, 0) };
        match Self::spawn(&first, defaults, spec) {
            Ok((process, out, err, stdin)) => {
                let (interrupted, looks) = (None, Wakeups::new(Some(Signal::SIGINT)));
                let step = RunningStep { process, out, err, stdin, interrupted, looks, defaults, rest };
                Started::Running(Box::new(step))
            }
            Err(error) => Started::Over(Some(cannot_run(&first, &error)), -1),
        }
    }

    fn spawn(
        command: &Invocation,
        defaults: &[(&str, &str)],
        spec: &KernelSpec,
    ) -> io::Result<(Process, Output, Output, StandardInput)> {
        let env = process::environment(&spec.env, defaults, &[]);
        let (stdin, child_stdin) = StandardInput::new()?;
        let (process, out, err) = Process::spawn(Program {
            executable: &command.executable,
            args: &command.args,
            workdir: &spec.workdir,
            env: &env,
            pipes: &[],
            stdin: Some(child_stdin),
        })?;
        Ok((process, Output::new(out), Output::new(err), stdin))
    }

    /// Starts the next command after one that has succeeded. `None` when there is no other; an error text when it
    /// cannot be run.
    pub(super) fn go_on(&mut self, spec: &KernelSpec) -> Option<Result<(), String>> {
        let next = self.rest.pop_front()?;
        Some(match Self::spawn(&next, self.defaults, spec) {
            Ok((process, out, err, stdin)) => {
                (self.process, self.out, self.err, self.stdin) = (process, out, err, stdin);
                self.looks.stop();
                Ok(())
            }
            Err(error) => Err(cannot_run(&next, &error)),
        })
    }

    /// Waits for the next event. Without `room`, no output is read. Cancel-safe.
    pub(super) async fn next(&mut self, room: bool) -> StepEvent {
        let leader = self.process.leader();
        let from_out = tokio::select! { biased;
            status = self.process.wait() => return status.map_or(StepEvent::Progress, StepEvent::Ended),
            () = self.out.readable(), if room => true,
            () = self.err.readable(), if room => false,
            () = self.stdin.wait_for_reader(leader) => return StepEvent::WaitsForLine,
            _ = self.looks.due() => {
                self.interrupted.iter().for_each(Interrupted::interrupt_again);
                return StepEvent::Progress;
            }
        };
        let text = if from_out { self.out.read() } else { self.err.read() };
        match text {
            Some(text) if from_out => StepEvent::Output(ConsoleRecord::Stdout(text)),
            Some(text) => StepEvent::Output(ConsoleRecord::Stderr(text)),
            None => StepEvent::Progress,
        }
    }

    /// Takes the output so far.
    pub(super) fn take_output(&mut self, mut take: impl FnMut(ConsoleRecord)) {
        self.out.drain(|text| take(ConsoleRecord::Stdout(text)));
        self.err.drain(|text| take(ConsoleRecord::Stderr(text)));
    }

    /// Takes the output from before the end.
    pub(super) fn drain(&mut self, mut take: impl FnMut(ConsoleRecord)) {
        self.out.drain(|text| take(ConsoleRecord::Stdout(text)));
        take(ConsoleRecord::Stdout(self.out.finish().unwrap_or_default()));
        self.err.drain(|text| take(ConsoleRecord::Stderr(text)));
        take(ConsoleRecord::Stderr(self.err.finish().unwrap_or_default()));
    }

    /// Sends a line to the reader of standard input.
    pub(super) fn type_line(&mut self, line: &str) {
        self.stdin.send(line);
    }

    pub(super) fn interrupt(&mut self) {
        self.stdin.look_again();
        self.interrupted = Some(Interrupted::of(self.process.leader()));
        self.process.interrupt();
        self.looks.start();
    }
}

/// Exit code of a step: that of its process, or the negative number of the signal that ended it
/// (`docs/wire` §3.4).
pub(super) fn exit_code(status: &ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|number| -number)).unwrap_or(-1)
}

fn cannot_run(command: &Invocation, error: &io::Error) -> String {
    format!("cannot run {}: {error}", command.executable.display())
}

fn plan(kind: StepKind, step: &Step, resolved: &Resolved, spec: &KernelSpec) -> Heuristic {
    let shell = |command: &str| Heuristic::Run(Invocation::new("/bin/sh", &["-c", command]));
    let (language, executable, workdir) = (resolved.language, &resolved.info.executable, &spec.workdir);
    match (step, kind) {
        (Step::Skip, _) => Heuristic::Done(None, 0),
        (Step::Command(command), _) => shell(command),
        (Step::Heuristic, StepKind::Clean) => language.clean_heuristic(executable, workdir),
        (Step::Heuristic, StepKind::Build) if workdir.join("Makefile").exists() => shell("make"),
        (Step::Heuristic, StepKind::Build) => language.build_heuristic(executable, workdir),
        (Step::Heuristic, StepKind::Exec) => language.execute_heuristic(executable, workdir),
    }
}
