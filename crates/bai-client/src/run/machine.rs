//! What each frame of a run means, and what is to be done about it: a state machine without I/O, the same for
//! both transports.

use super::{RunEvent, Step};
use crate::prelude::unpack;
use bai_protocol::execute::{ExecuteResult, RunStatus};
use std::collections::VecDeque;

/// The state of one run.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// The program waits for a line and has not been answered.
    waiting: bool,
    /// An interrupt is on its way to the server; what is asked meanwhile is not for the person any more.
    interrupting: bool,
    /// The open question is from before an interrupt that the server has been told of.
    stale: bool,
    /// A question that came while an interrupt was on its way, and whether it is for a password: either the interrupt
    /// ends it, or the program caught the interrupt and asks again.
    crossed: Option<bool>,
    /// The last event was emitted.
    over: bool,
    /// The handle is gone: events are discarded.
    silent: bool,
    /// Questions are answered with an empty line.
    answering: bool,
    /// Events that the caller has not taken yet.
    events: VecDeque<RunEvent>,
}

/// What the driver has to do about a question that is open when the server has been told of an interrupt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OpenQuestion {
    /// There is none.
    Nothing,
    /// One from before the interrupt. If nothing ends it soon, it needs an empty line, because genuine servers deliver
    /// an interrupt only after an answer.
    Before,
    /// One that crossed the interrupt. If nothing ends it soon, it is put to the person.
    Crossed,
}

/// What the driver has to do after a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextAction {
    /// Read on; over HTTP, ask for more.
    Continue,
    /// Wait for an answer.
    Await,
    /// Send an empty line.
    AnswerEmpty,
    /// Close: the run is over.
    Close,
    /// The server ended the run with these words; find out what became of the session.
    Failed {
        /// The server's words.
        message: String,
        /// Whether it goes away as a whole.
        restarting: bool,
    },
}

impl Machine {
    /// Takes a frame. What comes after the last event is ignored.
    pub(super) fn frame(&mut self, frame: ExecuteResult) -> NextAction {
        if self.over {
            return NextAction::Close;
        }
        let is_password = frame.is_password();
        // Console first: a frame may carry output and a question together (`docs/wire` §10, row 60).
        for record in frame.console {
            self.emit(RunEvent::Console(unpack(record)));
        }
        let stale = std::mem::take(&mut self.stale);
        self.crossed = None;
        let asked_before = std::mem::replace(&mut self.waiting, false) && !stale;
        match frame.status {
            RunStatus::WaitingInput if self.answering => NextAction::AnswerEmpty,
            RunStatus::WaitingInput => {
                self.waiting = true;
                if self.interrupting {
                    self.crossed = Some(is_password);
                } else if !asked_before {
                    // A resumed run repeats its open question.
                    self.emit(RunEvent::WaitingInput { is_password });
                }
                NextAction::Await
            }
            RunStatus::CleanFinished => self.step(Step::Clean, frame.exit_code),
            RunStatus::BuildFinished => self.step(Step::Build, frame.exit_code),
            RunStatus::Finished => {
                self.emit(RunEvent::Finished { exit_code: frame.exit_code });
                self.over = true;
                NextAction::Close
            }
            RunStatus::ExecTimeout => {
                let message = "the server's time limit for one run is over".to_owned();
                NextAction::Failed { message, restarting: false }
            }
            RunStatus::Error => {
                NextAction::Failed { message: frame.msg.unwrap_or_default(), restarting: false }
            }
            RunStatus::ServerRestarting => {
                NextAction::Failed { message: frame.msg.unwrap_or_default(), restarting: true }
            }
            RunStatus::Continued | RunStatus::Unknown(_) => NextAction::Continue,
        }
    }

    fn step(&mut self, step: Step, exit_code: Option<i32>) -> NextAction {
        self.emit(RunEvent::StepFinished { step, exit_code });
        NextAction::Continue
    }

    /// An answer of the person: whether it is to be sent. What nobody asked for is dropped, and so is what comes
    /// after an interrupt.
    pub(super) fn answer(&mut self) -> bool {
        if self.interrupting || self.stale || self.crossed.is_some() || self.over {
            return false;
        }
        std::mem::take(&mut self.waiting)
    }

    /// The person's answer has not been sent yet: a question that comes meanwhile is the one that it answers.
    pub(super) fn answer_is_under_way(&mut self) {
        self.waiting = true;
    }

