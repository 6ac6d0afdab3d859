//! The keys of a terminal that a script shares with other programs, because some of its streams are pipes: they are asked for only
//! while the script wants them. It says so by the modes of its terminal, before it shows a question; else a process waits in a read.

use super::own_terminal::TerminalInput;
use super::stdin::waiting;
use bai_protocol::execute::WantedKeys;
use nix::sys::stat::fstat;
use nix::sys::termios::{self, FlushArg, LocalFlags};
use nix::unistd::Pid;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// The first look comes after this time, later ones at longer intervals.
const SOON: Duration = Duration::from_millis(4);
const LATER: Duration = Duration::from_millis(50);
/// A program may read again and again. It has given up when it was not seen to wait this many times.
const MISSED_LOOKS: u32 = 3;

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
    /// Whether the modes say so.
    is_by_modes: bool,
    /// Whether a piece has been asked for and has not come.
    has_asked: bool,
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
            is_by_modes: false,
            has_asked: true,
            missed: 0,
            is_held: false,
            next_look: Instant::now() + SOON,
            interval: SOON,
        }
    }

    /// Types bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.input.send(bytes);
        self.has_asked = false;
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
        if self.wanted != WantedKeys::None && !std::mem::replace(&mut self.has_asked, true) {
            return self.wanted;
        }
        loop {
            tokio::time::sleep_until(self.next_look).await;
            self.interval = (self.interval * 3 / 2).min(LATER);
            self.next_look = Instant::now() + self.interval;
            let wanted = self.look(leader);
            if wanted != self.wanted {
                return self.change(wanted);
            }
        }
    }

    /// Whether these are the keys that were told last.
    pub(super) fn wants(&self, keys: WantedKeys) -> bool {
        self.wanted == keys
    }

    /// The keys of a terminal whose modes the program has just changed, if any: to be told before what it writes then.
    pub(super) fn take_changed_modes(&mut self) -> Option<WantedKeys> {
        // A question is often what was written.
        self.interval = SOON;
        self.next_look = self.next_look.min(Instant::now() + SOON);
        let wanted = self.by_modes();
        let is_told = wanted != WantedKeys::None || self.is_by_modes;
        let is_changed = is_told && wanted != self.wanted && !self.is_held;
        is_changed.then(|| {
            self.is_by_modes = wanted != WantedKeys::None;
            self.change(wanted)
        })
    }

    fn change(&mut self, wanted: WantedKeys) -> WantedKeys {
        self.wanted = wanted;
        self.has_asked = true;
        self.interval = SOON;
        wanted
    }

    /// What is wanted now.
    fn look(&mut self, leader: Pid) -> WantedKeys {
        let mut seen = self.by_modes();
        let mut is_by_modes = seen != WantedKeys::None;
        if !is_by_modes && waiting::waits_at_terminal(leader, &self.name, self.device) {
            // It may wait in modes that it has set meanwhile.
            seen = self.by_modes();
            is_by_modes = seen != WantedKeys::None;
            if !is_by_modes {
                seen = WantedKeys::Lines;
            }
        }
        // Modes are certain. A reader may be between two reads.
        if seen == WantedKeys::None && !self.is_by_modes && self.missed < MISSED_LOOKS {
            self.missed += 1;
            return self.wanted;
        }
        if seen != WantedKeys::None {
            self.missed = 0;
        }
        self.is_by_modes = is_by_modes;
        seen
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
