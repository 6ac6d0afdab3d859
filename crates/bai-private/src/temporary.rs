//! Folders in the temporary folder of the system, and what is left of them when their owner was killed.
//!
//! A folder is locked as long as its owner lives. The system drops the lock with the process, however that ends. So a
//! folder whose lock is free has no owner, and whoever comes next removes it. Only folders with our ending are
//! considered: others were made by something that takes no lock.

use crate::{FOLDER, removal, trust};
use nix::fcntl::{Flock, FlockArg, OFlag};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

const BEGINNING: &str = "bai-repl-";
const ENDING: &str = ".locked";
/// Where sockets go if the path of the temporary folder is too long for them.
const SHORT_PARENT: &str = "/tmp";

/// A folder that only its owner may enter. It is removed with everything in it when this is dropped, or else when the next
/// process calls [`remove_abandoned`].
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
    /// `None` where the file system has no locks. There, nobody can lock the folder and remove it either.
    _lock: Option<Flock<File>>,
}

impl TemporaryFolder {
    /// Makes a folder in the temporary folder of the system.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn new() -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    /// Makes a folder whose path is short enough for that of a Unix socket.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn with_short_path() -> io::Result<Self> {
        Self::new_in(Path::new(SHORT_PARENT))
    }

    /// Makes a folder in another folder.
    ///
    /// # Errors
    /// Errors of the file system.
    pub fn new_in(parent: &Path) -> io::Result<Self> {
        loop {
            let mode = Permissions::from_mode(FOLDER);
            let named = tempfile::Builder::new()
                .prefix(BEGINNING)
                .suffix(ENDING)
                .permissions(mode)
                .tempdir_in(parent)?;
            match lock_new(named.path()) {
                Ok(lock) => return Ok(TemporaryFolder { path: named.keep(), _lock: lock }),
                // Until it was locked, it was like an abandoned one, and another process has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = removal::remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a temporary folder stays");
        }
    }
}

/// Locks a folder that was just made. Waits for a process that is about to remove it.
fn lock_new(path: &Path) -> io::Result<Option<Flock<File>>> {
    // The umask may have taken a right of the owner.
    fs::set_permissions(path, Permissions::from_mode(FOLDER))?;
    let lock = match Flock::lock(open(path)?, FlockArg::LockExclusive) {
        Ok(lock) => lock,
        Err((_, errno)) => {
            tracing::debug!(path = %path.display(), %errno, "folders cannot be locked here");
            return Ok(None);
        }
    };
    if is_at(&lock, path) { Ok(Some(lock)) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Removes what killed processes of this user have left in the temporary folders of the system, once in each process and
/// in the background. An error only means that a folder stays.
pub fn remove_abandoned() {
    static ONCE: Once = Once::new();
    let remove = || {
        let parents = std::collections::BTreeSet::from([std::env::temp_dir(), SHORT_PARENT.into()]);
        for parent in parents {
            remove_abandoned_in(&parent);
        }
    };
    // A thread of its own does not hold up the end of the process.
    ONCE.call_once(|| drop(std::thread::Builder::new().spawn(remove)));
}

fn remove_abandoned_in(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // This is the type of the entry itself, not of a link's target.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && name.starts_with(BEGINNING) && name.ends_with(ENDING) {
            remove_if_abandoned(&entry.path());
        }
    }
}

fn remove_if_abandoned(path: &Path) {
    let Ok(folder) = open(path) else { return };
    if !folder.metadata().is_ok_and(|metadata| trust::check(&metadata).is_none()) {
        return;
    }
    let Ok(lock) = Flock::lock(folder, FlockArg::LockExclusiveNonblock) else { return };
    // The owner has perhaps just ended and removed it, and another has the name now.
    if is_at(&lock, path) {
        let removed = removal::remove(path);
        tracing::debug!(path = %path.display(), ?removed, "a process was killed and has left a folder behind");
    }
}

/// Whether this is a folder as [`TemporaryFolder`] makes it, of this user.
pub(crate) fn is_temporary(path: &Path, metadata: &fs::Metadata) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_named = name.starts_with(BEGINNING) && name.ends_with(ENDING);
    is_named && metadata.is_dir() && trust::check(metadata).is_none()
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Whether this open folder still has its name.
fn is_at(folder: &File, path: &Path) -> bool {
    let identity = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino());
    match (folder.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => identity(&ours) == identity(&there),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(parent: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(parent)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A folder as a killed process leaves it.
    fn abandon(parent: &Path) -> PathBuf {
        let folder = TemporaryFolder::new_in(parent).unwrap();
        let path = folder.path().to_owned();
        let mut folder = std::mem::ManuallyDrop::new(folder);
        drop(folder._lock.take());
        path
    }

    #[test]
    fn only_folders_without_an_owner_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("precious"), "").unwrap();
        let owned = TemporaryFolder::new_in(parent.path()).unwrap();
        fs::write(owned.path().join("file"), "").unwrap();
        let dead = abandon(parent.path());
        fs::create_dir_all(dead.join("closed/deep")).unwrap();
        symlink(elsewhere.path(), dead.join("closed/link")).unwrap();
        fs::set_permissions(dead.join("closed"), Permissions::from_mode(0o500)).unwrap();
        // A link, a folder that is open to others, a file, and folders of others or of older versions.
        symlink(elsewhere.path(), parent.path().join("bai-repl-link.locked")).unwrap();
        let open = abandon(parent.path());
        fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        fs::write(parent.path().join("bai-repl-file.locked"), "").unwrap();
        fs::create_dir(parent.path().join("bai-repl-Ab3dEf")).unwrap();
        fs::create_dir(parent.path().join("other.locked")).unwrap();
        let mut before = names(parent.path());
        remove_abandoned_in(parent.path());
        before.retain(|name| parent.path().join(name) != dead);
        assert_eq!(names(parent.path()), before);
        assert!(owned.path().join("file").exists() && elsewhere.path().join("precious").exists());
        let path = owned.path().to_owned();
        drop(owned);
        assert!(!path.exists());
    }

    #[test]
    fn a_new_folder_is_never_taken_for_an_abandoned_one() {
        let parent = tempfile::tempdir().unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        remove_abandoned_in(parent.path());
                    }
                });
            }
            for _ in 0..300 {
                let folder = TemporaryFolder::new_in(parent.path()).unwrap();
                fs::write(folder.path().join("file"), "x").unwrap();
                assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"x");
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(names(parent.path()).is_empty());
    }
}
