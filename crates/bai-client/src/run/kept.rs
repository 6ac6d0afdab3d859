//! Two sources of one output, and what of it the caller has got. A cluster's connection loses what was on its way when it breaks; a kernel with the
//! prelude keeps the same records in files (`prelude/keep.py`). Both are counted, so that each record is shown once and in order: text in
//! characters, the rest in records. After a break the place of the connection is not known until a mark of the kernel comes over it, and what comes between is
//! taken from the files. No request is made here.

use super::ring::END;
use crate::error::{ClientError, ErrorKind};
use crate::prelude::mark_in;
use bai_protocol::execute::{ExecuteResult, RunStatus};
use bai_protocol::record::ConsoleRecord;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// The most bytes of records that wait until the files have what comes before them.
const AHEAD_LIMIT: usize = 64 * 1024 * 1024;

/// How the line begins that ends a question.
const ANSWERED: &[u8] = b"[\"answered\",";

/// A place in the output of a run: how much of each kind there was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    stdout: u64,
    stderr: u64,
    media: u64,
    question: u64,
}

impl Place {
    /// The number for records of this kind. `None` if they are not counted.
    fn of(&mut self, record: &ConsoleRecord) -> Option<&mut u64> {
        match record {
            ConsoleRecord::Stdout(_) => Some(&mut self.stdout),
            ConsoleRecord::Stderr(_) => Some(&mut self.stderr),
            ConsoleRecord::Media { .. } => Some(&mut self.media),
            _ => None,
        }
    }

    fn is_at(&self, other: &Place) -> bool {
        self.reaches(other) && other.reaches(self)
    }

    /// Whether no output is between the other place and this one.
    fn reaches(&self, other: &Place) -> bool {
        self.stdout >= other.stdout && self.stderr >= other.stderr && self.media >= other.media
    }
}

/// A line of the files.
#[derive(Debug, Deserialize)]
struct Line(String, Value, u64);

/// The open question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    number: u64,
    is_password: bool,
    /// Whether the files have told it: then they also tell that it is over.
    is_of_files: bool,
}

/// The output of a run that its kernel keeps.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// What the caller has got.
    shown: Place,
    /// The place of the first record of `ahead`, or of the next one of the connection. `None` after a break.
    wire: Option<Place>,
    /// Records of the connection that come after what is not known yet.
    ahead: VecDeque<ConsoleRecord>,
    ahead_size: usize,
    /// Bytes of the files that are not read yet.
    rest: Vec<u8>,
    /// Whether they begin in the middle of a line.
    is_torn: bool,
    /// The question that was asked last, until it is known to be over.
    question: Option<Question>,
    /// Whether it was answered by the caller.
    is_answered: bool,
    /// Whether the answer may have been lost with the connection.
    is_in_doubt: bool,
    /// The last question for which an answer was sent.
    last_answered: u64,
    /// Whether the server waits for an answer to the last question, which the program has given up.
    lacks_answer: bool,
    /// The exit code with which the program ended, by the files.
    end: Option<i32>,
    /// The last frame of the connection, if it came before the output that it follows.
    finished: Option<ExecuteResult>,
    /// How much is neither in the files nor came otherwise.
    missing: u64,
}

impl Kept {
    /// A run that begins.
    pub(super) fn new() -> Self {
        Kept { wire: Some(Place::default()), ..Kept::default() }
    }

    /// Whether the connection does not say what comes next.
    pub(super) fn is_behind(&self) -> bool {
        let of_files = self.question.is_some_and(|question| question.is_of_files);
        !self.is_in_place() || of_files || self.finished.is_some()
    }

    /// The connection broke: what it was bringing is lost.
    pub(super) fn broke(&mut self) {
        self.wire = None;
        self.ahead.clear();
        self.ahead_size = 0;
        self.is_in_doubt |= self.is_answered && self.question.is_some();
    }

    /// The caller has answered the open question.
    pub(super) fn answered(&mut self) {
        self.is_answered = true;
        self.last_answered = self.shown.question;
        self.lacks_answer = false;
    }

    /// Whether the program has ended and the server still waits for an answer to its last question.
    pub(super) fn lacks_answer(&self) -> bool {
        self.lacks_answer
    }

    /// Whether an answer may have been lost.
    pub(super) fn doubts_answer(&self) -> bool {
        self.is_in_doubt
    }

    /// The exit code, if the files say that the program has ended, and all of its output is shown.
    pub(super) fn end(&self) -> Option<i32> {
        self.end
    }

    /// Whether the connection has said that the run is over.
    pub(super) fn has_finished(&self) -> bool {
        self.finished.is_some()
    }

