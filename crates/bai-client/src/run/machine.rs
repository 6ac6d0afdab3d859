//! The meaning of each frame of a run, and the action that it needs: a state machine without I/O, for both transports.

use super::{RunEvent, Step};
use crate::error::{ClientError, ErrorKind};
use crate::prelude::{END, script_mark, unpack};
use bai_protocol::execute::{ExecuteResult, RunId, RunStatus};
use bai_protocol::record::{ConsoleRecord, TerminalChange};
use std::collections::VecDeque;

/// The last number of a signal.
const LAST_SIGNAL: i32 = 64;

/// The exit code of genuine servers for a run that they could not follow, because its output was broken.
const NOT_FOLLOWED: i32 = 127;

/// The state of one run.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Whether the program waits for a line that is not answered yet.
    waiting: bool,
    /// Whether an interrupt is on its way to the server. Questions that come meanwhile are not for the user.
    interrupting: bool,
    /// Whether the open question is older than an interrupt that was sent to the server.
    stale: bool,
    /// Whether the open question came while an interrupt was on its way: either the interrupt ends it, or the program caught the
    /// interrupt and asks again.
    crossed: bool,
    /// Whether the last event was emitted.
    over: bool,
    /// Whether the handle is gone, so that events are discarded.
    silent: bool,
    /// Whether questions are answered with an empty line.
    answering: bool,
    /// Whether the caller takes the records for one that watches.
    live: bool,
    /// The prompt of the questions for a piece of the input, in a kernel with the prelude. It is not output.
    mark: Option<String>,
    /// Whether another client has begun the run, so that its mark is not known before it comes.
    is_left: bool,
    /// The exit code of a script in a kernel that does not tell it otherwise. What comes after it is not the script's.
    exit_code: Option<i32>,
    /// Whether that prompt has come, but not its question.
    marked: bool,
    /// Whether the last record of the script in the kernel has come.
    ended: bool,
    /// Whether the open question is such a one.
    asks_piece: bool,
    /// Whether the program has a terminal: its question is open at all times, and its output goes on.
    at_terminal: bool,
    /// Whether there is more of the last piece, so that the next such question is not for the caller.
    has_more: bool,
    /// The number of the open question.
    question: Option<u64>,
    /// Whether its answer must not be shown.
    is_password: bool,
    /// The program has said that it cannot hide the answer to its next question.
    cannot_hide: bool,
    /// The number of the question that was answered last.
    answered: Option<u64>,
    /// The link has broken since that answer was sent: it may not have arrived.
    in_doubt: bool,
    /// Events that the caller has not taken yet.
    events: VecDeque<RunEvent>,
}

/// The open question after an interrupt was sent to the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OpenQuestion {
    /// There is no open question.
    Nothing,
    /// It is older than the interrupt. If it does not end soon, it needs an empty line, because genuine servers deliver
    /// an interrupt only after an answer.
    Before,
    /// It crossed the interrupt. If it does not end soon, it is put to the user.
    Crossed,
}

/// The driver's next action after a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextAction {
    /// Read on; over HTTP, ask for more.
    Continue,
    /// Wait for an answer.
    Await,
    /// Send the next part of the last piece.
    AnswerMore,
    /// Send the last answer again, which has not arrived.
    AnswerAgain,
    /// Send an empty line.
    AnswerEmpty,
    /// Close: the run is over.
    Close,
    /// The server ended the run with this message; find out the state of the session.
    Failed {
        /// The server's message.
        message: String,
        /// Whether the whole server restarts.
        restarting: bool,
    },
}

impl Machine {
    /// A run whose caller takes the records for one that watches, or does not, and the mark of its script in a kernel.
    pub(super) fn new(live: bool, mark: Option<String>) -> Self {
        Machine { live, mark, ..Machine::default() }
    }

    /// A run that another client has begun.
    pub(super) fn of_left(live: bool) -> Self {
        Machine { live, is_left: true, ..Machine::default() }
    }

