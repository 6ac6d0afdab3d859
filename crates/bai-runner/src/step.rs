//! Work in its own child process: a batch step (`docs/wire` §3.7, §9.4) or a cell in a language without a driver. A
//! batch step is a shell command or the usual command of the language. All processes of its group end with it.

use super::input::Input;
use super::kernel_spec::KernelSpec;
use super::language::{Heuristic, Invocation, Plan, Resolved, StepKind};
use super::last_words::LastWords;
use super::lost_interrupt::LostInterrupts;
use super::op::Step;
use super::output::Output;
use super::outputs::Outputs;
use super::own_terminal;
use super::process::{self, Process, Program, Spawned};
use super::program_signal;
use super::stdin::{ReaderEvent, StandardInput};
use super::window;
use bai_protocol::execute::{Piped, Window};
use bai_protocol::machine_limit::explain;
use bai_protocol::record::ConsoleRecord;
use bai_protocol::signal::RunSignal;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::ExitStatus;

/// The program that runs commands of the user.
const SHELL: &str = "/bin/sh";
/// A variable of every child: output must not be buffered.
pub(super) const ALWAYS: (&str, &str) = ("PYTHONUNBUFFERED", "1");

/// A running process, and the commands that follow it.
pub(super) struct RunningStep {
    process: Process,
    /// Whether what its children print after its end is a part of it.
    is_script: bool,
    /// Its end, while they may print.
    last_words: Option<LastWords>,
    outputs: Outputs,
    stdin: Input,
    lost_interrupts: LostInterrupts,
    variables: Variables,
    rest: VecDeque<Invocation>,
    /// Whether somebody has interrupted it.
    was_interrupted: bool,
}

/// The variables of a step's processes, in addition to those of the session.
#[derive(Default)]
struct Variables {
    /// For variables that are not set.
    defaults: &'static [(&'static str, &'static str)],
    /// Those of an active environment.
    active: Vec<(String, String)>,
    /// Where a person sees the output.
    window: Option<Window>,
    /// The type of the terminal that it gets of its own, and the streams that are pipes beside it.
    pty: Option<(String, Option<Piped>)>,
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
    /// A process begins or ends to wait for a line on standard input.
    Reader(ReaderEvent),
    Progress,
    /// The process has stopped.
    Stopped,
    Ended(ExitStatus),
}

impl RunningStep {
    /// Starts a batch step in the session's folder. `environment` is the folder in which build steps install.
    pub(super) fn start(
        kind: StepKind,
        step: &Step,
        resolved: &Resolved,
        spec: &KernelSpec,
        environment: Option<&Path>,
        window: Option<Window>,
    ) -> Started {
        let command = match plan(kind, step, resolved, spec, environment) {
            Heuristic::Run(command) => command,
            Heuristic::Done(line, code) => return Started::Over(line, code),
        };
        let language = resolved.language;
        let installs = matches!(step, Step::Heuristic) && command.executable != Path::new(SHELL);
        let is_made = environment.is_some_and(|environment| language.tool_of(environment).is_some());
        let first = environment
            .filter(|_| kind == StepKind::Build && (installs || !is_made))
            .and_then(|environment| language.make_environment(&resolved.info, environment, installs));
        let is_active = is_made || first.is_some();
        let commands = first.into_iter().chain([command]).collect();
        let defaults: &[(&str, &str)] = match kind {
            StepKind::Exec => &[("_BACKEND_BATCH_MODE", "1"), ALWAYS],
            StepKind::Clean | StepKind::Build => &[ALWAYS],
        };
        let active = environment.filter(|_| is_active).map(|environment| activated(environment, spec));
        Self::first_of(
            commands,
            Variables { defaults, active: active.unwrap_or_default(), window, pty: None },
            spec,
        )
    }

    /// Starts the program of a cell or a script.
    pub(super) fn start_program(
        plan: Plan,
        defaults: &'static [(&'static str, &'static str)],
        spec: &KernelSpec,
        window: Option<Window>,
        pty: Option<(String, Option<Piped>)>,
        is_script: bool,
    ) -> Started {
        for (path, text) in &plan.files {
            if let Err(error) = std::fs::write(path, text) {
                return Started::Over(
                    Some(format!("cannot write {}: {}", path.display(), explain(&error))),
                    1,
                );
            }
        }
        let variables = Variables { defaults, window, pty, ..Variables::default() };
        let mut started = Self::first_of(plan.commands.into(), variables, spec);
        if let (Started::Running(step), Some(input)) = (&mut started, plan.input) {
            step.stdin.send(&input, true, false);
        }
        if let Started::Running(step) = &mut started {
            step.is_script = is_script;
        }
        started
    }

    /// Starts a program of a cell at a terminal of its own.
    pub(super) fn start_at_terminal(
        program: &Program<'_>,
        window: Option<Window>,
    ) -> io::Result<Box<RunningStep>> {
        let spawned = own_terminal::start(program, window, None, None)?;
        Ok(Box::new(Self::of(spawned, Variables::default(), VecDeque::new())))
    }

