//! The process tree of one program, and how it is ended. Shells put each job into its own process group, and daemons
//! leave their session, so a signal to one group does not reach all processes.

#[cfg(target_os = "linux")]
use super::process_numbers::Numbering;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::io::Read;

/// The variable that marks all descendants, whichever session they are in.
const MARK: &str = "BACKENDAI_PROCESS_TREE";
/// More bytes than the line of `/proc/…/stat` has. To read it in one step counts: there may be thousands.
const STAT_LINE: usize = 2048;
/// More bytes than most environments have, for the same reason.
const ENVIRONMENT: usize = 16 << 10;
/// A process that forks during the search is found in the next round.
const ROUNDS: usize = 4;

/// A program's descendants, found by the session that it leads and by a mark in their environment.
#[derive(Debug, Clone)]
pub(super) struct ProcessTree {
    /// `None` when only the mark is used.
    leader: Option<Pid>,
    mark: Mark,
}

/// Other systems do not tell it.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Clone, Copy)]
struct Numbering;

#[cfg(not(target_os = "linux"))]
impl Numbering {
    fn now() -> Option<Self> {
        None
    }

    fn may_be_younger(self, _pid: u32, _now: Self) -> bool {
        true
    }
}

/// A mark that no other process tree has.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    value: String,
    /// When it was made, in the unit of `/proc/…/stat`. Only younger processes can have it.
    since: u64,
    /// The same in the numbers of processes.
    numbering: Option<Numbering>,
}

impl Mark {
    pub(super) fn new() -> Self {
        let numbering = Numbering::now();
        Mark { value: uuid::Uuid::new_v4().to_string(), since: ticks_since_boot(), numbering }
    }

    /// The variable that the first program of the process tree is to be started with.
    pub(super) fn variable(&self) -> (String, String) {
        (MARK.to_owned(), self.value.clone())
    }

    fn is_in(&self, environment: &[u8]) -> bool {
        let mark = format!("{MARK}={}", self.value);
        environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
    }
}

/// The time since the system's start. 0 where it is not known.
fn ticks_since_boot() -> u64 {
    #[cfg(target_os = "linux")]
    if let (Ok(now), Ok(Some(rate))) = (
        nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME),
        nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK),
    ) {
        let ticks = now.tv_sec() * rate + now.tv_nsec() * rate / 1_000_000_000;
        // One less, for another way to round.
        return u64::try_from(ticks - 1).unwrap_or(0);
    }
    0
}

impl ProcessTree {
    /// The process tree of the session leader `leader`, which was started with `mark`.
    pub(super) fn new(leader: Pid, mark: Mark) -> Self {
        ProcessTree { leader: Some(leader), ..ProcessTree::marked(mark) }
    }

    /// All processes that were started with `mark`, in any session.
    pub(super) fn marked(mark: Mark) -> Self {
        ProcessTree { leader: None, mark }
    }

    /// Asks the first program and its process group to end. Returns whether there was a process to ask.
    pub(super) fn terminate(&self) -> bool {
        self.leader.is_some_and(|leader| killpg(leader, Signal::SIGTERM).is_ok())
    }

    /// Kills them all.
    pub(super) fn kill(&self) {
        // An error only means that the group is already empty.
        let _ = self.leader.map(|leader| killpg(leader, Signal::SIGKILL));
        for _ in 0..ROUNDS {
            let members = self.members();
            if members.is_empty() {
                return;
            }
            for pid in members {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }

    /// The live processes, from `/proc`. Empty on systems without it.
    pub(super) fn members(&self) -> Vec<Pid> {
        let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
        let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let pids: Vec<u32> = pids.collect();
        // After the list, so that none in it is younger.
        let numbers = self.mark.numbering.zip(Numbering::now());
        let may_belong = |pid: &u32| numbers.is_none_or(|(begin, now)| begin.may_be_younger(*pid, now));
        let pids = pids.into_iter().filter(may_belong).filter_map(|pid| i32::try_from(pid).ok());
        pids.map(Pid::from_raw).filter(|&pid| self.has(pid)).collect()
    }

    fn has(&self, pid: Pid) -> bool {
        let mut line = [0; STAT_LINE];
        let stat = std::fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut file| file.read(&mut line));
        let stat = stat.ok().and_then(|count| line.get(..count)).unwrap_or_default();
        let stat = String::from_utf8_lossy(stat);
        // The name of the program is in parentheses and may contain any character.
        let Some((_, fields)) = stat.rsplit_once(") ") else { return false };
        let mut fields = fields.split(' ');
        if fields.next() == Some("Z") {
            return false;
        }
        let session = fields.nth(2).and_then(|session| session.parse().ok()).map(Pid::from_raw);
        if session.is_some() && session == self.leader {
            return true;
        }
        // To read the environment of every process of a machine would take longer than all else at the end of a session. A
        // system that does not tell the start says 0.
        let start: Option<u64> = fields.nth(15).and_then(|start| start.parse().ok());
        if start.is_some_and(|start| 0 < start && start < self.mark.since) {
            return false;
        }
        let mut environment = Vec::with_capacity(ENVIRONMENT);
        let read = std::fs::File::open(format!("/proc/{pid}/environ"))
            .and_then(|file| file.take(u64::MAX).read_to_end(&mut environment));
        read.is_ok() && self.mark.is_in(&environment)
    }
}