    /// Processes a frame. Frames after the last event are ignored.
    pub(super) fn frame(&mut self, frame: ExecuteResult) -> NextAction {
        if self.over {
            return NextAction::Close;
        }
        let (is_password, question) = (frame.is_password(), frame.question());
        // Console first: a frame may carry output and a question together (`docs/wire` §10, row 60).
        for record in frame.console {
            let Some(record) = self.for_caller(unpack(record)) else { continue };
            self.cannot_hide |= cannot_hide(&record);
            match record {
                ConsoleRecord::Terminal(TerminalChange::Open) => self.at_terminal = true,
                ConsoleRecord::Terminal(TerminalChange::Closed { .. }) => self.at_terminal = false,
                _ => {}
            }
            let record = if self.live { Some(record) } else { record.plain() };
            record.into_iter().for_each(|record| self.emit(RunEvent::Console(record)));
        }
        if let Some(id) = frame.began {
            self.emit(RunEvent::Began(RunId::from_wire(id)));
        }
        let stale = std::mem::take(&mut self.stale);
        let crossed = std::mem::take(&mut self.crossed);
        let was_waiting = std::mem::replace(&mut self.waiting, false);
        let asked_before = was_waiting && !stale;
        if frame.status == RunStatus::WaitingInput {
            let marked = std::mem::take(&mut self.marked);
            self.asks_piece = marked || self.asks_piece && asked_before;
        }
        match frame.status {
            RunStatus::Continued if asked_before && !crossed && !self.interrupting => {
                self.emit(RunEvent::QuestionWithdrawn);
                NextAction::Continue
            }
            RunStatus::WaitingInput if self.answering => NextAction::AnswerEmpty,
            // Its answer is on its way, and this frame has crossed it, or the link has broken.
            RunStatus::WaitingInput if question.is_some() && question == self.answered => {
                if std::mem::take(&mut self.in_doubt) { NextAction::AnswerAgain } else { NextAction::Await }
            }
            RunStatus::WaitingInput if self.has_more && self.asks_piece && !self.interrupting => {
                (self.answered, self.in_doubt) = (question, false);
                NextAction::AnswerMore
            }
            RunStatus::WaitingInput => {
                let has_same_number = question == self.question;
                // Output leaves a question open. Without numbers, a question after an interrupt is a new one.
                let is_same = was_waiting && has_same_number && question.is_some();
                self.waiting = true;
                self.question = question;
                // The same question may come again, after the words.
                self.is_password &= asked_before;
                self.is_password |= std::mem::take(&mut self.cannot_hide) || is_password;
                if self.interrupting {
                    self.crossed = crossed || !is_same;
                } else if stale && is_same {
                    self.stale = true;
                } else if crossed && has_same_number {
                    self.crossed = true;
                } else if crossed || !asked_before {
                    // A resumed run repeats its open question.
                    self.ask();
                }
                // A question that the interrupt is to end is not answered: only the server tells that it has ended.
                if self.at_terminal || self.stale { NextAction::Continue } else { NextAction::Await }
            }
            RunStatus::CleanFinished => self.step(Step::Clean, frame.exit_code.map(as_shell)),
            RunStatus::BuildFinished => self.step(Step::Build, frame.exit_code.map(as_shell)),
            RunStatus::Finished => {
                let mut exit_code = self.exit_code.or(frame.exit_code).map(as_shell);
                if self.is_cut(exit_code) {
                    self.emit(RunEvent::OutputLost(end_is_missing()));
                    exit_code = None;
                }
                self.emit(RunEvent::Finished { exit_code });
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

    /// Whether a script in a kernel has ended without its last record. One that the kernel refused has none either, but an exit
    /// code that says so.
    fn is_cut(&self, exit_code: Option<i32>) -> bool {
        let says_nothing = matches!(exit_code, None | Some(0 | NOT_FOLLOWED));
        self.mark.is_some() && !self.ended && says_nothing
    }

    /// The record without the mark, which only says what the next question is for, and not that of the end.
    fn for_caller(&mut self, record: ConsoleRecord) -> Option<ConsoleRecord> {
        if matches!(&record, ConsoleRecord::Media { mime, .. } if mime == END) {
            self.ended = true;
            return None;
        }
        if let (None, true, ConsoleRecord::Stdout(text)) = (&self.mark, self.is_left, &record) {
            self.mark = script_mark(text).map(str::to_owned);
        }
        let (ConsoleRecord::Stdout(text), Some(mark)) = (&record, &self.mark) else { return Some(record) };
        if self.exit_code.is_some() {
            return None;
        }
        let Some((before, after)) = text.split_once(mark.as_str()) else { return Some(record) };
        self.exit_code = after.strip_prefix('=').and_then(|code| code.split_once('.')?.0.parse().ok());
        let text = if self.exit_code.is_some() {
            self.ended = true;
            before.to_owned()
        } else {
            self.marked = true;
            text.replace(mark.as_str(), "")
        };
        (!text.is_empty()).then_some(ConsoleRecord::Stdout(text))
    }

    /// Puts the open question to the caller.
    fn ask(&mut self) {
        let is_password = self.is_password;
        self.emit(if self.asks_piece {
            RunEvent::WaitingPiece
        } else {
            RunEvent::WaitingInput { is_password }
        });
    }

    fn step(&mut self, step: Step, exit_code: Option<i32>) -> NextAction {
        self.emit(RunEvent::StepFinished { step, exit_code });
        NextAction::Continue
    }

    /// Whether the user's answer is to be sent. An answer without a question, or after an interrupt, is dropped.
    pub(super) fn answer(&mut self) -> bool {
        let is_asked = self.takes_early_input() && std::mem::take(&mut self.waiting);
        if is_asked {
            (self.answered, self.in_doubt) = (self.question, false);
        }
        is_asked
    }

    /// Whether a piece of the input may be sent although no question is open: the server keeps it for the next one.
    pub(super) fn takes_early_input(&self) -> bool {
        !(self.interrupting || self.stale || self.crossed || self.over)
    }

    /// The last answer has not arrived, and the user has to give it again.
    pub(super) fn ask_again(&mut self) {
        self.waiting = true;
        self.answered = None;
        self.emit(RunEvent::AnswerLost);
        self.ask();
    }

    /// Whether the open question is for a piece of the input of a script in a kernel.
    pub(super) fn asks_piece(&self) -> bool {
        self.waiting && self.asks_piece
    }

    /// Whether there is more of the piece that was sent last.
    pub(super) fn set_has_more(&mut self, has_more: bool) {
        self.has_more = has_more;
    }

    /// The link was broken and is restored.
    pub(super) fn resumed(&mut self) {
        self.in_doubt = true;
        self.emit(RunEvent::Resumed);
    }

    /// The user's answer is not sent yet: a question that arrives meanwhile is the one that it answers.
    pub(super) fn answer_is_under_way(&mut self) {
        self.waiting = true;
    }

    /// An interrupt begins.
    pub(super) fn interrupt_begins(&mut self) {
        self.interrupting = true;
        // A question that crossed an earlier interrupt is older than this one.
        self.crossed = false;
    }

    /// The interrupt was sent to the server, or sending failed.
    pub(super) fn interrupt_was_sent(&mut self) -> OpenQuestion {
        self.interrupting = false;
        if !self.waiting || self.over {
            return OpenQuestion::Nothing;
        }
        if self.crossed && !self.answering {
            return OpenQuestion::Crossed;
        }
        self.stale = true;
        OpenQuestion::Before
    }

    /// Puts the question that crossed an interrupt to the user, if it is still open.
    pub(super) fn ask_what_crossed(&mut self) {
        if std::mem::take(&mut self.crossed) && !self.over {
            self.ask();
        }
    }

    /// Whether the question that is older than the interrupt is still open, so that it needs an empty line now.
    pub(super) fn take_stale_question(&mut self) -> bool {
        let open = std::mem::take(&mut self.stale) && !self.over;
        self.waiting &= !open;
        open
    }

    /// The handle is gone and the program has to end: questions get an empty answer from now on.
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

    /// Takes the oldest event.
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

/// The exit code that a shell reports for a program. On the wire a batch step that a signal has ended has the negative number
/// of the signal (`docs/wire` §3.4); a shell adds 128 to it. -1 also stands for an unknown end, so it stays.
fn as_shell(exit_code: i32) -> i32 {
    if (-LAST_SIGNAL..-1).contains(&exit_code) { 128 - exit_code } else { exit_code }
}

fn end_is_missing() -> ClientError {
    let why = "the server has not delivered the end of it";
    ClientError::new(ErrorKind::Server, "read the output", why).into_sentence()
}

/// Whether a record says that the question which follows is for a password: these are the words of a Python program that asks on
/// a pipe.
fn cannot_hide(record: &ConsoleRecord) -> bool {
    matches!(record, ConsoleRecord::Stderr(text) if text.contains("GetPassWarning"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn frames_after_the_end_are_ignored() {
        let mut machine = Machine::default();
        machine.frame(frame(RunStatus::Finished));
        assert_eq!(machine.frame(printed(RunStatus::Finished, "again")), NextAction::Close);
        assert_eq!(machine.frame(frame(RunStatus::WaitingInput)), NextAction::Close);
        assert_eq!(events(&mut machine).len(), 1);
        assert!(!machine.answer());
    }

    #[test]
    fn steps_are_reported_and_unknown_statuses_continue() {
        let mut machine = Machine::default();
        let failed = ExecuteResult { exit_code: Some(2), ..frame(RunStatus::BuildFinished) };
        let killed = ExecuteResult { exit_code: Some(-9), ..frame(RunStatus::BuildFinished) };
        assert_eq!(machine.frame(frame(RunStatus::CleanFinished)), NextAction::Continue);
        assert_eq!(machine.frame(failed), NextAction::Continue);
        assert_eq!(machine.frame(killed), NextAction::Continue);
        assert_eq!(machine.frame(frame(RunStatus::Unknown("paused".into()))), NextAction::Continue);
        assert_eq!(
            events(&mut machine),
            [
                "StepFinished { step: Clean, exit_code: None }",
                "StepFinished { step: Build, exit_code: Some(2) }",
                "StepFinished { step: Build, exit_code: Some(137) }"
            ]
        );
    }

    #[test]
    fn an_exit_code_is_that_of_a_shell() {
        let codes = [0, 3, 137, 255, 256, -1, -2, -9, -11, -64, -65, i32::MIN];
        let read = [0, 3, 137, 255, 256, -1, 130, 137, 139, 192, -65, i32::MIN];
        assert_eq!(codes.map(as_shell), read);
    }

    #[test]
    fn a_script_in_a_kernel_that_ends_without_its_last_record_has_lost_output() {
        let end = ConsoleRecord::Media { mime: END.into(), data: "0".into() };
        for (record, exit_code, lost) in [
            (Some(&end), Some(0), false),
            (Some(&end), Some(127), false),
            (None, Some(0), true),
            (None, Some(127), true),
            (None, None, true),
            (None, Some(1), false),
        ] {
            let mut machine = Machine::new(false, Some("[mark]".into()));
            machine.frame(ExecuteResult {
                console: record.cloned().into_iter().collect(),
                exit_code,
                ..frame(RunStatus::Finished)
            });
            let mut expected = vec![format!("Finished {{ exit_code: {:?} }}", exit_code.filter(|_| !lost))];
            if lost {
                expected.insert(0, format!("OutputLost({:?})", end_is_missing()));
            }
            assert_eq!(events(&mut machine), expected, "{record:?} {exit_code:?}");
        }
    }

    #[test]
    fn an_interrupt_at_a_question_sends_an_empty_answer_in_place_of_the_users() {
        let mut machine = Machine::default();
        machine.frame(frame(RunStatus::WaitingInput));
        machine.interrupt_begins();
        assert!(!machine.answer(), "an answer after the interrupt is dropped");
        assert_eq!(machine.interrupt_was_sent(), OpenQuestion::Before);
        assert!(!machine.answer());
        assert!(machine.take_stale_question());
        assert!(!machine.take_stale_question());
        machine.frame(frame(RunStatus::Finished));
        assert_eq!(machine.interrupt_was_sent(), OpenQuestion::Nothing);
    }

    #[test]
    fn a_question_that_survives_a_crossing_interrupt_is_asked() {
        let mut machine = Machine::default();
        machine.interrupt_begins();
        assert_eq!(machine.frame(frame(RunStatus::WaitingInput)), NextAction::Await);
        assert_eq!(machine.interrupt_was_sent(), OpenQuestion::Crossed);
        assert!(events(&mut machine).is_empty() && !machine.answer());
        machine.ask_what_crossed();
        machine.ask_what_crossed();
        assert_eq!(events(&mut machine).len(), 1);
        assert!(machine.answer());
    }

    #[test]
    fn output_of_a_question_leaves_it_older_or_newer_than_an_interrupt() {
        let asking = |number: u64| ExecuteResult {
            options: Some(serde_json::json!({ "question": number })),
            ..printed(RunStatus::WaitingInput, "\n")
        };
        let asked = |machine: &mut Machine| {
            events(machine).iter().filter(|event| event.starts_with("WaitingInput")).count()
        };
        // An older one is not asked again, and the next one is.
        let mut machine = Machine::default();
        machine.frame(asking(1));
        machine.interrupt_begins();
        machine.frame(asking(1));
        assert_eq!(machine.interrupt_was_sent(), OpenQuestion::Before);
        assert_eq!(machine.frame(asking(1)), NextAction::Continue);
        assert_eq!(asked(&mut machine), 1);
        machine.frame(asking(2));
        assert_eq!(asked(&mut machine), 1);
        assert!(machine.answer());
        // One that crossed the interrupt is asked in the end; one that comes later is so at once.
        for (first, later) in [(3, 3), (4, 5)] {
            machine.interrupt_begins();
            machine.frame(asking(first));
            assert_eq!(machine.interrupt_was_sent(), OpenQuestion::Crossed);
            machine.frame(asking(later));
            assert_eq!(asked(&mut machine), usize::from(later != first));
            machine.ask_what_crossed();
            assert_eq!(asked(&mut machine), usize::from(later == first));
            assert!(machine.answer());
        }
    }

    #[test]
    fn a_question_that_the_interrupt_ends_is_never_asked() {
        let mut machine = Machine::default();
        machine.frame(frame(RunStatus::WaitingInput));
        machine.interrupt_begins();
        machine.frame(printed(RunStatus::WaitingInput, "again? "));
        assert_eq!(machine.interrupt_was_sent(), OpenQuestion::Crossed);
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
        assert_eq!(machine.interrupt_was_sent(), OpenQuestion::Before);
        machine.frame(frame(RunStatus::WaitingInput));
        assert!(!machine.take_stale_question(), "this is a new question");
        assert_eq!(events(&mut machine).len(), 2);
        assert!(machine.answer());
    }

    #[test]
    fn a_resumed_run_repeats_its_question_and_the_user_is_asked_once() {
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
    fn output_leaves_a_question_open_and_its_end_is_reported() {
        let mut machine = Machine::default();
        machine.frame(frame(RunStatus::WaitingInput));
        machine.frame(printed(RunStatus::WaitingInput, "late\n"));
        assert!(machine.answer(), "output of another thread leaves the question open");
        machine.frame(frame(RunStatus::Continued));
        machine.frame(frame(RunStatus::WaitingInput));
        machine.frame(frame(RunStatus::Continued));
        assert!(!machine.answer());
        let (asked, withdrawn) = ("WaitingInput { is_password: false }", "QuestionWithdrawn");
        assert_eq!(events(&mut machine), [asked, "Console(Stdout(\"late\\n\"))", asked, withdrawn]);
    }

    #[test]
    fn a_frame_that_crosses_the_answer_asks_for_no_other() {
        let mut machine = Machine::default();
        let asking = |number: u64| {
            let options = Some(serde_json::json!({"is_password": false, "question": number}));
            ExecuteResult { options, ..frame(RunStatus::WaitingInput) }
        };
        machine.frame(asking(1));
        assert!(machine.answer());
        assert_eq!(machine.frame(asking(1)), NextAction::Await);
        machine.resumed();
        assert_eq!(machine.frame(asking(1)), NextAction::AnswerAgain, "the link took the answer with it");
        assert_eq!(machine.frame(asking(1)), NextAction::Await);
        let asked = "WaitingInput { is_password: false }";
        assert_eq!(events(&mut machine), [asked, "Resumed"]);
        assert!(!machine.answer() && machine.takes_early_input());
        machine.frame(asking(2));
        assert_eq!(events(&mut machine), [asked]);
        assert!(machine.answer());
    }

    #[test]
    fn a_line_that_a_break_has_cost_is_asked_for_again_until_it_comes() {
        let mut machine = Machine::default();
        let asking = || {
            let options = Some(serde_json::json!({"is_password": false, "question": 1}));
            ExecuteResult { options, ..frame(RunStatus::WaitingInput) }
        };
        machine.frame(asking());
        assert!(machine.answer());
        machine.resumed();
        events(&mut machine);
        assert_eq!(machine.frame(asking()), NextAction::AnswerAgain);
        // Lines of the user are not kept.
        machine.ask_again();
        assert_eq!(events(&mut machine), ["AnswerLost", "WaitingInput { is_password: false }"]);
        assert_eq!(machine.frame(asking()), NextAction::Await, "a reply that was under way repeats it");
        assert!(machine.answer());
        assert!(events(&mut machine).is_empty());
    }

    #[test]
    fn a_question_of_a_program_that_cannot_hide_the_answer_is_for_a_password() {
        let mut machine = Machine::default();
        let mut warned = frame(RunStatus::WaitingInput);
        warned.console = vec![ConsoleRecord::Stderr("GetPassWarning: …".into())];
        machine.frame(warned);
        assert!(machine.answer());
        machine.frame(frame(RunStatus::WaitingInput));
        let asked = events(&mut machine).into_iter().filter(|event| event.starts_with("Waiting"));
        let expected =
            [true, false].map(|is_password| format!("WaitingInput {{ is_password: {is_password} }}"));
        assert_eq!(asked.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_mark_of_a_script_is_a_question_and_no_output() {
        let mut machine = Machine::new(false, Some("[mark]".into()));
        machine.frame(printed(RunStatus::WaitingInput, "out[mark]"));
        assert!(machine.asks_piece() && machine.answer());
        // The question may come in a later frame.
        machine.frame(printed(RunStatus::Continued, "[mark]"));
        assert!(!machine.asks_piece());
        machine.frame(frame(RunStatus::WaitingInput));
        assert!(machine.asks_piece() && machine.answer());
        machine.set_has_more(true);
        assert_eq!(machine.frame(printed(RunStatus::WaitingInput, "[mark]")), NextAction::AnswerMore);
        machine.set_has_more(false);
        machine.frame(printed(RunStatus::WaitingInput, "Password: "));
        assert!(!machine.asks_piece());
        let (output, asked) = ("Console(Stdout(\"out\"))", "WaitingPiece");
        let last = ["Console(Stdout(\"Password: \"))", "WaitingInput { is_password: false }"];
        assert_eq!(events(&mut machine), [&[output, asked, asked][..], &last].concat());
    }

    #[test]
    fn a_mark_with_an_exit_code_ends_the_output_of_a_script() {
        let mut machine = Machine::new(false, Some("[mark]".into()));
        machine.frame(printed(RunStatus::Continued, "out[mark]=4.exit"));
        machine.frame(printed(RunStatus::Finished, "Restarting Bash"));
        let expected = ["Console(Stdout(\"out\"))", "Finished { exit_code: Some(4) }"];
        assert_eq!(events(&mut machine), expected);
    }

    #[test]
    fn draining_answers_every_question_and_emits_no_event() {
        let mut machine = Machine::default();
        machine.frame(printed(RunStatus::WaitingInput, "x"));
        machine.drain();
        assert_eq!(machine.interrupt_was_sent(), OpenQuestion::Before);
        assert!(machine.take_stale_question());
        assert_eq!(machine.frame(printed(RunStatus::WaitingInput, "y")), NextAction::AnswerEmpty);
        assert_eq!(machine.frame(frame(RunStatus::Finished)), NextAction::Close);
        assert!(events(&mut machine).is_empty());
    }

    #[test]
    fn failures_are_reported_with_the_servers_message() {
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
