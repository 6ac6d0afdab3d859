//! The standard input of a child: lines that the user types, an end of the input that can be undone, and the moment at
//! which a process waits for a line.
//!
//! Programs read their standard input in their own way and do not announce it. The system knows: a thread that waits in
//! a read of this pipe, while the pipe is empty, waits for the user.

use super::process;
use bai_protocol::execute::END_OF_INPUT;
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
    /// Other systems do not report this.
    pub(super) fn waits(_leader: nix::unistd::Pid, _inode: u64, _others: &[String]) -> bool {
        false
    }

    pub(super) fn descendants(_leader: nix::unistd::Pid) -> Vec<String> {
        Vec::new()
    }
}

/// The first check comes after this time, later ones at longer intervals.
const SOON: Duration = Duration::from_millis(4);
const LATER: Duration = Duration::from_millis(50);

/// The bytes of a line that was typed, given without its newline, and whether it ends the input: Ctrl-D alone does.
pub(super) fn typed(line: &str) -> (Vec<u8>, bool) {
    match line {
        END_OF_INPUT => (Vec::new(), true),
        line => (format!("{line}\n").into_bytes(), false),
    }
}

/// The writing end of a child's standard input.
pub(super) struct StandardInput {
    /// A reading end, by which the pipe is identified.
    reader: OwnedFd,
    /// `None` after the end of the input.
    writer: Option<OwnedFd>,
    inode: u64,
    /// Bytes that are not in the pipe yet.
    unwritten: Vec<u8>,
    /// The input ends with them.
    ending: bool,
    /// The processes that earlier cells have left in the background: they do not ask in this one.
    background: Vec<String>,
    /// A waiting process has been reported.
    asked: bool,
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
            writer: Some(writer),
            inode,
            unwritten: Vec::new(),
            ending: false,
            background: Vec::new(),
            asked: false,
            next_look: Instant::now() + SOON,
            interval: SOON,
        };
        Ok((input, child))
    }

    /// Sends bytes. The input ends after them if `end` is set.
    pub(super) fn send(&mut self, bytes: &[u8], end: bool) {
        self.unwritten.extend_from_slice(bytes);
        self.ending |= end;
        self.write_now();
        self.look_again();
    }

    /// The next wait has been announced by the driver.
    pub(super) fn wait_was_announced(&mut self) {
        self.asked = true;
    }

    /// A process that waits from now on is reported again.
    pub(super) fn look_again(&mut self) {
        self.asked = false;
        self.interval = SOON;
        self.next_look = Instant::now() + SOON;
    }

    /// A new cell begins: drops unread input of the last one, and reopens an ended input.
    pub(super) fn renew(&mut self) {
        self.unwritten.clear();
        self.ending = false;
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

    /// A cell is over: the processes that `leader` has now are in the background.
    pub(super) fn cell_is_over(&mut self, leader: Pid) {
        self.renew();
        self.background = waiting::descendants(leader);
    }

    /// Waits until a process that `leader` has started waits for a line. Reports each wait once. Cancel-safe.
    pub(super) async fn wait_for_reader(&mut self, leader: Pid) {
        loop {
            if self.asked || self.writer.is_none() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep_until(self.next_look).await;
            self.write_now();
            self.interval = (self.interval * 3 / 2).min(LATER);
            self.next_look = Instant::now() + self.interval;
            let idle = self.unwritten.is_empty() && self.is_empty();
            if idle && waiting::waits(leader, self.inode, &self.background) && self.is_empty() {
                self.asked = true;
                return;
            }
        }
    }

    fn write_now(&mut self) {
        let Some(writer) = &self.writer else { return };
        while !self.unwritten.is_empty() {
            // The rest is tried again at the next check.
            let Ok(count) = nix::unistd::write(writer, &self.unwritten) else { return };
            self.unwritten.drain(..count);
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
