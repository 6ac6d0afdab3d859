//! Finds processes that wait for input, among those that we have started. Reads `/proc`.

use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The limit of processes that are checked.
const MOST: usize = 200;
/// The limit of descriptors that are checked for one poll.
const MOST_POLLED: u64 = 64;

/// Whether a thread of `leader`, or of its descendants without these `others`, waits in a read of the pipe with this inode.
pub(super) fn waits(leader: Pid, inode: u64, others: &[String]) -> bool {
    let pipe = format!("pipe:[{inode}]");
    let reads_it = |process: &str, thread: &Path| {
        fs::read_to_string(thread.join("syscall"))
            .is_ok_and(|call| reads(process, &call).iter().any(|fd| is_pipe(process, *fd, &pipe)))
    };
    walk(leader, |process, thread| !others.iter().any(|other| other == process) && reads_it(process, thread))
}

/// Whether a thread of `leader`, or of its descendants, waits in a read of the terminal at this path with this device number, also
/// by the name that is the same for all.
pub(in super::super) fn waits_at_terminal(leader: Pid, terminal: &Path, device: u64) -> bool {
    let is_it = |process: &str, fd: u64| {
        fs::read_link(format!("/proc/{process}/fd/{fd}")).is_ok_and(|target| {
            target == terminal || target == Path::new("/dev/tty") && controls(process) == Some(device)
        })
    };
    walk(leader, |process, thread| {
        let call = fs::read_to_string(thread.join("syscall")).unwrap_or_default();
        reads(process, &call).iter().any(|fd| is_it(process, *fd))
    })
}

/// The device number of the terminal of a process.
fn controls(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may contain anything.
    status.rsplit_once(") ")?.1.split(' ').nth(4)?.parse().ok()
}

/// Whether one that waits in such a read has blocked SIGINT.
pub(super) fn waits_unreachable(leader: Pid, inode: u64) -> bool {
    let pipe = format!("pipe:[{inode}]");
    walk(leader, |process, thread| {
        let read = |name: &str| fs::read_to_string(thread.join(name)).unwrap_or_default();
        let blocked = read("status").lines().find_map(|line| {
            let set = line.strip_prefix("SigBlk:")?.trim();
            u64::from_str_radix(set, 16).ok()
        });
        blocked.is_some_and(|set| set & (1 << (libc::SIGINT - 1)) != 0)
            && reads(process, &read("syscall")).iter().any(|fd| is_pipe(process, *fd, &pipe))
    })
}

/// All processes that `leader` and its descendants have started.
pub(super) fn descendants(leader: Pid) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    walk(leader, |process, _| {
        if process != leader.to_string() && found.last().is_none_or(|last| last != process) {
            found.push(process.to_owned());
        }
        false
    });
    found
}

/// Visits the threads of `leader` and of its descendants until `visit` returns true. Returns whether it has.
fn walk(leader: Pid, mut visit: impl FnMut(&str, &Path) -> bool) -> bool {
    let (mut todo, mut seen) = (vec![leader.to_string()], 0);
    while let Some(process) = todo.pop() {
        seen += 1;
        if seen > MOST {
            return false;
        }
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
        for thread in threads.flatten().map(|thread| thread.file_name()) {
            // Not by the path in the folder of the process: after a look there, some systems take milliseconds to bury a process
            // with several threads.
            let folder = Path::new("/proc").join(&thread);
            if visit(&process, &folder) {
                return true;
            }
            let children = fs::read_to_string(folder.join("task").join(&thread).join("children"));
            let children = children.unwrap_or_default();
            todo.extend(children.split_whitespace().map(str::to_owned));
        }
    }
    false
}

fn is_pipe(process: &str, fd: u64, pipe: &str) -> bool {
    fs::read_link(format!("/proc/{process}/fd/{fd}")).is_ok_and(|target| target.as_os_str() == pipe)
}

/// The descriptors that a thread waits to read from: a line with the number of the system call and its arguments.
fn reads(process: &str, call: &str) -> Vec<u64> {
    let mut words = call.split_whitespace();
    let Some(number) = words.next().and_then(|word| word.parse::<i64>().ok()) else { return Vec::new() };
    let arguments: Vec<u64> =
        words.filter_map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok()).collect();
    let &[first, second, ..] = arguments.as_slice() else { return Vec::new() };
    match number {
        libc::SYS_read | libc::SYS_readv => vec![first],
        libc::SYS_ppoll => polled(process, first, second),
        libc::SYS_pselect6 => selected(process, first, second),
        libc::SYS_epoll_pwait => watched(process, first),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => polled(process, first, second),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select => selected(process, first, second),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_epoll_wait => watched(process, first),
        _ => Vec::new(),
    }
}

fn memory(process: &str, at: u64, buffer: &mut [u8]) -> bool {
    let mut read = || fs::File::open(format!("/proc/{process}/mem"))?.read_exact_at(buffer, at);
    at != 0 && read().is_ok()
}

/// The descriptors in an array of `struct pollfd` that are polled for reading.
fn polled(process: &str, at: u64, count: u64) -> Vec<u64> {
    let count = usize::try_from(count.min(MOST_POLLED)).unwrap_or(0);
    let mut array = vec![0; count * 8];
    if !memory(process, at, &mut array) {
        return Vec::new();
    }
    let fd = |entry: &[u8; 8]| {
        let [a, b, c, d, events, ..] = *entry;
        let fd = i32::from_le_bytes([a, b, c, d]);
        (events & 1 != 0).then(|| u64::try_from(fd).ok()).flatten()
    };
    array.as_chunks().0.iter().filter_map(fd).collect()
}

/// The descriptors in a `fd_set`.
fn selected(process: &str, count: u64, at: u64) -> Vec<u64> {
    let count = count.min(MOST_POLLED);
    let mut set = [0; 8];
    if !memory(process, at, &mut set) {
        return Vec::new();
    }
    let set = u64::from_le_bytes(set);
    (0..count).filter(|fd| set >> fd & 1 == 1).collect()
}

/// The descriptors that an epoll instance watches for reading.
fn watched(process: &str, epoll: u64) -> Vec<u64> {
    let info = fs::read_to_string(format!("/proc/{process}/fdinfo/{epoll}")).unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.strip_prefix("tfd:")?.split_whitespace();
        let fd = words.next()?.parse().ok()?;
        let events = u32::from_str_radix(words.nth(1)?, 16).ok()?;
        (events & 1 == 1).then_some(fd)
    };
    info.lines().filter_map(line).collect()
}
