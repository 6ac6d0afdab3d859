//! Processes of a kernel that end: batch steps, cells that are programs, and an interpreter that dies.

use super::super::crash_loop::TOO_MANY;
use super::super::language::{Cell, Plan, StepKind};
use super::super::op::Step;
use super::super::own_program::{self, Scratch};
use super::super::process::describe_end;
use super::super::stdin::ReaderEvent;
use super::super::step::{self, ALWAYS, RunningStep, Started, StepEvent};
use super::super::wire::ToDriver;
use super::{InputRequester, InterpreterSlot, RunningTask, Task, Worker};
use bai_private::TemporaryFolder;
use bai_protocol::execute::Script;
use bai_protocol::machine_limit::explain;
use bai_protocol::record::{ConsoleRecord, TerminalChange};
use std::io;
use std::process::ExitStatus;
use std::time::Instant;

/// Exit code of a program that SIGINT has ended.
pub(super) const INTERRUPTED: i32 = 130;
/// Exit code of a program that SIGPIPE has ended.
const READER_GONE: i32 = 141;

impl Worker {
    /// Starts a cell or a script that is a program, with a new empty folder for its files.
    pub(super) fn start_program(&mut self, code: &str, script: Option<&Script>) -> Started {
        self.scratch = Scratch::default();
        match self.plan(code, script) {
            Ok((plan, defaults)) => {
                let pty = script.and_then(|script| Some((script.pty.clone()?, script.piped)));
                let is_script = script.is_some();
                RunningStep::start_program(plan, defaults, &self.spec, self.window, pty, is_script)
            }
            Err(error) => Started::Over(
                Some(format!("cannot make a folder to compile the cell in: {}", explain(&error))),
                1,
            ),
        }
    }

    /// The plan of such a program, and its variables.
    fn plan(
        &self,
        code: &str,
        script: Option<&Script>,
    ) -> io::Result<(Plan, &'static [(&'static str, &'static str)])> {
        let (language, executable) = (self.resolved.language, &self.resolved.info.executable);
        if let (Some(program), Some(script)) = (language.own_program(), script) {
            let plan = program.plan(executable, (code, script), &self.spec.workdir, &self.scratch)?;
            return Ok((plan, program.default_env));
        }
        let args = script.map_or_else(Vec::new, own_program::arguments);
        let scratch = self.scratch.path()?;
        Ok((language.query(&Cell { code, executable, args: &args, scratch }), &[ALWAYS]))
    }

    /// Starts a batch step. What a build installs on this machine goes into a folder of the session.
    pub(super) fn start_step(&mut self, kind: StepKind, step: &Step) -> Started {
        let installs = kind == StepKind::Build && *step != Step::Skip && self.resolved.language.installs();
        if installs && self.environment.is_none() {
            match TemporaryFolder::new() {
                Ok(folder) => self.environment = Some(folder),
                Err(error) => {
                    return Started::Over(
                        Some(format!("cannot make a folder to install in: {}", explain(&error))),
                        1,
                    );
                }
            }
        }
        let environment = self.environment.as_ref().map(TemporaryFolder::path);
        RunningStep::start(kind, step, &self.resolved, &self.spec, environment, self.window)
    }

    pub(super) fn on_step(&mut self, event: StepEvent) {
        match event {
            StepEvent::Progress => {}
            StepEvent::Output(record) => self.outbox.push(record),
            StepEvent::Reader(ReaderEvent::Keys(wanted)) => {
                let step = self.current.as_mut().and_then(|current| current.step.as_mut());
                step.into_iter().for_each(|step| step.before_keys(|record| self.outbox.push(record)));
                self.outbox.push(ConsoleRecord::Terminal(TerminalChange::Keys(wanted)));
            }
            StepEvent::Reader(ReaderEvent::Gone) => self.withdraw(InputRequester::Reader),
            StepEvent::Reader(ReaderEvent::Waits) => {
                let step = self.current.as_mut().and_then(|current| current.step.as_mut());
                step.into_iter().for_each(|step| step.take_output(|record| self.outbox.push(record)));
                self.ask(InputRequester::Reader, false);
            }
            StepEvent::Stopped => {
                let step = self.current.as_mut().and_then(|current| current.step.as_mut());
                step.into_iter().for_each(|step| step.take_output(|record| self.outbox.push(record)));
                self.has_stopped();
            }
            StepEvent::Ended(status) => self.on_step_end(&status),
        }
    }

