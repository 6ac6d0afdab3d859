//! What the worker does with the events of the interpreter: its output, the messages of its driver, and its waits for input.

use super::{InputRequester, InterpreterSlot, Worker};
use crate::interpreter::Event;
use crate::script_streams::ScriptStreams;
use crate::stdin::ReaderEvent;
use crate::wire::{FromDriver, ToDriver};
use bai_protocol::bundle;
use bai_protocol::byte_text;
use bai_protocol::complete::Completion;
use bai_protocol::record::{ConsoleRecord, TerminalChange};

impl Worker {
    /// Handles an event of the interpreter.
    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Progress => {}
            Event::Output(record) => self.outbox.push(record),
            Event::Reader(ReaderEvent::Keys(wanted)) => {
                if let InterpreterSlot::Running(interpreter) = &mut self.slot {
                    interpreter.before_keys(|record| self.outbox.push(record));
                }
                self.outbox.push(ConsoleRecord::Terminal(TerminalChange::Keys(wanted)));
            }
            Event::Reader(ReaderEvent::Gone) => self.withdraw(InputRequester::Reader),
            Event::Reader(ReaderEvent::Waits) => {
                if let InterpreterSlot::Running(interpreter) = &mut self.slot {
                    interpreter.drain(|record| self.outbox.push(record));
                }
                self.ask(InputRequester::Reader, false);
            }
            Event::Aside(message) => self.on_aside(message),
            Event::Message(id, message) => {
                if let InterpreterSlot::Running(interpreter) = &mut self.slot {
                    interpreter.drain(|record| self.outbox.push(record));
                    if interpreter.has_lent_output() {
                        self.unshown.push(id);
                    } else {
                        interpreter.send(&ToDriver::Ack { id });
                    }
                }
                self.on_message(message);
            }
            Event::Stopped => {
                if let InterpreterSlot::Running(interpreter) = &mut self.slot {
                    interpreter.drain(|record| self.outbox.push(record));
                }
                self.has_stopped();
            }
            Event::Alone => self.has_started(),
            Event::Ended(status) => self.on_death(&status),
        }
    }

    /// The client has written what the script displays: what the script itself writes comes after it.
    pub(super) fn go_on_after_display(&mut self) {
        let ids = std::mem::take(&mut self.unshown);
        if let InterpreterSlot::Running(interpreter) = &mut self.slot {
            ids.into_iter().for_each(|id| interpreter.send(&ToDriver::Ack { id }));
        }
    }

    /// Tells the client what keeps its place in the output.
    fn show(&mut self, record: ConsoleRecord) {
        if self.spec.streams.have_output() && ScriptStreams::wait_for(&record) {
            self.spec.streams.will_be_shown();
        }
        self.outbox.push(record);
    }

    /// The work at the end of a cell, after its last reply: it looks through processes.
    pub(super) fn rest_after_cell(&mut self) {
        if std::mem::take(&mut self.cell_is_over)
            && let InterpreterSlot::Running(interpreter) = &mut self.slot
        {
            interpreter.set_busy(false);
        }
    }

    /// The code of the current task runs: from here on an interrupt reaches it.
    fn has_started(&mut self) {
        let Some(current) = self.current.as_mut().filter(|current| !current.started) else { return };
        current.started = true;
        if let (true, InterpreterSlot::Running(interpreter)) = (current.interrupt_wanted, &mut self.slot) {
            interpreter.interrupt();
        }
    }

    /// Handles a message that is independent of the output.
    fn on_aside(&mut self, message: FromDriver) {
        match message {
            FromDriver::Started { id } => {
                if self.current.as_ref().is_some_and(|current| current.id == id) {
                    self.has_started();
                }
            }
            FromDriver::Completions { id, start, suggestions } => {
                let completion = Completion { suggestions, start };
                let answer = self.completions.remove(&id);
                self.answer(answer, completion);
            }
            // It is unknown which request has this answer, so no request waits longer.
            FromDriver::Unreadable { .. } => self.completions.clear(),
            message => tracing::warn!(?message, "a message came on the wrong pipe"),
        }
    }

    /// Handles a message that keeps its place in the output.
    pub(super) fn on_message(&mut self, message: FromDriver) {
        match message {
            FromDriver::Media { mime, data } => self.show(ConsoleRecord::Media { mime, data }),
            FromDriver::Html { data } => self.show(ConsoleRecord::Html(data)),
            FromDriver::Display { data, metadata, transient, update } => {
                let record = bundle::displayed(data, &metadata, &transient, update);
                record.into_iter().for_each(|record| self.show(record.map_text(byte_text::of_utf8)));
            }
            FromDriver::Record(record) => self.show(record),
            FromDriver::Clear { wait } => self.show(ConsoleRecord::Clear { wait }),
            FromDriver::NextInput { text, replace } => {
                self.show(ConsoleRecord::NextInput { text, replace });
            }
            FromDriver::Leave => self.show(ConsoleRecord::Leave),
            FromDriver::Ask { password, stdin: true } => {
                if let InterpreterSlot::Running(interpreter) = &mut self.slot {
                    interpreter.reader_was_announced();
                }
                self.ask(InputRequester::Reader, password);
            }
            FromDriver::Ask { password, stdin: false } => self.answer_driver(password),
            FromDriver::AskSecret { prompt } => {
                self.waiting_secret = true;
                self.outbox.push(ConsoleRecord::AskSecret { prompt });
            }
            FromDriver::Program(program) => self.start_cell_program(&program),
            FromDriver::Unask => self.withdraw(InputRequester::Driver),
            FromDriver::Done { id, code }
                if self.current.as_ref().is_some_and(|current| current.id == id) =>
            {
                self.waiting_input = None;
                let is_last = self.current.as_ref().is_some_and(|current| current.task.is_last_script());
                self.is_ending = is_last && self.resolved.language.runs_scripts();
                if let InterpreterSlot::Running(interpreter) = &mut self.slot {
                    interpreter.finish_streams(&mut self.outbox);
                }
                self.end_current(code);
                self.cell_is_over = true;
            }
            FromDriver::Unreadable { sentence } => self.outbox.say(&sentence),
            FromDriver::Sync | FromDriver::Ready { .. } | FromDriver::Done { .. } => {}
            message => tracing::warn!(?message, "a message came on the wrong pipe"),
        }
    }
}
