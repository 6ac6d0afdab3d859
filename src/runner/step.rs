//! A batch step (`protocol.md` §3.7, §9.4): a shell command or what the language usually does, as a child process
//! of its own. What a step leaves running in its process group ends with the step.

use super::kernel::KernelSpec;
use super::language::{Heuristic, Resolved, StepKind};
use super::op::Step;
use super::output::Output;
use super::process::{self, Process, Program};
use super::reply::Reply;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitStatus;

/// A step that runs.
pub(super) struct RunningStep {
    process: Process,
    out: Output,
    err: Output,
}

/// What came of starting a step.
pub(super) enum Started {
    Running(Box<RunningStep>),
    /// It is over already: a line for standard error, if any, and its exit code.
    Over(Option<String>, i32),
}

/// What happened.
pub(super) enum StepEvent {
    Text(Reply),
    Progress,
    Ended(ExitStatus),
}

impl RunningStep {
    /// Starts a step in the session's folder.
    pub(super) fn start(kind: StepKind, step: &Step, what: &Resolved, spec: &KernelSpec) -> Started {
        let (executable, args) = match plan(kind, step, what, spec) {
            Heuristic::Run(executable, args) => (executable, args),
            Heuristic::Done(line, code) => return Started::Over(line, code),
        };
        let batch: &[(&str, &str)] = match kind {
            StepKind::Exec => &[("_BACKEND_BATCH_MODE", "1"), ("PYTHONUNBUFFERED", "1")],
            StepKind::Clean | StepKind::Build => &[("PYTHONUNBUFFERED", "1")],
        };
        let env = process::environment(&spec.env, batch, &[]);
        let program =
            Program { executable: &executable, args: &args, workdir: &spec.workdir, env: &env, pipes: &[] };
        match Process::spawn(&program) {
            Ok((process, out, err)) => Started::Running(Box::new(RunningStep {
                process,
                out: Output::new(out),
                err: Output::new(err),
            })),
            Err(error) => Started::Over(Some(format!("cannot run {}: {error}", executable.display())), -1),
        }
    }

    /// Waits for the next event. Without `room`, no output is read. Cancel-safe.
    pub(super) async fn next(&mut self, room: bool) -> StepEvent {
        let from_out = tokio::select! { biased;
            status = self.process.wait() => return status.map_or(StepEvent::Progress, StepEvent::Ended),
            () = self.out.readable(), if room => true,
            () = self.err.readable(), if room => false,
        };
        let text = if from_out { self.out.read() } else { self.err.read() };
        match text {
            Some(text) if from_out => StepEvent::Text(Reply::Stdout(text)),
            Some(text) => StepEvent::Text(Reply::Stderr(text)),
            None => StepEvent::Progress,
        }
    }

    /// Takes what was written before the end.
    pub(super) fn drain(&mut self, mut take: impl FnMut(Reply)) {
        self.out.drain(|text| take(Reply::Stdout(text)));
        take(Reply::Stdout(self.out.finish().unwrap_or_default()));
        self.err.drain(|text| take(Reply::Stderr(text)));
        take(Reply::Stderr(self.err.finish().unwrap_or_default()));
    }

    pub(super) fn interrupt(&self) {
        self.process.interrupt();
    }
}

/// Exit code of a step: that of its process, or the negative number of the signal that ended it
/// (`protocol.md` §3.4).
pub(super) fn exit_code(status: &ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|number| -number)).unwrap_or(-1)
}

fn plan(kind: StepKind, step: &Step, what: &Resolved, spec: &KernelSpec) -> Heuristic {
    let shell = |command: &str| {
        let args: Vec<OsString> = vec!["-c".into(), command.into()];
        Heuristic::Run(PathBuf::from("/bin/sh"), args)
    };
    match step {
        Step::Skip => Heuristic::Done(None, 0),
        Step::Command(command) => shell(command),
        Step::Heuristic if kind == StepKind::Build && spec.workdir.join("Makefile").exists() => shell("make"),
        Step::Heuristic => what.language.heuristic(kind, &what.info.executable, &spec.workdir),
    }
}
