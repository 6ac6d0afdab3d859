//! What transfers leave that were killed, and not called again: files of our own names beside the targets on this machine, and
//! folders of parts in the session. The next transfer removes them.

use super::shell::{FOLDER, word};
use bai_protocol::working_files::unfinished;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// The beginning of the name of a file that is not complete.
pub(super) const PREFIX: &str = ".bai-repl-";
/// The end of the name of a file that the next call of the same download continues.
pub(super) const PART: &str = ".part";
/// A file that was just made may not be locked yet.
const JUST_MADE: Duration = Duration::from_secs(60);
/// After how many minutes nobody writes to an unfinished file in the session: its command may take less.
const ABANDONED: u32 = 60;
/// How long an interrupted download can be continued.
const CONTINUED: Duration = Duration::from_secs(24 * 3600);

/// Removes incomplete files from a folder of this machine, `path`, which is open as `folder`. A file that is locked is being
/// written.
pub(super) fn remove_files(folder: &OwnedFd, path: &Path) {
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(age) = name.to_str().and_then(least_age) else { continue };
        let Some(file) = open(folder, &name) else { continue };
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let is_old = modified.and_then(|time| time.elapsed().ok()).is_some_and(|passed| passed > age);
        if is_old && file.try_lock().is_ok() {
            // An error only means that it stays.
            let _ = unlinkat(folder, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Removes what is left of earlier downloads of the same file in another state. The names of all begin alike.
pub(super) fn remove_superseded(folder: &OwnedFd, path: &Path, partial: &str) {
    let id = partial.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(PART)).unwrap_or_default();
    let Some(of_file) = id.get(..8).filter(|_| id.len() == 16) else { return };
    let begins = format!("{PREFIX}{of_file}");
    let Ok(entries) = std::fs::read_dir(path) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_other =
            |name: &str| name != partial && name.starts_with(&begins) && least_age(name) == Some(CONTINUED);
        if name.to_str().is_some_and(is_other)
            && let Some(file) = open(folder, &name)
            && file.try_lock().is_ok()
        {
            // An error only means that it stays.
            let _ = unlinkat(folder, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn open(folder: &OwnedFd, name: &OsStr) -> Option<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    openat(folder, name, flags, Mode::empty()).map(File::from).ok()
}

/// How old a file of this name must be to be a leftover, if it is ours.
fn least_age(name: &str) -> Option<Duration> {
    let id = name.strip_prefix(PREFIX)?;
    let is_hex = |id: &str, length| id.len() == length && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    match id.strip_suffix(PART) {
        Some(id) => is_hex(id, 16).then_some(CONTINUED),
        None => is_hex(id, 32).then_some(JUST_MADE),
    }
}

/// The command that removes old folders of parts in the session.
pub(super) fn remove_parts() -> String {
    format!(
        "find {FOLDER} -mindepth 1 -maxdepth 1 \\( -name 'up-*' -o -name 'down-*' -o -name 'answer-*' \\) -mtime +0 \
         -exec rm -rf {{}} + 2>/dev/null; true"
    )
}

/// The command that removes files from a folder of the session that no command puts together any more. The folder is a word of the
/// shell.
pub(super) fn remove_unfinished(folder: &str) -> String {
    let name = unfinished(&"[0-9a-f]".repeat(32));
    format!(
        "find {folder}/. -mindepth 1 -maxdepth 1 -type f -name '{name}' -mmin +{ABANDONED} -exec rm -f {{}} + 2>/dev/null; true"
    )
}

/// The command that removes one folder of parts.
pub(super) fn forget(folder: &str) -> String {
    format!("rm -rf {}; rmdir {FOLDER} 2>/dev/null || true", word(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn only_old_files_of_killed_transfers_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let temporary = format!("{PREFIX}{}", "a1".repeat(16));
        let other = format!("{PREFIX}{}", "b2".repeat(16));
        let part = format!("{PREFIX}{}{PART}", "c3".repeat(8));
        let make = |name: &str, hours: u64| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
            file
        };
        let _old = [make(&temporary, 1), make("mine", 99), make(".bai-repl-mine", 99), make(&part, 1)];
        let written = make(&other, 1);
        written.lock().unwrap();
        let open = OwnedFd::from(File::open(folder.path()).unwrap());
        let names = || {
            remove_files(&open, folder.path());
            let all = std::fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> =
                all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), [other.as_str(), part.as_str(), ".bai-repl-mine", "mine"]);
        drop(make(&part, 48));
        drop(written);
        drop(make(&other, 0));
        assert_eq!(names(), [other.as_str(), ".bai-repl-mine", "mine"]);
    }
}
