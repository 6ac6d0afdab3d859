//! The standard input of a child: lines that the user types, an end of the input that can be undone, and the moment at
//! which a process waits for a line.
//!
//! Programs read their standard input in their own way and do not announce it. The system knows: a thread that waits in
//! a read of this pipe, while the pipe is empty, waits for the user.

use super::process;
use bai_protocol::execute::{END_OF_INPUT, WantedKeys};
use bytes::{Buf, BytesMut};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::Pid;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::net::unix::pipe::Sender;
use tokio::time::Instant;

#[cfg(target_os = "linux")]
#[path = "stdin_linux.rs"]
pub(super) mod waiting;
#[cfg(not(target_os = "linux"))]
pub(super) mod waiting {
    /// Other systems do not report this.
    pub(super) fn waits(_leader: nix::unistd::Pid, _inode: u64, _others: &[String]) -> bool {
        false
    }

    pub(in super::super) fn waits_at_terminal(
        _leader: nix::unistd::Pid,
        _terminal: &std::path::Path,
        _device: u64,
    ) -> bool {
        false
    }

    pub(super) fn waits_unreachable(_leader: nix::unistd::Pid, _inode: u64) -> bool {
        false
    }

    pub(super) fn descendants(_leader: nix::unistd::Pid) -> Vec<String> {
        Vec::new()
    }
}

/// The first check comes after this time, later ones at longer intervals.
const SOON: Duration = Duration::from_millis(4);
const LATER: Duration = Duration::from_millis(50);
/// A program may read again and again with a time limit. It has given up when it was not seen to wait this many times.
const MISSED_LOOKS: u32 = 3;

/// The bytes of a line that was typed, given without its newline, and whether it ends the input: Ctrl-D alone does.
pub(super) fn typed(line: &str) -> (Vec<u8>, bool) {
    match line {
        END_OF_INPUT => (Vec::new(), true),
        line => (format!("{line}\n").into_bytes(), false),
    }
}

/// What a reader of standard input does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReaderEvent {
    /// It waits for a line.
    Waits,
    /// It has stopped waiting, although no line came.
    Gone,
    /// A piece of these keys is wanted from a shared terminal.
    Keys(WantedKeys),
}

/// The line that has been asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    None,
    /// The driver has said that the program will read. It may not have begun to.
    Announced,
    /// A process waited at the last look, or at most [`MISSED_LOOKS`] looks ago.
    Open {
        missed: u32,
    },
}

impl Question {
    /// Notes whether a process waits now. Returns what has changed.
    fn after_a_look(&mut self, waits: bool) -> Option<ReaderEvent> {
        let (next, event) = match (*self, waits) {
            (Question::None, true) => (Question::Open { missed: 0 }, Some(ReaderEvent::Waits)),
            (Question::Open { missed: MISSED_LOOKS.. }, false) => (Question::None, Some(ReaderEvent::Gone)),
            (Question::Open { missed }, false) => (Question::Open { missed: missed + 1 }, None),
            (Question::Announced | Question::Open { .. }, true) => (Question::Open { missed: 0 }, None),
            (same, false) => (same, None),
        };
        *self = next;
        event
    }
}

/// The writing end of a child's standard input.
pub(super) struct StandardInput {
    /// A reading end, by which the pipe is identified.
    reader: OwnedFd,
    /// `None` after the end of the input.
    writer: Option<Sender>,
    inode: u64,
    /// Bytes that are not in the pipe yet.
    unwritten: BytesMut,
    /// The input ends with them.
    ending: bool,
    /// More is at hand: it is asked for as soon as these bytes are in the pipe.
    ahead: bool,
    /// The processes that earlier cells have left in the background: they do not ask in this one.
    background: Vec<String>,
    question: Question,
    next_look: Instant,
    interval: Duration,
}