    /// An interrupt begins.
    pub(super) fn interrupt_begins(&mut self) {
        self.interrupting = true;
        // What crossed an earlier one is from before this one.
        self.crossed = None;
    }

    /// The server has been told of the interrupt, or could not be.
    pub(super) fn interrupt_is_told(&mut self) -> OpenQuestion {
        self.interrupting = false;
        if !self.waiting || self.over {
            return OpenQuestion::Nothing;
        }
        if self.crossed.is_some() && !self.answering {
            return OpenQuestion::Crossed;
        }
        self.stale = true;
        OpenQuestion::Before
    }

    /// Puts the question that crossed an interrupt to the person, when nothing has ended it.
    pub(super) fn ask_what_crossed(&mut self) {
        if let Some(is_password) = self.crossed.take()
            && !self.over
        {
            self.emit(RunEvent::WaitingInput { is_password });
        }
    }

    /// Whether the question from before the interrupt is still open, and so needs an empty line now.
    pub(super) fn take_stale_question(&mut self) -> bool {
        let open = std::mem::take(&mut self.stale) && !self.over;
        self.waiting &= !open;
        open
    }

    /// The handle is gone and the program is to end: questions get an empty answer from now on.
    pub(super) fn drain(&mut self) {
        self.answering = true;
        self.discard();
    }

    /// The handle is gone and the program may go on.
    pub(super) fn discard(&mut self) {
        self.silent = true;
        self.events.clear();
    }

    /// The run is not followed any further.
    pub(super) fn give_up(&mut self) {
        self.discard();
        self.over = true;
    }

    /// Adds an event of the driver's own.
    pub(super) fn emit(&mut self, event: RunEvent) {
        self.over |= matches!(event, RunEvent::Lost(_));
        if !self.silent {
            self.events.push_back(event);
        }
    }