    /// A process that has just been spawned, and the commands that follow it.
    fn of(spawned: Spawned, variables: Variables, rest: VecDeque<Invocation>) -> Self {
        let lost_interrupts = LostInterrupts::new();
        let Spawned { process, outputs, stdin } = spawned;
        RunningStep {
            process,
            is_script: false,
            last_words: None,
            outputs,
            stdin,
            lost_interrupts,
            variables,
            rest,
            was_interrupted: false,
        }
    }

    /// What was typed, and has been read by no program.
    pub(super) fn take_unread(&mut self) -> Vec<u8> {
        [self.process.take_unread(), self.stdin.take_unwritten()].concat()
    }

    /// Its program has ended. Returns whether others are left.
    pub(super) fn leave(&mut self) -> bool {
        self.process.leave()
    }

    /// What those print; `None` when none is left that could. Cancel-safe.
    pub(super) async fn left_output(&mut self) -> Option<String> {
        let out = &mut self.outputs.out;
        out.readable().await;
        let text = out.read();
        if text.is_some() || self.is_left() { Some(text.unwrap_or_default()) } else { None }
    }

    /// Whether others may still be left.
    pub(super) fn is_left(&self) -> bool {
        !self.outputs.out.is_closed() || self.process.has_others()
    }

    fn first_of(mut rest: VecDeque<Invocation>, variables: Variables, spec: &KernelSpec) -> Started {
        let Some(first) = rest.pop_front() else { return Started::Over(None, 0) };
        match Self::spawn(&first, &variables, spec) {
            Ok(spawned) => Started::Running(Box::new(Self::of(spawned, variables, rest))),
            Err(error) => Started::Over(Some(cannot_run(&first, &error)), -1),
        }
    }

    fn spawn(command: &Invocation, variables: &Variables, spec: &KernelSpec) -> io::Result<Spawned> {
        let mut env =
            process::environment(&[&spec.env[..], &variables.active].concat(), variables.defaults, &[]);
        let program = |env, stdin| Program {
            executable: &command.executable,
            args: &command.args,
            workdir: &spec.workdir,
            env,
            pipes: &[],
            stdin,
            output: None,
            starter: None,
        };
        if let Some((kind, piped)) = &variables.pty {
            own_terminal::name_in(&mut env, kind);
            return own_terminal::start(&program(&env, None), variables.window, *piped, None);
        }
        window::add_to(&mut env, window::in_session(variables.window, &spec.env));
        let (stdin, child_stdin) = StandardInput::new()?;
        let (process, out, err) = Process::spawn(program(&env, Some(child_stdin)))?;
        let outputs = Outputs::new(Output::new(out), Output::new(err));
        Ok(Spawned { process, outputs, stdin: Input::Pipe(stdin) })
    }

    /// Starts the next command after one that has succeeded. `None` when there is no other; an error text when it
    /// cannot be run.
    pub(super) fn go_on(&mut self, spec: &KernelSpec) -> Option<Result<(), String>> {
        let next = self.rest.pop_front()?;
        Some(match Self::spawn(&next, &self.variables, spec) {
            Ok(Spawned { process, outputs, stdin }) => {
                (self.process, self.outputs, self.stdin) = (process, outputs, stdin);
                self.lost_interrupts.stop();
                Ok(())
            }
            Err(error) => Err(cannot_run(&next, &error)),
        })
    }

    /// Whether it has a terminal of its own.
    pub(super) fn has_terminal(&self) -> bool {
        self.process.has_terminal()
    }

    /// Its terminal has this size from now on.
    pub(super) fn resize(&mut self, window: Window) {
        self.variables.window = Some(window);
        self.process.resize(window);
    }

    /// Waits for the next event. Without `room`, no output is read. Cancel-safe.
    pub(super) async fn next(&mut self, room: bool) -> StepEvent {
        if room && let Some(record) = self.outputs.take_held() {
            return StepEvent::Output(record);
        }
        if let Some(last_words) = &mut self.last_words {
            return self
                .outputs
                .after_end(last_words, room)
                .await
                .map_or_else(StepEvent::Ended, StepEvent::Output);
        }
        let leader = self.process.leader();
        let from = tokio::select! { biased;
            status = self.process.ended_or_stopped() => {
                let Some(status) = status else {
                    self.stdin.hold(true);
                    return StepEvent::Stopped;
                };
                return status.map_or(StepEvent::Progress, |status| self.has_ended(status));
            }
            from = self.outputs.readable(), if room => from,
            event = self.stdin.reader_event(leader) => return StepEvent::Reader(event),
            () = self.lost_interrupts.look() => return StepEvent::Progress,
        };
        let Some((from, text)) = self.outputs.read(from) else { return StepEvent::Progress };
        StepEvent::Output(self.outputs.tell(self.stdin.before_output(), from.record(text)))
    }