impl StandardInput {
    /// A pipe: this value, and the child's end.
    pub(super) fn new() -> io::Result<(Self, OwnedFd)> {
        let (child, writer) = process::input_pipe()?;
        let reader = child.try_clone()?;
        let inode = fstat(&reader)?.st_ino;
        let input = StandardInput {
            reader,
            writer: Some(Sender::from_owned_fd(writer)?),
            inode,
            unwritten: BytesMut::new(),
            ending: false,
            ahead: false,
            background: Vec::new(),
            question: Question::None,
            next_look: Instant::now() + SOON,
            interval: SOON,
        };
        Ok((input, child))
    }

    /// Sends bytes. The input ends after them if `end` is set; with `ahead`, more is asked for before they are read.
    pub(super) fn send(&mut self, bytes: &[u8], end: bool, ahead: bool) {
        self.unwritten.extend_from_slice(bytes);
        self.ending |= end;
        self.ahead = ahead;
        self.write_now();
        self.look_again();
    }

    /// The next wait has been announced by the driver.
    pub(super) fn wait_was_announced(&mut self) {
        self.question = Question::Announced;
    }

    /// A process that waits from now on is reported again.
    pub(super) fn look_again(&mut self) {
        self.question = Question::None;
        self.interval = SOON;
        self.next_look = Instant::now() + SOON;
    }

    /// SIGINT was sent. For a reader that has blocked it, as `more` does, the input ends.
    pub(super) fn was_interrupted(&mut self, leader: Pid) {
        self.look_again();
        if waiting::waits_unreachable(leader, self.inode) {
            self.send(&[], true, false);
        }
    }

    /// A new cell begins: drops unread input of the last one, and reopens an ended input.
    pub(super) fn renew(&mut self) {
        self.unwritten.clear();
        (self.ending, self.ahead) = (false, false);
        let again = format!("/proc/self/fd/{}", self.reader.as_raw_fd());
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        if self.writer.is_none() {
            let writer = open(again.as_str(), flags | OFlag::O_WRONLY, Mode::empty()).ok();
            self.writer = writer.and_then(|writer| Sender::from_owned_fd(writer).ok());
        }
        if !self.is_empty()
            && let Ok(rest) = open(again.as_str(), flags | OFlag::O_RDONLY, Mode::empty())
        {
            let mut piece = [0; 4096];
            while nix::unistd::read(&rest, &mut piece).is_ok_and(|count| count > 0) {}
        }
        self.look_again();
    }

    /// A cell is over: the processes that `leader` has now are in the background.
    pub(super) fn cell_is_over(&mut self, leader: Pid) {
        self.renew();
        self.background = waiting::descendants(leader);
    }

    /// Waits until a process that `leader` has started begins to wait for a line, or stops waiting for one that has not come;
    /// or until there is room for more of what is at hand. Cancel-safe.
    pub(super) async fn reader_event(&mut self, leader: Pid) -> ReaderEvent {
        loop {
            match &self.writer {
                Some(writer) if !self.unwritten.is_empty() => {
                    if writer.writable().await.is_err() {
                        self.unwritten.clear();
                    }
                    self.write_now();
                    continue;
                }
                Some(_) if self.ahead && self.question == Question::None => {
                    // It has been asked for: whether a process waits does not matter any more.
                    self.question = Question::Announced;
                    return ReaderEvent::Waits;
                }
                Some(_) if !self.ahead => {}
                _ => std::future::pending::<()>().await,
            }
            tokio::time::sleep_until(self.next_look).await;
            self.interval = (self.interval * 3 / 2).min(LATER);
            self.next_look = Instant::now() + self.interval;
            let waits =
                self.is_empty() && waiting::waits(leader, self.inode, &self.background) && self.is_empty();
            if let Some(event) = self.question.after_a_look(waits) {
                return event;
            }
        }
    }

    fn write_now(&mut self) {
        let Some(writer) = &self.writer else { return };
        while !self.unwritten.is_empty() {
            // The rest follows when there is room.
            let Ok(count) = writer.try_write(&self.unwritten) else { return };
            self.unwritten.advance(count);
        }
        if self.ending {
            self.writer = None;
        }
    }

    /// Whether everything has been read.
    fn is_empty(&self) -> bool {
        process::unread(&self.reader) == 0
    }
}
