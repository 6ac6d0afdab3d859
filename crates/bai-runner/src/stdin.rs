//! The standard input of a child: lines that the person types, an end of the input that can be taken back, and the
//! moment in which somebody waits for a line.
//!
//! Programs of every language read their standard input in their own way and tell nobody. The system knows: a thread
//! that waits in a read of this pipe, while nothing is in it, waits for the person.

use super::process;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::Pid;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::time::Instant;

#[cfg(target_os = "linux")]
#[path = "stdin_linux.rs"]
mod waiting;
#[cfg(not(target_os = "linux"))]
mod waiting {
    /// Other systems do not tell.
    pub(super) fn waits(_leader: nix::unistd::Pid, _inode: u64) -> bool {
        false
    }
}

/// The first look comes so soon, later ones at longer intervals.
const SOON: Duration = Duration::from_millis(4);
const LATER: Duration = Duration::from_millis(50);
/// What stands for the end of the input in a protocol of lines.
const END: &str = "\u{4}";

/// The writing end of a child's standard input.
pub(super) struct StandardInput {
    /// An end by which the pipe is found again.
    reader: OwnedFd,
    /// `None` after the end of the input.
    writer: Option<OwnedFd>,
    inode: u64,
    /// What the pipe did not take yet.
    unwritten: Vec<u8>,
    /// Somebody waits and was told so.
    asked: bool,
    next_look: Instant,
    interval: Duration,
}

impl StandardInput {
    /// A pipe: this value, and the end for the child.
    pub(super) fn new() -> io::Result<(Self, OwnedFd)> {
        let (child, writer) = process::input_pipe()?;
        let reader = child.try_clone()?;
        let inode = fstat(&reader)?.st_ino;
        let input = StandardInput {
            reader,
            writer: Some(writer),
            inode,
            unwritten: Vec::new(),
            asked: false,
            next_look: Instant::now() + SOON,
            interval: SOON,
        };
        Ok((input, child))
    }

    /// Hands over a line without its newline; Ctrl-D alone ends the input.
    pub(super) fn send(&mut self, line: &str) {
        if line == END {
            self.writer = None;
        } else {
            self.unwritten.extend_from_slice(line.as_bytes());
            self.unwritten.push(b'\n');
            self.write_now();
        }
        self.look_again();
    }

    /// Whoever waits next has said so in another way.
    pub(super) fn told(&mut self) {
        self.asked = true;
    }

    /// Who waits from here on waits anew.
    pub(super) fn look_again(&mut self) {
        self.asked = false;
        self.interval = SOON;
        self.next_look = Instant::now() + SOON;
    }

    /// A new cell: what the last one left unread is gone, and an ended input begins again.
    pub(super) fn renew(&mut self) {
        self.unwritten.clear();
        let again = format!("/proc/self/fd/{}", self.reader.as_raw_fd());
        let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        if self.writer.is_none() {
            self.writer = open(again.as_str(), flags | OFlag::O_WRONLY, Mode::empty()).ok();
        }
        if !self.is_empty()
            && let Ok(rest) = open(again.as_str(), flags | OFlag::O_RDONLY, Mode::empty())
        {
            let mut piece = [0; 4096];
            while nix::unistd::read(&rest, &mut piece).is_ok_and(|count| count > 0) {}
        }
        self.look_again();
    }

    /// Waits until a process that `leader` has started waits for a line. Tells of each wait once. Cancel-safe.
    pub(super) async fn wanted(&mut self, leader: Pid) {
        loop {
            if self.asked || self.writer.is_none() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep_until(self.next_look).await;
            self.write_now();
            self.interval = (self.interval * 3 / 2).min(LATER);
            self.next_look = Instant::now() + self.interval;
            let idle = self.unwritten.is_empty() && self.is_empty();
            if idle && waiting::waits(leader, self.inode) && self.is_empty() {
                self.asked = true;
                return;
            }
        }
    }

    fn write_now(&mut self) {
        let Some(writer) = &self.writer else { return };
        while !self.unwritten.is_empty() {
            // What does not fit now is tried again with the next look.
            let Ok(count) = nix::unistd::write(writer, &self.unwritten) else { return };
            self.unwritten.drain(..count);
        }
    }

    /// Whether everything has been read.
    fn is_empty(&self) -> bool {
        process::unread(&self.reader) == 0
    }
}
