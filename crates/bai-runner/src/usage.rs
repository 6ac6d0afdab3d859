//! The resource use of sessions, read from `/proc`. A process belongs to a session when it was started with one of the
//! session's variables in its environment, or by such a process. Other systems than Linux give no values.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A clock tick of `/proc`, which is the same on all architectures that we run on.
const TICK: Duration = Duration::from_millis(10);
/// How many ancestors are checked for a process without the variable.
const GENERATIONS: usize = 64;

/// The total use of a session's processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of live processes, and of their ended children.
    pub cpu: Duration,
    /// Memory in bytes; shared memory is counted once.
    pub memory: u64,
    /// Bytes read from storage.
    pub read: u64,
    /// Bytes written to storage.
    pub written: u64,
}

struct Process {
    parent: i32,
    owner: Option<usize>,
    ticks: u64,
}

/// The use of the processes with each of these variables (`NAME=value`) in their environment; `None` when there is no
/// such process. It reads about all processes of the machine, so call it where blocking for some milliseconds is
/// allowed.
pub fn usage(variables: &[String]) -> Vec<Option<Usage>> {
    let processes = processes(variables);
    let mut all = vec![None; variables.len()];
    for (pid, process) in &processes {
        let Some(usage) = owner(process, &processes).and_then(|owner| all.get_mut(owner)) else { continue };
        let usage: &mut Usage = usage.get_or_insert_default();
        let folder = format!("/proc/{pid}");
        let folder = Path::new(&folder);
        usage.cpu += TICK.saturating_mul(u32::try_from(process.ticks).unwrap_or(u32::MAX));
        usage.memory += memory(folder);
        let io = fs::read_to_string(folder.join("io")).unwrap_or_default();
        usage.read += field(&io, "read_bytes:").unwrap_or(0);
        usage.written += field(&io, "write_bytes:").unwrap_or(0);
    }
    all
}

/// The memory of the machine, or the limit of our own control group, in bytes.
pub fn memory_limit() -> Option<u64> {
    let machine = field(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")? * 1024;
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|limit| limit.trim().parse().ok()).unwrap_or(u64::MAX);
    Some(machine.min(group))
}

fn processes(variables: &[String]) -> HashMap<i32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, process(pid, variables)?))).collect()
}

fn process(pid: i32, variables: &[String]) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program is in parentheses and may contain any character.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let parent = i32::try_from(number(1)?).ok()?;
    // Its own time, and that of children that it has waited for.
    let ticks = (11..=14).filter_map(number).sum();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let has =
        |variable: &String| environment.split(|&byte| byte == 0).any(|known| known == variable.as_bytes());
    Some(Process { parent, owner: variables.iter().position(has), ticks })
}

/// The session of a process: from its own environment, or from that of the nearest ancestor that has the variable.
fn owner(process: &Process, processes: &HashMap<i32, Process>) -> Option<usize> {
    let parents = std::iter::successors(Some(process), |process| processes.get(&process.parent));
    parents.take(GENERATIONS).find_map(|process| process.owner)
}

/// A process's share of memory.
fn memory(folder: &Path) -> u64 {
    let shares = fs::read_to_string(folder.join("smaps_rollup")).unwrap_or_default();
    let resident = || field(&fs::read_to_string(folder.join("status")).ok()?, "VmRSS:");
    field(&shares, "Pss:").or_else(resident).unwrap_or(0) * 1024
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_tree_is_measured_even_with_an_empty_environment() {
        let mine = format!("USAGE_TEST={}", uuid::Uuid::new_v4());
        let (name, value) = mine.split_once('=').unwrap();
        // A grandchild without the variable, with 50 MB.
        let script = "env -i sh -c 'x=$(head -c 50000000 /dev/zero | tr \"\\0\" a); echo there >&2; read y; echo $x' > /dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", script]).env(name, value).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Ended(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(child.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let usages = usage(&["USAGE_TEST=other".to_owned(), mine]);
        let mut stdin = child.0.stdin.take().unwrap();
        let _ = stdin.write_all(b"\n");
        assert_eq!(usages[0], None);
        let used = usages[1].unwrap();
        assert!(used.memory > 45_000_000 && used.memory < 1_000_000_000, "{used:?}");
        assert!(used.cpu > Duration::ZERO, "{used:?}");
        assert!(memory_limit().is_some_and(|limit| limit > used.memory));
    }

    #[test]
    fn proc_files_are_parsed() {
        assert_eq!(field("rchar: 5\nread_bytes: 4096\n", "read_bytes:"), Some(4096));
        assert_eq!(field("Rss: 10 kB\nPss:       7 kB\n", "Pss:"), Some(7));
        assert_eq!(field("", "Pss:"), None);
    }
}
