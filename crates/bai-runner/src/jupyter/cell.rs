//! The state of the cell that a Jupyter kernel runs, and when the cell is over. This module does no I/O and has no
//! clock.

use bai_protocol::language;
use std::time::Duration;
use tokio::time::Instant;

/// How long after the reply the end of the output may come, or the other way round.
const LATE: Duration = Duration::from_secs(3);
/// The limit for a reply that an interrupt may have prevented.
const LATE_AFTER_INTERRUPT: Duration = Duration::from_millis(300);

/// Languages beside those of the table in which a name can end in a question mark.
const ASKING: &[&str] = &["crystal", "elixir", "clojure", "racket", "lisp", "common-lisp"];

/// A cell from its request until it is over.
#[derive(Debug)]
pub(super) struct Cell {
    /// The worker's number of the cell.
    pub(super) id: u64,
    /// The id of the request.
    pub(super) request: String,
    progress: Progress,
    /// Whether the cell succeeded, once the kernel has replied.
    replied: Option<bool>,
    /// Whether all output has arrived.
    idle: bool,
    /// The exit code of an error that was shown.
    failed: Option<i32>,
    interrupted: bool,
    /// When the wait for a missing message ends.
    late: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    /// The kernel has accepted the cell, and runs it at this time at the latest.
    Taken(Instant),
    /// It can be interrupted.
    Started,
}

impl Cell {
    pub(super) fn new(id: u64, request: String) -> Self {
        Cell {
            id,
            request,
            progress: Progress::Waiting,
            replied: None,
            idle: false,
            failed: None,
            interrupted: false,
            late: None,
        }
    }

    pub(super) fn taken(&mut self, surely_started: Instant) {
        if self.progress == Progress::Waiting {
            self.progress = Progress::Taken(surely_started);
        }
    }

    /// Its number, if it has just started.
    pub(super) fn start(&mut self) -> Option<u64> {
        let before = std::mem::replace(&mut self.progress, Progress::Started);
        (before != Progress::Started).then_some(self.id)
    }

    /// Whether it must have started by now, although the kernel has not reported it.
    pub(super) fn starts_by(&mut self, now: Instant) -> bool {
        let surely = matches!(self.progress, Progress::Taken(by) if by <= now);
        surely && self.start().is_some()
    }

    pub(super) fn failed(&mut self, exit_code: i32) {
        self.failed = Some(exit_code);
    }

    pub(super) fn replied(&mut self, went_well: bool, now: Instant) {
        self.replied = Some(went_well);
        self.late = Some(now + LATE);
    }

    pub(super) fn idle(&mut self, now: Instant) {
        self.idle = true;
        self.late = Some(now + if self.interrupted { LATE_AFTER_INTERRUPT } else { LATE });
    }

    pub(super) fn interrupted(&mut self) {
        self.interrupted = true;
    }

    /// The next time at which the state changes without a message.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.progress {
            Progress::Taken(by) => Some(self.late.map_or(by, |late| late.min(by))),
            _ => self.late,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.replied.is_some() && self.idle
    }

    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.late.is_some_and(|late| late <= now)
    }

    pub(super) fn is_output_missing(&self) -> bool {
        !self.idle
    }

    /// A cell whose end was not reported was interrupted.
    pub(super) fn exit_code(&self) -> i32 {
        self.failed.unwrap_or(i32::from(self.replied != Some(true)))
    }
}

/// The name and the level of detail in a cell that only asks about a name: `name?` or `?name`, with two marks for more.
pub(super) fn question_about<'a>(code: &'a str, language: &str) -> Option<(&'a str, usize)> {
    let code = code.trim();
    let (name, before) = strip(code, str::strip_prefix);
    let (name, after) = strip(name, str::strip_suffix);
    let marks = before + after;
    let is_name = |c: char| c.is_alphanumeric() || "_.:$@%!/-".contains(c);
    let ours = language::of_name(language).is_some_and(|row| row.syntax.question_mark_in_names);
    let may_end_in_mark = after > 0 && (ours || ASKING.contains(&language));
    let fits = (1..=2).contains(&marks) && !name.is_empty() && name.chars().all(is_name);
    (fits && !may_end_in_mark).then(|| (name, marks - 1))
}

/// A text without the question marks at one end, and how many there were.
fn strip<'a>(text: &'a str, one: impl Fn(&'a str, char) -> Option<&'a str>) -> (&'a str, usize) {
    let (mut rest, mut marks) = (text, 0);
    while let Some(shorter) = one(rest, '?') {
        (rest, marks) = (shorter, marks + 1);
    }
    (rest, marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_ends_with_reply_and_output_or_at_the_time_limit() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut cell = Cell::new(7, "r".into());
        assert_eq!((cell.due(), cell.is_over()), (None, false));
        cell.taken(now + second);
        assert!(!cell.starts_by(now) && cell.starts_by(now + second) && !cell.starts_by(now + second));
        assert_eq!(cell.start(), None);
        cell.replied(true, now);
        assert!(!cell.is_over() && !cell.is_late(now + second) && cell.is_late(now + LATE));
        cell.idle(now + second);
        assert!(cell.is_over() && !cell.is_output_missing());
        assert_eq!(cell.exit_code(), 0);
        cell.replied(false, now);
        assert_eq!(cell.exit_code(), 1);
        cell.failed(3);
        assert_eq!(cell.exit_code(), 3);

        let mut broken_off = Cell::new(8, "r".into());
        broken_off.interrupted();
        broken_off.idle(now);
        assert!(!broken_off.is_over() && broken_off.is_late(now + second));
        assert_eq!(broken_off.exit_code(), 1);
    }

    #[test]
    fn questions_about_names_are_distinguished_from_code() {
        for (code, language, asked) in [
            ("print?", "python", Some(("print", 0))),
            (" os.path.join?? ", "python", Some(("os.path.join", 1))),
            ("?Base.map", "julia", Some(("Base.map", 0))),
            ("??x", "r", Some(("x", 1))),
            ("x.empty?", "ruby", None),
            ("null?", "scheme", None),
            ("read()?", "rust", None),
            ("even?", "elixir", None),
            ("?puts", "ruby", Some(("puts", 0))),
            ("a ? b", "javascript", None),
            ("???", "python", None),
            ("x???", "python", None),
            ("np.*load*?", "python", None),
            ("", "python", None),
        ] {
            assert_eq!(question_about(code, language), asked, "{code}");
        }
    }
}