    fn on_step_end(&mut self, status: &ExitStatus) {
        if self.current.as_ref().is_some_and(RunningTask::is_at_terminal) {
            return self.end_cell_program(Some(step::exit_code(status)));
        }
        self.waiting_input = None;
        let Some(current) = &mut self.current else { return };
        let Some(step) = &mut current.step else { return };
        step.drain(|record| self.outbox.push(record));
        if status.success()
            && let Some(next) = step.go_on(&self.spec)
        {
            if let Err(sentence) = next {
                self.outbox.say(&sentence);
                self.end_current(-1);
            }
            return;
        }
        let is_cell = matches!(current.task, Task::Code(..));
        let (exit_code, how) = describe_end(status);
        if status.code().is_none() && exit_code != INTERRUPTED && current.signalled != Some(exit_code) {
            self.outbox.say(&format!("The program {how}."));
        }
        if !is_cell {
            self.show_environment();
        }
        self.end_current(if is_cell { exit_code } else { step::exit_code(status) });
    }

    /// What a step has installed can be used by the interpreter that runs.
    fn show_environment(&mut self) {
        let environment = self.environment.as_ref().map(TemporaryFolder::path);
        if let (Some(folder), InterpreterSlot::Running(interpreter)) = (environment, &mut self.slot) {
            interpreter.send(&ToDriver::Environment { folder: &folder.to_string_lossy() });
        }
    }

    /// The interpreter is gone. Reports how, ends the running task, and starts a new interpreter. In a crash loop the
    /// next cell starts it.
    pub(super) fn on_death(&mut self, status: &ExitStatus) {
        if std::mem::take(&mut self.is_ending) {
            self.slot = InterpreterSlot::Empty;
            self.completions.clear();
            return;
        }
        let runs_code =
            self.current.as_ref().is_some_and(|current| current.in_interpreter || current.step.is_none());
        if !runs_code
            && matches!(&self.slot, InterpreterSlot::Running(interpreter) if interpreter.is_program())
        {
            // Its script has not come yet, and will start another one.
            self.slot = InterpreterSlot::Empty;
            return;
        }
        let (mut exit_code, mut how) = describe_end(status);
        let mut has_lent_output = false;
        if let InterpreterSlot::Running(interpreter) = &mut self.slot {
            (exit_code, how) = interpreter.describe_end(status);
            has_lent_output = interpreter.has_lent_output();
            if runs_code && interpreter.has_lent_all_output() {
                self.descendants.0 = None;
            }
            let last = interpreter.last_messages();
            interpreter.drain(|record| self.outbox.push(record));
            interpreter.finish_streams(&mut self.outbox);
            last.into_iter().for_each(|message| self.on_message(message));
        }
        let gives_up = !runs_code && self.crash_loop.note(Instant::now());
        let language = self.resolved.language.name();
        // The session ends with its last script, as a program does.
        let is_last = self.current.as_ref().is_some_and(|current| current.task.ends_interpreter());
        let signalled = self.current.as_ref().and_then(|current| current.signalled);
        if gives_up {
            self.outbox.say(&format!(
                "The {language} process {how}, {TOO_MANY} times in a short while without running a cell. The next cell \
                 starts a new one; the variables are gone."
            ));
        } else if !is_last {
            self.outbox.say(&format!(
                "The {language} process {how}. A new one has been started; its variables are gone."
            ));
        } else if status.code().is_none()
            && ![Some(INTERRUPTED), signalled, has_lent_output.then_some(READER_GONE)]
                .contains(&Some(exit_code))
        {
            self.outbox.say(&format!("The program {how}."));
        }
        self.slot = InterpreterSlot::Empty;
        self.unshown.clear();
        self.completions.clear();
        self.cell_programs.end_left();
        if runs_code {
            self.end_current(exit_code);
        }
        self.waiting_input = None;
        if !gives_up && !is_last {
            self.start_interpreter(None);
        }
    }
}
