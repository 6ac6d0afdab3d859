//! Messages about the steps of a batch run: which begins, and how it ended. This module prints nothing itself.

use super::output::OutputMessage;
use bai_client::{Cell, Step};
use bai_protocol::execute::BatchOptions;
use serde_json::json;

/// Longer commands are shortened in messages.
const SHOWN: usize = 60;

/// The steps of a run; a run of a cell has none.
pub(super) struct BatchSteps<'a> {
    commands: BatchOptions,
    on_step: &'a (dyn Fn(&'static str) + Sync),
    /// What goes well is not told.
    quiet: bool,
    /// How many of the steps have begun or were passed over.
    passed: usize,
}

impl<'a> BatchSteps<'a> {
    /// Of a run that has none.
    pub(super) fn none() -> Self {
        BatchSteps { commands: BatchOptions::default(), on_step: &|_| (), quiet: true, passed: 0 }
    }

    /// The steps of this cell. `on_step` hears the name of each that begins.
    pub(super) fn of(cell: &Cell, quiet: bool, on_step: &'a (dyn Fn(&'static str) + Sync)) -> Self {
        let commands = match cell {
            Cell::Batch(commands) => commands.clone(),
            Cell::Query(_) => BatchOptions::default(),
        };
        BatchSteps { commands, on_step, quiet, passed: 0 }
    }

    /// The run begins: its first step, if it has one.
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

    /// A step has ended: the next, if the run goes on.
    pub(super) fn begin_after(&mut self, step: Step, exit_code: Option<i32>) -> Option<OutputMessage> {
        let over = match step {
            Step::Clean => 1,
            Step::Build if exit_code.unwrap_or(0) != 0 => return None,
            Step::Build => 2,
        };
        // The one that was told last may be under way only now.
        if self.passed > over { None } else { self.begin() }
    }

    /// How a step ended. A success is not reported to people.
    pub(super) fn finished(&self, step: Step, exit_code: Option<i32>) -> OutputMessage {
        let (name, code) = (name(step), exit_code.unwrap_or(0));
        let event = json!({"event": "step-finished", "step": name, "exitCode": exit_code});
        let sentence = match step {
            _ if code == 0 => String::new(),
            Step::Clean => format!("bai-repl: clean ended with exit code {code}"),
            Step::Build => {
                format!("bai-repl: the build ended with exit code {code}, so nothing is executed")
            }
        };
        OutputMessage::Step(event, sentence)
    }

    fn begun(&self, name: &'static str, command: &str) -> OutputMessage {
        (self.on_step)(name);
        let event = json!({"event": "step-started", "step": name, "command": command});
        let shown = crate::render::sanitize::line(command, SHOWN);
        let sentence = match command {
            _ if self.quiet => String::new(),
            "*" => format!("bai-repl: {name}"),
            _ => format!("bai-repl: {name}: {shown}"),
        };
        OutputMessage::Step(event, sentence)
    }
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Clean => "clean",
        Step::Build => "build",
    }
}