    /// The oldest event that was not taken yet.
    pub(super) fn pop(&mut self) -> Option<RunEvent> {
        self.events.pop_front()
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bai_protocol::record::ConsoleRecord;

    fn frame(status: RunStatus) -> ExecuteResult {
        ExecuteResult::new(status)
    }

    fn printed(status: RunStatus, text: &str) -> ExecuteResult {
        ExecuteResult { console: vec![ConsoleRecord::Stdout(text.into())], ..frame(status) }
    }

    fn events(machine: &mut Machine) -> Vec<String> {
        std::iter::from_fn(|| machine.pop()).map(|event| format!("{event:?}")).collect()
    }

    #[test]
    fn output_comes_before_the_question_and_the_question_once() {
        let mut machine = Machine::default();
        assert_eq!(machine.frame(printed(RunStatus::WaitingInput, "name? ")), NextAction::Await);
        assert_eq!(
            events(&mut machine),
            ["Console(Stdout(\"name? \"))", "WaitingInput { is_password: false }"]
        );
        assert!(machine.answer());
        assert!(!machine.answer(), "one question takes one answer");
        assert_eq!(machine.frame(frame(RunStatus::Finished)), NextAction::Close);
        assert_eq!(events(&mut machine), ["Finished { exit_code: None }"]);
    }

    #[test]
    fn what_comes_after_the_end_is_ignored() {
        let mut machine = Machine::default();
        machine.frame(frame(RunStatus::Finished));
        assert_eq!(machine.frame(printed(RunStatus::Finished, "again")), NextAction::Close);
        assert_eq!(machine.frame(frame(RunStatus::WaitingInput)), NextAction::Close);
        assert_eq!(events(&mut machine).len(), 1);
        assert!(!machine.answer());
    }

    #[test]
    fn steps_are_told_and_unknown_statuses_go_on() {
        let mut machine = Machine::default();
        let failed = ExecuteResult { exit_code: Some(2), ..frame(RunStatus::BuildFinished) };
        assert_eq!(machine.frame(frame(RunStatus::CleanFinished)), NextAction::Continue);
        assert_eq!(machine.frame(failed), NextAction::Continue);
        assert_eq!(machine.frame(frame(RunStatus::Unknown("paused".into()))), NextAction::Continue);
        assert_eq!(
            events(&mut machine),
            [
                "StepFinished { step: Clean, exit_code: None }",
                "StepFinished { step: Build, exit_code: Some(2) }"
            ]
        );
    }

    #[test]
    fn an_interrupt_at_a_question_needs_an_empty_answer_and_drops_the_persons() {
        let mut machine = Machine::default();
        machine.frame(frame(RunStatus::WaitingInput));
        machine.interrupt_begins();
        assert!(!machine.answer(), "an answer after the interrupt is dropped");
        assert_eq!(machine.interrupt_is_told(), OpenQuestion::Before);
        assert!(!machine.answer());
        assert!(machine.take_stale_question());
        assert!(!machine.take_stale_question());
        machine.frame(frame(RunStatus::Finished));
        assert_eq!(machine.interrupt_is_told(), OpenQuestion::Nothing);
    }

    #[test]
    fn a_question_that_crosses_the_interrupt_is_put_to_the_person_when_nothing_ends_it() {
        let mut machine = Machine::default();
        machine.interrupt_begins();
        assert_eq!(machine.frame(frame(RunStatus::WaitingInput)), NextAction::Await);
        assert_eq!(machine.interrupt_is_told(), OpenQuestion::Crossed);
        assert!(events(&mut machine).is_empty() && !machine.answer());
        machine.ask_what_crossed();
        machine.ask_what_crossed();
        assert_eq!(events(&mut machine).len(), 1);
        assert!(machine.answer());
    }

    #[test]
    fn a_question_that_the_interrupt_ends_is_never_put_to_the_person() {
        let mut machine = Machine::default();
        machine.frame(frame(RunStatus::WaitingInput));
        machine.interrupt_begins();
        machine.frame(printed(RunStatus::WaitingInput, "again? "));
        assert_eq!(machine.interrupt_is_told(), OpenQuestion::Crossed);
        machine.frame(frame(RunStatus::Continued));
        machine.ask_what_crossed();
        assert_eq!(events(&mut machine).len(), 2, "the question from before, and the output");
        assert!(!machine.answer());
    }

    #[test]
    fn a_question_that_the_engine_ended_itself_needs_no_answer() {
        let mut machine = Machine::default();
        machine.frame(frame(RunStatus::WaitingInput));
        machine.interrupt_begins();
        assert_eq!(machine.interrupt_is_told(), OpenQuestion::Before);
        machine.frame(frame(RunStatus::WaitingInput));
        assert!(!machine.take_stale_question(), "this is a new question");
        assert_eq!(events(&mut machine).len(), 2);
        assert!(machine.answer());
    }

    #[test]
    fn a_resumed_run_repeats_its_question_and_the_person_is_asked_once() {
        let mut machine = Machine::default();
        machine.frame(frame(RunStatus::WaitingInput));
        machine.frame(frame(RunStatus::WaitingInput));
        assert_eq!(events(&mut machine).len(), 1);
        assert!(machine.answer());
        machine.frame(frame(RunStatus::WaitingInput));
        assert_eq!(events(&mut machine).len(), 1, "an answer that was lost is asked for again");
        assert!(machine.answer());
        machine.answer_is_under_way();
        machine.frame(frame(RunStatus::WaitingInput));
        assert!(events(&mut machine).is_empty(), "an answer that is still to be sent is not");
    }

    #[test]
    fn draining_answers_every_question_and_tells_nobody() {
        let mut machine = Machine::default();
        machine.frame(printed(RunStatus::WaitingInput, "x"));
        machine.drain();
        assert_eq!(machine.interrupt_is_told(), OpenQuestion::Before);
        assert!(machine.take_stale_question());
        assert_eq!(machine.frame(printed(RunStatus::WaitingInput, "y")), NextAction::AnswerEmpty);
        assert_eq!(machine.frame(frame(RunStatus::Finished)), NextAction::Close);
        assert!(events(&mut machine).is_empty());
    }

    #[test]
    fn the_ends_that_are_none_are_told_with_the_servers_words() {
        let mut machine = Machine::default();
        let error = ExecuteResult { msg: Some("BackendError: x".into()), ..frame(RunStatus::Error) };
        assert_eq!(
            machine.frame(error),
            NextAction::Failed { message: "BackendError: x".into(), restarting: false }
        );
        let timeout = machine.frame(frame(RunStatus::ExecTimeout));
        assert!(matches!(timeout, NextAction::Failed { restarting: false, .. }));
        let restarting = machine.frame(frame(RunStatus::ServerRestarting));
        assert!(matches!(restarting, NextAction::Failed { restarting: true, .. }));
    }
}
