//! The process that holds the lock of a file, also of one that was removed. Linux names the open files of our user's processes
//! and their locks; other systems do not.

use std::path::Path;

/// The id of another process of our user that holds a lock of the file at `path`, or of one that was there.
#[cfg(target_os = "linux")]
pub(super) fn of(path: &Path) -> Option<i32> {
    use std::ffi::OsString;
    use std::fs::{self, DirEntry};
    use std::os::unix::fs::MetadataExt;

    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let there = real(path).into_os_string();
    let mut removed: OsString = there.clone();
    removed.push(" (deleted)");
    let holds = |process: &Path, descriptor: &DirEntry| {
        let name = fs::read_link(descriptor.path()).unwrap_or_default();
        let facts = || fs::read_to_string(process.join("fdinfo").join(descriptor.file_name()));
        (name.as_os_str() == there || name.as_os_str() == removed)
            && facts().is_ok_and(|facts| facts.lines().any(|line| line.starts_with("lock:")))
    };
    // The same path may lead to another file in a container.
    let place = |process: &Path| fs::read_link(process.join("ns/mnt")).ok();
    let ours = place(Path::new("/proc/self"));
    let holder = |entry: DirEntry| {
        let id: i32 = entry.file_name().to_str()?.parse().ok()?;
        let process = entry.path();
        let is_holder = bai_private::is_own_user(entry.metadata().ok()?.uid())
            && entries(&process.join("fd")).any(|descriptor| holds(&process, &descriptor))
            && place(&process) == ours;
        is_holder.then_some(id)
    };
    let holders: Vec<i32> = entries(Path::new("/proc")).filter_map(holder).collect();
    let own_id = i32::try_from(std::process::id()).ok();
    // A process that one of them has just begun has its open files, until it becomes a program.
    let above = |id: i32| std::iter::successors(parent(id), |above| parent(*above));
    let is_the_first = |id| parent(id).is_some() && !above(id).any(|above| holders.contains(&above));
    holders.iter().copied().find(|&id| Some(id) != own_id && is_the_first(id))
}

/// The process that has begun this one, or 0. `None` if this one has ended.
#[cfg(target_os = "linux")]
fn parent(process: i32) -> Option<i32> {
    let facts = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may contain anything.
    facts.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn of(_path: &Path) -> Option<i32> {
    None
}

/// The path without symbolic links, also when its last parts are missing.
#[cfg(target_os = "linux")]
fn real(path: &Path) -> std::path::PathBuf {
    let found = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match found.and_then(|(above, real)| Some(real.join(path.strip_prefix(above).ok()?))) {
        // Joining an empty rest would add a slash.
        Some(real) if real.file_name() == path.file_name() => real.components().collect(),
        _ => path.to_owned(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::of;
    use nix::fcntl::{Flock, FlockArg};
    use std::fs::File;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_that_has_only_just_begun_is_not_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock =
            Flock::lock(File::create(&path).unwrap(), FlockArg::LockExclusive).map_err(|(_, errno)| errno);
        let lock = lock.unwrap();
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(lock.try_clone().unwrap()).spawn().unwrap();
        assert_eq!(of(&path), None, "we hold it");
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
