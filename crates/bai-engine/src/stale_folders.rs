//! Folders of sessions whose engine was killed. The next engine that locks the folder above them finds and removes
//! them. It touches no other files, and it follows no symbolic links.

use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A lock on a folder of sessions. It ends with the process, however the process ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    #[allow(dead_code, reason = "released when it is dropped")]
    folder: Flock<File>,
    /// Folders of sessions from before the lock.
    pub(super) stale: Vec<PathBuf>,
}

/// Locks the folder `root`, and makes it if it is missing. `None` when another engine holds the lock.
///
/// # Errors
/// When the folder cannot be made or read, is a symbolic link, or belongs to another user.
pub(super) fn lock(root: &Path) -> io::Result<Option<FolderLock>> {
    bai_private::create_folder(root)?;
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let folder = OpenOptions::new().read(true).custom_flags(flags.bits()).open(root)?;
    if folder.metadata()?.uid() != nix::unistd::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    let Ok(folder) = Flock::lock(folder, FlockArg::LockExclusiveNonblock) else { return Ok(None) };
    let mut stale = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        // This is the type of the entry itself, not of a link's target.
        if entry.file_type()?.is_dir() && is_session(&entry.file_name().to_string_lossy()) {
            stale.push(entry.path());
        }
    }
    Ok(Some(FolderLock { folder, stale }))
}

/// Whether this can be the name of a session's folder.
fn is_session(name: &str) -> bool {
    uuid::Uuid::parse_str(name).is_ok_and(|id| id.hyphenated().to_string() == name)
}

/// Removes folders and their contents. Links are removed and not followed.
pub(super) fn remove(folders: &[PathBuf]) {
    for folder in folders {
        if let Err(error) = fs::remove_dir_all(folder) {
            tracing::warn!(folder = %folder.display(), %error, "a folder that a session left behind stays");
        }
    }
    if !folders.is_empty() {
        tracing::info!("{} folders of sessions that are gone were removed", folders.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_session_folders_are_stale_and_links_are_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("state/sessions");
        assert!(lock(&root).unwrap().unwrap().stale.is_empty());
        let elsewhere = parent.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("precious"), "").unwrap();
        let id = || uuid::Uuid::new_v4().to_string();
        let old = root.join(id());
        fs::create_dir_all(old.join("deep")).unwrap();
        symlink(&elsewhere, old.join("deep/link")).unwrap();
        symlink(&elsewhere, root.join(id())).unwrap();
        fs::create_dir(root.join("notes")).unwrap();
        fs::write(root.join(id()), "a file").unwrap();
        let lock = lock(&root).unwrap().unwrap();
        assert_eq!(lock.stale, [old]);
        remove(&lock.stale);
        assert_eq!(fs::read_dir(&root).unwrap().count(), 3);
        assert!(elsewhere.join("precious").exists());
    }

    #[test]
    fn folders_of_another_engine_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let first = lock(root.path()).unwrap().unwrap();
        assert!(lock(root.path()).unwrap().is_none());
        drop(first);
        assert!(lock(root.path()).unwrap().is_some());
    }

    #[test]
    fn a_link_is_not_a_folder_of_sessions() {
        let parent = tempfile::tempdir().unwrap();
        let real = parent.path().join("real");
        fs::create_dir(&real).unwrap();
        symlink(&real, parent.path().join("sessions")).unwrap();
        assert!(lock(&parent.path().join("sessions")).is_err());
    }
}
