//! What transfers make in the folder of a session, and leave there when they are killed. It is not one of the user's files:
//! it is neither listed nor downloaded with a folder, it is not counted, and it does not stay for ever. The names are those of
//! `bai_protocol::working_files`; anything else is left alone. No symbolic link is followed.

use bai_protocol::working_files::{FOLDER, is_of_transfer, is_unfinished};
use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::Duration;

/// How long an interrupted transfer can be continued.
const CONTINUED: Duration = Duration::from_secs(24 * 3600);

/// Whether an entry of a folder in the home folder `home` belongs to a transfer.
pub(super) fn is_ours(entry: &DirEntry, home: &Path) -> bool {
    let Ok(kind) = entry.file_type() else { return false };
    let name = entry.file_name();
    let Some(name) = name.to_str() else { return false };
    if kind.is_file() {
        return is_unfinished(name);
    }
    let path = entry.path();
    kind.is_dir() && name == FOLDER && path.parent() == Some(home) && has_only_transfers(&path)
}

fn has_only_transfers(folder: &Path) -> bool {
    let is_known = |entry: std::io::Result<DirEntry>| {
        entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_of_transfer))
    };
    fs::read_dir(folder).is_ok_and(|mut entries| entries.all(is_known))
}

/// Removes the parts of transfers that nobody has continued for long.
pub(super) fn remove_old(home: &Path) {
    let folder = home.join(FOLDER);
    // The folder itself must not be a link.
    if !fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir()) {
        return;
    }
    let mut removed = false;
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let is_known = entry.file_name().to_str().is_some_and(is_of_transfer);
        let modified = entry.metadata().and_then(|found| found.modified()).ok();
        let is_old = modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > CONTINUED);
        if is_known && is_old {
            // What cannot be removed stays.
            let gone = match entry.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
                _ => fs::remove_file(entry.path()),
            };
            removed |= gone.is_ok();
        }
    }
    if removed {
        // This fails while something is in it.
        let _ = fs::remove_dir(folder);
    }
}

/// Removes what transfers have left in the home folder of a session without programs: nobody writes to its unfinished files any
/// more. Parts stay as long as their transfer can be continued.
pub(super) fn remove_abandoned(home: &Path) {
    remove_old(home);
    let mut waiting = vec![home.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() && is_ours(&entry, home) {
                // What cannot be removed stays.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::SystemTime;

    #[test]
    fn only_what_transfers_made_is_removed_and_parts_can_be_continued_for_a_day() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let unfinished = bai_protocol::working_files::unfinished(&"a1".repeat(16));
        let parts = |digit: &str| format!("{FOLDER}/up-{}", digit.repeat(16));
        for folder in [parts("1"), parts("2"), "sub".to_owned()] {
            fs::create_dir_all(path(&folder)).unwrap();
        }
        for file in [&format!("sub/{unfinished}"), &unfinished, ".bai-repl-mine.part", "mine"] {
            fs::write(path(file), "x").unwrap();
        }
        let long_ago = SystemTime::now() - CONTINUED * 2;
        File::open(path(&parts("1"))).unwrap().set_modified(long_ago).unwrap();
        let ours = |folder: &Path| {
            let all = fs::read_dir(folder).unwrap().flatten();
            let mut ours: Vec<_> =
                all.filter(|entry| is_ours(entry, home.path())).map(|entry| entry.file_name()).collect();
            ours.sort();
            ours
        };
        assert_eq!(ours(home.path()), [FOLDER, &unfinished]);
        assert_eq!(ours(&path("sub")), [unfinished.as_str()]);
        remove_abandoned(home.path());
        assert!(!path(&parts("1")).exists() && path(&parts("2")).exists());
        assert!(path("mine").exists() && path(".bai-repl-mine.part").exists());
        assert!(!path(&unfinished).exists() && fs::read_dir(path("sub")).unwrap().count() == 0);
        fs::write(path(FOLDER).join("mine"), "").unwrap();
        assert!(ours(home.path()).is_empty(), "a file of the user is in it");
        fs::remove_dir_all(path(FOLDER)).unwrap();
        std::os::unix::fs::symlink(path("sub"), path(FOLDER)).unwrap();
        fs::create_dir(path("sub").join("up-1111111111111111")).unwrap();
        File::open(path("sub/up-1111111111111111")).unwrap().set_modified(long_ago).unwrap();
        remove_abandoned(home.path());
        assert!(path("sub/up-1111111111111111").exists(), "a link is not followed");
    }
}