    fn has_ended(&mut self, status: ExitStatus) -> StepEvent {
        if self.is_script && self.rest.is_empty() {
            self.stdin = Input::Over;
            if self.process.leave_output() {
                self.last_words = Some(LastWords::after(status));
                return StepEvent::Progress;
            }
        }
        StepEvent::Ended(status)
    }

    /// Takes the output so far.
    pub(super) fn take_output(&mut self, take: impl FnMut(ConsoleRecord)) {
        self.outputs.drain(|| self.stdin.before_output(), take);
    }

    /// Takes the output from before the end.
    pub(super) fn drain(&mut self, take: impl FnMut(ConsoleRecord)) {
        self.outputs.finish(take);
    }

    /// Sends bytes to the reader of standard input.
    pub(super) fn type_bytes(&mut self, bytes: &[u8], end: bool, ahead: bool) {
        self.stdin.send(bytes, end, ahead);
    }

    /// Other keys are wanted, which are to be told after this: takes what was written to the terminal in modes of the program's own. The
    /// rest comes after the keys, because a question may be in it, and others than the program show it.
    pub(super) fn before_keys(&mut self, take: impl FnMut(ConsoleRecord)) {
        if self.stdin.had_own_modes() {
            self.outputs.drain_screen(take);
        }
    }

    /// Types bytes into a terminal that is shared.
    pub(super) fn type_keys(&mut self, bytes: &[u8]) {
        self.stdin.type_keys(bytes);
    }

    pub(super) fn interrupt(&mut self) {
        self.lost_interrupts.begin(self.process.leader());
        self.process.interrupt();
        self.stdin.was_interrupted(self.process.leader());
    }

    /// Interrupts a program at a terminal, and hangs up if that was done before: many take Ctrl-C for a key like others.
    pub(super) fn end_or_hang_up(&mut self) {
        if std::mem::replace(&mut self.was_interrupted, true) {
            self.hang_up();
        } else {
            self.interrupt();
        }
    }

    /// Nobody is at its terminal any more.
    pub(super) fn hang_up(&self) {
        self.process.hang_up();
    }

    /// Lets a signal from outside reach the process.
    pub(super) fn signal(&mut self, signal: RunSignal) {
        if signal == RunSignal::Continue {
            self.stdin.hold(false);
        }
        program_signal::deliver(signal, &mut self.process, &mut self.outputs);
    }
}

/// Exit code of a step: that of its process, or the negative number of the signal that ended it
/// (`docs/wire` §3.4).
pub(super) fn exit_code(status: &ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|number| -number)).unwrap_or(-1)
}

fn cannot_run(command: &Invocation, error: &io::Error) -> String {
    format!("cannot run {}: {}", command.executable.display(), explain(error))
}

/// The variables that activate an environment, as its own script `activate` does, and that cancel the user's settings of
/// another place for pip.
fn activated(environment: &Path, spec: &KernelSpec) -> Vec<(String, String)> {
    let own = spec.env.iter().rfind(|(name, _)| name == "PATH").map(|(_, path)| path.into());
    let path: OsString = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let folders = std::iter::once(environment.join("bin")).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).unwrap_or(path);
    let text = |value: &OsStr| value.to_string_lossy().into_owned();
    let mut variables =
        vec![("VIRTUAL_ENV".into(), text(environment.as_os_str())), ("PATH".into(), text(&path))];
    let others = [("PIP_USER", "0"), ("PIP_PREFIX", ""), ("PIP_ROOT", ""), ("PIP_TARGET", "")];
    variables.extend(others.map(|(name, value)| (name.to_owned(), value.to_owned())));
    variables
}

fn plan(
    kind: StepKind,
    step: &Step,
    resolved: &Resolved,
    spec: &KernelSpec,
    environment: Option<&Path>,
) -> Heuristic {
    let shell = |command: &str| Heuristic::Run(Invocation::new(SHELL, &["-c", command]));
    let (language, executable, workdir) = (resolved.language, &resolved.info.executable, &spec.workdir);
    match (step, kind) {
        (Step::Skip, _) => Heuristic::Done(None, 0),
        (Step::Command(command), _) => shell(command),
        (Step::Heuristic, StepKind::Clean) => language.clean_heuristic(executable, workdir),
        (Step::Heuristic, StepKind::Build) if workdir.join("Makefile").exists() => shell("make"),
        (Step::Heuristic, StepKind::Build) => {
            let tool = environment.map(|folder| folder.join("bin/python"));
            language.build_heuristic(tool.as_ref().unwrap_or(executable), workdir)
        }
        (Step::Heuristic, StepKind::Exec) => {
            let tool = environment.and_then(|folder| language.tool_of(folder));
            language.execute_heuristic(tool.as_ref().unwrap_or(executable), workdir)
        }
    }
}