    /// What of a frame of the connection the caller gets now. Its status is that of a run that goes on if something is missing before it.
    /// `is_alone` says that no request from before a break can take records away any more.
    pub(super) fn frame(&mut self, mut frame: ExecuteResult, is_alone: bool) -> ExecuteResult {
        let mut console = Vec::new();
        for record in std::mem::take(&mut frame.console) {
            match (mark_in(&record), &self.wire) {
                (Some(at), None) if is_alone => self.wire = Some(at),
                (Some(at), Some(_)) => {
                    console.append(&mut self.in_order());
                    self.compare(at);
                }
                (_, None) => {}
                (None, Some(_)) => {
                    self.ahead_size += record.size();
                    self.ahead.push_back(record);
                }
            }
        }
        console.append(&mut self.in_order());
        frame.console = console;
        if self.ahead_size > AHEAD_LIMIT {
            self.broke();
        }
        match frame.status {
            RunStatus::WaitingInput => self.asked(frame),
            RunStatus::Finished if self.is_behind() && self.end.is_none() => {
                self.finished = Some(ExecuteResult { console: Vec::new(), ..frame.clone() });
                self.going_on(frame)
            }
            RunStatus::Finished => self.with_code(frame),
            RunStatus::Continued => self.going_on(frame),
            _ => frame,
        }
    }

    /// Compares the place of the connection with what the kernel says of it.
    fn compare(&mut self, at: Place) {
        let Some(wire) = self.wire.filter(|wire| self.ahead.is_empty() && !wire.is_at(&at)) else { return };
        if at.reaches(&wire) {
            // Somebody else has got some records.
            self.broke();
        } else {
            // The server's runner has said something of its own.
            (self.shown, self.wire) = (at, Some(at));
        }
    }

    /// A frame of a run that goes on; its open question is asked again.
    fn going_on(&mut self, mut frame: ExecuteResult) -> ExecuteResult {
        frame.status = RunStatus::Continued;
        if !self.is_behind() {
            // What comes over the connection after a question says that it is over.
            self.forget_question();
        }
        self.repeating(frame)
    }

    fn forget_question(&mut self) {
        self.question = None;
        (self.is_answered, self.is_in_doubt) = (false, false);
    }

    /// The server says that the program asks.
    fn asked(&mut self, frame: ExecuteResult) -> ExecuteResult {
        let is_password = frame.is_password();
        let is_in_place = self.is_in_place();
        match &mut self.wire {
            Some(at) if is_in_place => {
                at.question += 1;
                let question = Question { number: at.question, is_password, is_of_files: false };
                self.ask(question);
                question.asked_in(frame)
            }
            _ => {
                // The files say it, too. What comes after it is in its place with the next mark.
                self.broke();
                self.going_on(frame)
            }
        }
    }

    fn ask(&mut self, question: Question) {
        if self.question.is_none_or(|before| before.number != question.number) {
            (self.is_answered, self.is_in_doubt) = (false, false);
        }
        self.question = Some(question);
        self.shown.question = self.shown.question.max(question.number);
    }

    fn is_in_place(&self) -> bool {
        self.wire.is_some_and(|at| self.shown.reaches(&at))
    }

    /// The records of the connection up to which nothing is missing, without what was shown.
    fn in_order(&mut self) -> Vec<ConsoleRecord> {
        if !self.is_in_place() {
            return Vec::new();
        }
        self.ahead_size = 0;
        let records = std::mem::take(&mut self.ahead).into_iter();
        let Some(mut at) = self.wire else { return Vec::new() };
        let news = records.filter_map(|record| self.news(record, &mut at)).collect();
        self.wire = Some(at);
        news
    }

    /// What of a record at this place was not shown before. The place moves on.
    fn news(&mut self, record: ConsoleRecord, at: &mut Place) -> Option<ConsoleRecord> {
        let size = size(&record);
        let (Some(begin), Some(shown)) = (at.of(&record), self.shown.of(&record)) else {
            return Some(record);
        };
        let known = shown.saturating_sub(*begin).min(size);
        *begin += size;
        *shown = (*shown).max(*begin);
        without(record, known, size)
    }

