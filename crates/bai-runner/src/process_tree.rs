//! The process tree of one program, and how it is ended. Shells put each job into its own process group, and daemons
//! leave their session, so a signal to one group does not reach all processes.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// The variable that marks all descendants, whichever session they are in.
const MARK: &str = "BACKENDAI_PROCESS_TREE";
/// A process that forks during the search is found in the next round.
const ROUNDS: usize = 4;

/// A program's descendants, found by the session that it leads and by a mark in their environment.
#[derive(Debug, Clone)]
pub(super) struct ProcessTree {
    /// `None` when only the mark is used.
    leader: Option<Pid>,
    mark: String,
}

/// The variable that the first program of a process tree is to be started with.
pub(super) fn mark() -> (String, String) {
    (MARK.to_owned(), uuid::Uuid::new_v4().to_string())
}

impl ProcessTree {
    /// The process tree of the session leader `leader`, which was started with `mark`.
    pub(super) fn new(leader: Pid, mark: &(String, String)) -> Self {
        ProcessTree { leader: Some(leader), ..ProcessTree::marked(mark) }
    }

    /// All processes that were started with `mark`, in any session.
    pub(super) fn marked((name, value): &(String, String)) -> Self {
        ProcessTree { leader: None, mark: format!("{name}={value}") }
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
        pids.map(Pid::from_raw).filter(|&pid| self.has(pid)).collect()
    }

    fn has(&self, pid: Pid) -> bool {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
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
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == self.mark.as_bytes())
    }
}
