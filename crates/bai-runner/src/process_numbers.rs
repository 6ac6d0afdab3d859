//! Which processes are younger than a moment, by their numbers alone. The system numbers processes and threads in turn, and begins
//! anew after the largest number. To read about every process of a machine takes longer than all else at the end of a session.

use procfs::{Current, CurrentSI, KernelStats, LoadAverage};
use std::fs;

/// The first numbers, which are given out only once.
const RESERVED: u64 = 300;

/// How far the system has come in its numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbering {
    /// The number that was given out last.
    last: u32,
    /// How many processes and threads have been started.
    started: u64,
    /// How many there are.
    alive: u64,
    /// Below this number all are.
    end: u64,
}

impl Numbering {
    /// As it is now. `None` if the system does not tell, or tells about other numbers than those in `/proc`.
    pub(super) fn now() -> Option<Self> {
        let own = fs::read_link("/proc/self").ok()?;
        if own.to_str() != Some(std::process::id().to_string().as_str()) {
            return None;
        }
        let LoadAverage { latest_pid: last, max: alive, .. } = LoadAverage::current().ok()?;
        let started = KernelStats::current().ok()?.processes;
        let end = u64::try_from(procfs::sys::kernel::pid_max().ok()?).ok()?;
        Some(Numbering { last, started, alive: alive.into(), end })
    }

    /// Whether a process that was there at `now` may be younger than this. A process that began after it always may.
    pub(super) fn may_be_younger(self, pid: u32, now: Self) -> bool {
        // Numbers that are in use are passed over.
        let passed = now.started.saturating_sub(self.started) * 2 + self.alive + RESERVED;
        if passed >= self.end.min(now.end) {
            return true;
        }
        match self.last <= now.last {
            true => self.last < pid && pid <= now.last,
            false => self.last < pid || pid <= now.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u32, started: u64) -> Numbering {
        Numbering { last, started, alive: 100, end: 32_768 }
    }

    #[test]
    fn numbers_are_given_out_in_turn_and_begin_anew() {
        let begin = at(500, 10_000);
        let younger = |pid, now| begin.may_be_younger(pid, now);
        let soon = at(510, 10_010);
        assert_eq!([500, 501, 510, 511, 7].map(|pid| younger(pid, soon)), [false, true, true, false, false]);
        let begin = at(32_760, 10_000);
        let anew = at(310, 10_018);
        let judged = [32_760, 32_761, 305, 310, 311].map(|pid| begin.may_be_younger(pid, anew));
        assert_eq!(judged, [false, true, true, true, false]);
        assert!(at(500, 10_000).may_be_younger(400, at(510, 30_000)), "all numbers may have been given out");
    }

    #[test]
    fn a_child_is_younger_than_the_moment_before_it() {
        let begin = Numbering::now().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let now = Numbering::now().unwrap();
        assert!(begin.may_be_younger(child.id(), now));
        assert!(!now.may_be_younger(std::process::id(), now));
        child.wait().unwrap();
    }
}