    /// Bytes of the files, in their order. Returns what they bring.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<ExecuteResult> {
        self.rest.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut frame = ExecuteResult::new(RunStatus::Continued);
        let asked = self.question.filter(|_| !self.is_answered);
        let rest = std::mem::take(&mut self.rest);
        let over = questions_over(&rest);
        let mut lines = rest.as_slice();
        while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
            let (line, after) = lines.split_at(end + 1);
            if std::mem::take(&mut self.is_torn) {
                lines = after;
                continue;
            }
            let Ok(line) = bai_protocol::json::from_slice::<Line>(line) else {
                lines = after;
                continue;
            };
            if line.0 == "question" && !self.is_behind() && line.2 >= self.shown.question {
                // The connection brings it, and what is before it.
                break;
            }
            lines = after;
            if let Some(question) = self.line(line, over, &mut frame.console) {
                let next = ExecuteResult::new(RunStatus::Continued);
                frames.push(question.asked_in(std::mem::replace(&mut frame, next)));
            }
        }
        self.rest = lines.to_vec();
        frame.console.extend(self.in_order());
        let is_withdrawn = asked.is_some() && self.question.is_none();
        if !frame.console.is_empty() || is_withdrawn {
            frames.push(self.repeating(frame));
        }
        frames
    }

    /// A frame that leaves the open question open.
    fn repeating(&self, frame: ExecuteResult) -> ExecuteResult {
        match self.question.filter(|_| !self.is_answered) {
            Some(question) => question.asked_in(frame),
            None => frame,
        }
    }

    /// Takes a line. Returns the question that it asks, unless that is one of the first `over`, which nobody can answer any more: a line that the user
    /// types ahead is not for it.
    fn line(
        &mut self,
        Line(kind, value, before): Line,
        over: u64,
        console: &mut Vec<ConsoleRecord>,
    ) -> Option<Question> {
        match kind.as_str() {
            "question" => {
                let is_password = value.as_bool().unwrap_or(false);
                let question = Question { number: before + 1, is_password, is_of_files: true };
                if question.number <= over {
                    self.shown.question = self.shown.question.max(question.number);
                    return None;
                }
                let is_new = question.number > self.shown.question;
                if is_new {
                    self.ask(question);
                }
                return is_new.then_some(question);
            }
            "answered" => {
                if self.question.is_some_and(|question| question.number == before + 1) {
                    self.forget_question();
                }
            }
            "unanswered" => self.lacks_answer = self.last_answered < self.shown.question,
            "end" => {
                self.forget_question();
                self.end = Some(value.as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(-1));
            }
            _ => {
                let record = serde_json::from_value(json!([kind, value]));
                let Ok(record) = record else { return None };
                let mut at = Place::default();
                let (Some(begin), Some(shown)) = (at.of(&record), self.shown.of(&record)) else {
                    return None;
                };
                *begin = before;
                self.missing += before.saturating_sub(*shown);
                *shown = (*shown).max(before);
                console.extend(self.news(record, &mut at));
            }
        }
        None
    }

    /// The files between the bytes before and those that follow are gone.
    pub(super) fn tear(&mut self) {
        self.rest.clear();
        self.is_torn = true;
    }

    /// The question whose answer may be lost, asked again.
    pub(super) fn ask_again(&mut self) -> Option<ExecuteResult> {
        let question = self.question.filter(|_| std::mem::take(&mut self.is_in_doubt))?;
        self.is_answered = false;
        Some(question.asked_in(ExecuteResult::new(RunStatus::Continued)))
    }

    /// The frame that ends the run, once nothing is missing before it.
    pub(super) fn ending(&mut self) -> Option<ExecuteResult> {
        let is_whole = self.end.is_some() || self.is_in_place();
        let frame = self.finished.take_if(|_| is_whole)?;
        Some(self.with_code(frame))
    }

    /// The connection's exit code may be that of a request which only released the run.
    fn with_code(&self, frame: ExecuteResult) -> ExecuteResult {
        ExecuteResult { exit_code: self.end.or(frame.exit_code), ..frame }
    }

    /// The end that the connection has told, whatever is missing before it.
    pub(super) fn ending_with_loss(&mut self) -> Option<ExecuteResult> {
        self.finished.take()
    }

    /// What is to be said about output that the files have not kept.
    pub(super) fn loss(&mut self) -> Option<ClientError> {
        let missing = std::mem::take(&mut self.missing);
        (missing > 0).then(|| {
            let why = format!("{missing} characters came while the connection was broken, and the session keeps only the last ones");
            ClientError::new(ErrorKind::Lost, "read the output", why).into_sentence()
        })
    }
}

impl Question {
    fn asked_in(self, frame: ExecuteResult) -> ExecuteResult {
        let options = Some(json!({"is_password": self.is_password, "question": self.number}));
        ExecuteResult { status: RunStatus::WaitingInput, options, ..frame }
    }
}

/// How many questions are over at the end of these lines.
fn questions_over(lines: &[u8]) -> u64 {
    let ends = lines.split(|byte| *byte == b'\n').filter_map(|line| {
        if line.starts_with(END) {
            return Some(u64::MAX);
        }
        let line =
            line.starts_with(ANSWERED).then(|| bai_protocol::json::from_slice::<Line>(line).ok())??;
        Some(line.2 + 1)
    });
    ends.max().unwrap_or_default()
}

/// What is said where a break may have cost output.
pub(super) fn not_kept() -> ClientError {
    let why = "the connection broke, and output may be missing: the session does not keep it";
    ClientError::new(ErrorKind::Lost, "read the output", why).into_sentence()
}

/// How much a record counts.
fn size(record: &ConsoleRecord) -> u64 {
    match record {
        ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text) => text.chars().count() as u64,
        _ => 1,
    }
}

/// The record of this size without its beginning.
fn without(record: ConsoleRecord, known: u64, size: u64) -> Option<ConsoleRecord> {
    if known >= size {
        return None;
    }
    let skip = usize::try_from(known).unwrap_or(usize::MAX);
    Some(match known {
        0 => record,
        _ => record.map_text(|text| text.chars().skip(skip).collect()),
    })
}

#[cfg(test)]
mod tests;
