//! Processes that an interrupt meets between fork and exec. A shell that catches SIGINT, as `dash -c` does, hands its
//! handler down to the child, and the program that the child then becomes never receives the signal: it continues, and
//! the shell waits for it. Such a process gets SIGINT again. Processes that start after the interrupt are left alone: a
//! trap may have started them.

use super::wakeup::Wakeups;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use std::fs;

/// The limit of processes that are looked at.
const MOST: usize = 200;

/// The processes at the time of the last interrupt, and when to look at them again.
pub(super) struct LostInterrupts {
    last: Option<Interrupted>,
    looks: Wakeups,
}

impl LostInterrupts {
    pub(super) fn new() -> Self {
        LostInterrupts { last: None, looks: Wakeups::new(Some(Signal::SIGINT)) }
    }

    /// Looks at the processes of this session; to be called just before they are interrupted.
    pub(super) fn begin(&mut self, leader: Pid) {
        self.last = Some(Interrupted::of(leader));
        self.looks.start();
    }

    /// The same for an interpreter, which has a driver that handles interrupts: only for the programs below it.
    pub(super) fn begin_below(&mut self, leader: Pid) {
        self.begin(leader);
        self.last.iter_mut().for_each(|last| last.members.retain(|(pid, _)| *pid != leader));
    }

    /// What was interrupted is over.
    pub(super) fn stop(&mut self) {
        self.looks.stop();
    }

    /// Waits until it is time to look at them again, and interrupts those that have lost it. Cancel-safe.
    pub(super) async fn look(&mut self) {
        self.looks.due().await;
        self.last.iter().for_each(Interrupted::interrupt_again);
    }
}

/// The processes at the time of an interrupt.
struct Interrupted {
    leader: Pid,
    /// With their command lines.
    members: Vec<(Pid, Vec<u8>)>,
}

impl Interrupted {
    /// Finds none on systems without `/proc`.
    fn of(leader: Pid) -> Self {
        let (mut todo, mut members) = (vec![leader], Vec::new());
        while let Some(pid) = todo.pop() {
            members.push((pid, command_line(pid)));
            if members.len() == MOST {
                break;
            }
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for thread in threads {
                let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
                todo.extend(
                    children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw),
                );
            }
        }
        Interrupted { leader, members }
    }

    /// Sends SIGINT to those that have become another program since, and that SIGINT would have ended.
    fn interrupt_again(&self) {
        for (pid, before) in &self.members {
            let now = command_line(*pid);
            // A process that is ending has no command line.
            let has_become_another = !now.is_empty() && now != *before;
            if has_become_another && getsid(Some(*pid)) == Ok(self.leader) && is_ended_by_interrupt(*pid) {
                let _ = kill(*pid, Signal::SIGINT);
            }
        }
    }
}

fn command_line(pid: Pid) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// Whether SIGINT has its default action, and is not blocked.
fn is_ended_by_interrupt(pid: Pid) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let has_interrupt = |set: &str| {
        let signals = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(':'));
        let signals = signals.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        signals.is_none_or(|signals| signals & (1 << (Signal::SIGINT as u32 - 1)) != 0)
    };
    !["SigCgt", "SigIgn", "SigBlk"].into_iter().any(has_interrupt)
}
