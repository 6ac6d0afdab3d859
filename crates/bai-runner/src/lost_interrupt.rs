//! Processes that an interrupt meets between fork and exec. A shell that catches SIGINT, as `dash -c` does, hands its
//! handler down to the child, and the program that the child then becomes never receives the signal: it continues, and
//! the shell waits for it. Such a process gets SIGINT again. Processes that start after the interrupt are left alone: a
//! trap may have started them.

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use std::fs;

/// The limit of processes that are looked at.
const MOST: usize = 200;

/// The processes at the time of an interrupt.
pub(super) struct Interrupted {
    leader: Pid,
    /// With their command lines.
    members: Vec<(Pid, Vec<u8>)>,
}

impl Interrupted {
    /// Looks at the processes of this session; to be called just before they are interrupted. Finds none on systems without
    /// `/proc`.
    pub(super) fn of(leader: Pid) -> Self {
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
    pub(super) fn interrupt_again(&self) {
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
