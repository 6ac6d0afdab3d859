//! The keys of a terminal that a script shares with other programs, because some of its streams are pipes: they are asked for only
//! while the script wants them. It says so by the modes of its terminal, before it shows a question; else a process waits in a read.
//! After a line nothing is asked for until a process is seen to wait again: what was typed beyond it may be for another program.

use super::own_terminal::TerminalInput;
use super::stdin::waiting;
use bai_protocol::execute::WantedKeys;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use nix::sys::termios::{self, FlushArg, LocalFlags, SpecialCharacterIndices};
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// The first look comes after this time, later ones at longer intervals.
const SOON: Duration = Duration::from_millis(4);
const LATER: Duration = Duration::from_millis(50);
/// A program may read again and again. It has given up when it was not seen to wait this many times.
const MISSED_LOOKS: u32 = 3;

/// The piece of keys that was asked for last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// It has not come.
    Awaited,
    /// It has come, and what follows is wanted too.
    Begun,
    /// It has come, and was the end of a line.
    Line,
}

/// What is typed into such a terminal.
#[derive(Debug)]
pub(super) struct TerminalKeys {
    input: TerminalInput,
    /// The program's end, whose modes are looked at.
    terminal: OwnedFd,
    /// Its name and its number.
    name: PathBuf,
    device: u64,
    wanted: WantedKeys,
    /// Whether all keys were wanted before those.
    were_all: bool,
    /// Whether the modes say so.
    is_by_modes: bool,
    piece: Piece,
    /// How often the program was not seen to wait since it was.
    missed: u32,
    is_held: bool,
    next_look: Instant,
    interval: Duration,
}

impl TerminalKeys {
    pub(super) fn new(input: TerminalInput, terminal: OwnedFd) -> Self {
        let name = std::fs::read_link(format!("/proc/self/fd/{}", terminal.as_raw_fd())).unwrap_or_default();
        let device = fstat(&terminal).map_or(0, |status| status.st_rdev);
        TerminalKeys {
            input,
            terminal,
            name,
            device,
            wanted: WantedKeys::None,
            were_all: false,
            is_by_modes: false,
            piece: Piece::Awaited,
            missed: 0,
            is_held: false,
            next_look: Instant::now() + SOON,
            interval: SOON,
        }
    }

    /// Types bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.input.send(bytes);
        let is_line = self.wanted != WantedKeys::All && self.ends_line(bytes);
        self.piece = if is_line { Piece::Line } else { Piece::Begun };
        self.missed = 0;
        self.interval = SOON;
        self.next_look = Instant::now() + SOON;
    }

    /// SIGINT was sent, which drops what was typed before it, as Ctrl-C does.
    pub(super) fn was_interrupted(&self) {
        // An error means that nobody has it.
        let _ = termios::tcflush(&self.terminal, FlushArg::TCIFLUSH);
    }

    /// Asks for nothing from here on, or no longer.
    pub(super) fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Waits until a piece of keys is to be asked for, or other keys are wanted. Cancel-safe.
    pub(super) async fn changed(&mut self, leader: Pid) -> WantedKeys {
        if self.is_held {
            std::future::pending::<()>().await;
        }
        self.input.taken().await;
        if self.wanted != WantedKeys::None && self.piece == Piece::Begun {
            self.piece = Piece::Awaited;
            return self.wanted;
        }
        loop {
            tokio::time::sleep_until(self.next_look).await;
            self.interval = (self.interval * 3 / 2).min(LATER);
            self.next_look = Instant::now() + self.interval;
            let (wanted, waits) = self.look(leader);
            if wanted != self.wanted || waits && self.piece == Piece::Line {
                return self.change(wanted);
            }
        }
    }

    /// Whether what was written before is to be shown in modes of the program's own.
    pub(super) fn had_own_modes(&self) -> bool {
        self.were_all
    }

    /// The keys of a terminal whose modes the program has just changed, if any: to be told before what it writes then.
    pub(super) fn take_changed_modes(&mut self) -> Option<WantedKeys> {
        // A question is often what was written.
        self.interval = SOON;
        self.next_look = self.next_look.min(Instant::now() + SOON);
        let wanted = self.by_modes();
        let is_told = wanted != WantedKeys::None || self.is_by_modes;
        // With the echo off it is the next question, also of a program that hides how it waits: `sudo`.
        let is_next = wanted == WantedKeys::Lines && self.piece == Piece::Line && !self.has_unread();
        let is_changed = is_told && (wanted != self.wanted || is_next) && !self.is_held;
        is_changed.then(|| {
            self.is_by_modes = wanted != WantedKeys::None;
            self.change(wanted)
        })
    }

    fn change(&mut self, wanted: WantedKeys) -> WantedKeys {
        self.were_all = std::mem::replace(&mut self.wanted, wanted) == WantedKeys::All;
        self.piece = Piece::Awaited;
        self.interval = SOON;
        wanted
    }

    /// What is wanted now, and whether a process was seen to wait for it.
    fn look(&mut self, leader: Pid) -> (WantedKeys, bool) {
        let mut seen = self.by_modes();
        let is_certain = seen == WantedKeys::All || seen == WantedKeys::Lines && self.piece != Piece::Line;
        let waits =
            !is_certain && !self.has_unread() && waiting::waits_at_terminal(leader, &self.name, self.device);
        if waits {
            // It may wait in modes that it has set meanwhile.
            seen = self.by_modes();
        }
        let is_by_modes = seen != WantedKeys::None;
        if waits && !is_by_modes {
            seen = WantedKeys::Lines;
        }
        // Modes are certain. A reader may be between two reads.
        if seen == WantedKeys::None && !self.is_by_modes && self.missed < MISSED_LOOKS {
            self.missed += 1;
            return (self.wanted, false);
        }
        if seen != WantedKeys::None {
            self.missed = 0;
        }
        self.is_by_modes = is_by_modes;
        (seen, waits)
    }

    /// Whether a program that reads now would not wait. The end of the input counts as something to read.
    fn has_unread(&self) -> bool {
        let mut polled = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Whether a piece is the end of a line for the terminal.
    fn ends_line(&self, piece: &[u8]) -> bool {
        let modes = termios::tcgetattr(&self.terminal).ok();
        let end =
            modes.and_then(|modes| modes.control_chars.get(SpecialCharacterIndices::VEOF as usize).copied());
        piece.last().is_some_and(|last| matches!(last, b'\n' | b'\r') || Some(*last) == end)
    }

    /// What the modes tell: the program reads keys and not lines, or what nobody must see.
    fn by_modes(&self) -> WantedKeys {
        match termios::tcgetattr(&self.terminal).map(|modes| modes.local_flags) {
            Ok(flags) if !flags.contains(LocalFlags::ICANON) => WantedKeys::All,
            Ok(flags) if !flags.contains(LocalFlags::ECHO) => WantedKeys::Lines,
            _ => WantedKeys::None,
        }
    }
}
