//! Messages about the start and end of each step of a batch run. This module does not print them.

use super::output::OutputMessage;
use crate::repl::{step_failed, step_name};
use bai_client::{Cell, Step};
use bai_protocol::execute::BatchOptions;
use serde_json::json;

/// Maximum width of a command in a message.
const COMMAND_WIDTH: usize = 60;

/// The steps of a run. A cell has no steps.
pub(super) struct BatchSteps<'a> {
    commands: BatchOptions,
    on_step: &'a (dyn Fn(&'static str) + Sync),
    /// The start of a step is not reported.
    quiet: bool,
    /// How many of the steps have started or were skipped.
    passed: usize,
    /// Whether the last step has begun.
    last: bool,
}

impl<'a> BatchSteps<'a> {
    /// No steps.
    pub(super) fn none() -> Self {
        BatchSteps { commands: BatchOptions::default(), on_step: &|_| (), quiet: true, passed: 0, last: true }
    }

    /// The steps of this cell. `on_step` is called with the name of each step that starts.
    pub(super) fn of(cell: &Cell, quiet: bool, on_step: &'a (dyn Fn(&'static str) + Sync)) -> Self {
        let commands = match cell {
            Cell::Batch(commands) => commands.clone(),
            Cell::Query(_) | Cell::Script(..) | Cell::Kernel(_) => BatchOptions::default(),
        };
        // Without a build the output is the program's from the beginning.
        let last = commands.build.is_empty() && (commands.clean.is_empty() || commands.clean == "*");
        BatchSteps { commands, on_step, quiet, passed: 0, last }
    }

    /// The message about the first step, if there is one.
    pub(super) fn begin(&mut self) -> Option<OutputMessage> {
        let commands = self.commands.clone();
        // The language's default clean step usually has no effect, so it is not reported.
        let clean = if commands.clean == "*" { "" } else { &commands.clean };
        let steps = [("clean", clean), ("build", &commands.build), ("execute", &commands.exec)];
        while let Some((name, command)) = steps.get(self.passed) {
            self.passed += 1;
            if !command.is_empty() {
                return Some(self.begun(name, command));
            }
        }
        None
    }

    /// Whether a step runs that comes before the program.
    pub(super) fn are_before_the_last(&self) -> bool {
        !self.last
    }

    /// The message about the step after `step`, if the run goes on.
    pub(super) fn begin_after(&mut self, step: Step, exit_code: Option<i32>) -> Option<OutputMessage> {
        self.last |= step == Step::Build;
        let over = match step {
            Step::Clean => 1,
            Step::Build if exit_code.unwrap_or(0) != 0 => return None,
            Step::Build => 2,
        };
        // The step that was reported last may have started only now.
        if self.passed > over { None } else { self.begin() }
    }

    /// The message about the end of a step. People get no message about a success.
    pub(super) fn finished(&self, step: Step, exit_code: Option<i32>) -> OutputMessage {
        let code = exit_code.unwrap_or(0);
        let event = json!({"event": "step-finished", "step": step_name(step), "exitCode": exit_code});
        let sentence =
            if code == 0 { String::new() } else { format!("bai-repl: {}", step_failed(step, code)) };
        OutputMessage::Step(event, sentence)
    }

    fn begun(&self, name: &'static str, command: &str) -> OutputMessage {
        (self.on_step)(name);
        let event = json!({"event": "step-started", "step": name, "command": command});
        let shown = crate::render::sanitize::line(command, COMMAND_WIDTH);
        let sentence = match command {
            _ if self.quiet => String::new(),
            "*" => format!("bai-repl: {name}"),
            _ => format!("bai-repl: {name}: {shown}"),
        };
        OutputMessage::Step(event, sentence)
    }
}
