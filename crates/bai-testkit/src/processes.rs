//! The processes that a sandbox has started, found by their home folder in the process table of Linux: some, such as sshd,
//! clear their environment, and name only files in that folder.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the process table is read. The system does not report the end of processes that are not our children.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Ends the engines that were left for named sessions, and waits until all processes with this home have ended. Kills
/// those that have not ended within `limit`, and returns their command lines.
#[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
pub(crate) fn end_all(home: &Path, limit: Duration) -> Vec<String> {
    for (pid, command) in with_home(home) {
        if command.contains(" serve ") {
            let _ = kill(pid, Signal::SIGTERM);
            // One that a test has stopped gets the signal when it goes on.
            let _ = kill(pid, Signal::SIGCONT);
        }
    }
    let deadline = Instant::now() + limit;
    loop {
        let left = with_home(home);
        if left.is_empty() || Instant::now() > deadline {
            return left.into_iter().map(killed).collect();
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The process ids of the background engines with this home.
pub(crate) fn engines(home: &Path) -> Vec<i32> {
    let all = with_home(home).into_iter().filter(|(_, command)| command.contains(" serve "));
    let all: Vec<_> = all.map(|(pid, _)| pid).collect();
    // Until it is another program, the child of an engine looks like the engine.
    all.iter()
        .filter(|pid| !parent(**pid).is_some_and(|id| all.contains(&id)))
        .map(|pid| pid.as_raw())
        .collect()
}

fn parent(pid: Pid) -> Option<Pid> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let id = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    id.trim().parse().ok().map(Pid::from_raw)
}

fn killed((pid, command): (Pid, String)) -> String {
    let _ = kill(pid, Signal::SIGKILL);
    command
}

/// The processes whose variable `HOME` is this folder, or whose arguments name a file in it, with their command lines.
fn with_home(home: &Path) -> Vec<(Pid, String)> {
    let variable = format!("HOME={}", home.display()).into_bytes();
    let below = format!("{}/", home.display());
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw);
    let command = |pid: Pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        (pid, String::from_utf8_lossy(&line).replace('\0', " "))
    };
    let of_home = |(pid, command): &(Pid, String)| {
        let variables = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|found| found == variable)
            || *pid != Pid::this() && command.contains(&below)
    };
    numbers.map(command).filter(of_home).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_that_stays_is_named_and_killed() {
        let home = tempfile::tempdir().unwrap();
        assert!(end_all(home.path(), Duration::ZERO).is_empty());
        let mut command = Command::new("cat");
        command.env("HOME", home.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Before it has answered, it may not be in the process table with its variables.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        assert_eq!(end_all(home.path(), Duration::ZERO), ["cat "]);
        assert!(!child.wait().unwrap().success());
        assert!(end_all(home.path(), Duration::ZERO).is_empty());
    }
}
