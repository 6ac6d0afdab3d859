//! Removal of a folder with everything in it. Programs leave folders that even their owner must not write to; the owner may change that. No
//! symbolic link is followed.

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstatat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Removes a folder and everything in it. A missing one is removed already.
///
/// # Errors
/// Errors of the file system.
pub fn remove(folder: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            unlock_all(folder);
            fs::remove_dir_all(folder)
        }
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => match hindrance(folder) {
            Some(why) => Err(io::Error::new(error.kind(), why)),
            None => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

/// The folder that cannot be emptied, because it belongs to another user, in a sentence.
pub fn hindrance(folder: &Path) -> Option<String> {
    let user = nix::unistd::geteuid();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let entries = fs::read_dir(&path).map(|entries| entries.flatten().collect::<Vec<_>>());
        let is_empty = entries.as_ref().is_ok_and(Vec::is_empty);
        if meta.uid() != user.as_raw() && !user.is_root() && !is_empty {
            return Some(format!("{} belongs to another user", path.display()));
        }
        let folders = entries.into_iter().flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        waiting.extend(folders.map(|entry| entry.path()));
    }
    None
}

/// Lets the owner of these folders read, write and enter them, as far as that is allowed. What fails is found by the removal.
fn unlock_all(folder: &Path) {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return };
    if let Ok(parent) = File::open(parent) {
        unlock(&parent.into(), name);
    }
}

fn unlock(parent: &OwnedFd, name: &OsStr) {
    let is_folder = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .is_ok_and(|found| SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR);
    if !is_folder {
        return;
    }
    // This refuses a link that has taken the place meanwhile.
    let _ = fchmodat(parent.as_fd(), name, Mode::S_IRWXU, FchmodatFlags::NoFollowSymlink);
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let Ok(folder) = openat(parent, name, flags, Mode::empty()) else { return };
    let Ok(mut entries) = folder.try_clone().map_err(|_| Errno::EIO).and_then(nix::dir::Dir::from_fd) else {
        return;
    };
    for entry in entries.iter().flatten() {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            unlock(&folder, name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn closed_folders_are_opened_and_links_are_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let (folder, other) = (parent.path().join("folder"), parent.path().join("other"));
        fs::create_dir_all(folder.join("deep/er")).unwrap();
        fs::create_dir(&other).unwrap();
        symlink(&other, folder.join("deep/link")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (path, mode) in [(&other, 0o500), (&folder.join("deep/er"), 0), (&folder.join("deep"), 0o500)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        unlock_all(&folder);
        assert_eq!((mode(&folder.join("deep")), mode(&folder.join("deep/er"))), (0o700, 0o700));
        assert_eq!(mode(&other), 0o500);
        remove(&folder).unwrap();
        assert!(!folder.exists() && other.exists());
        remove(&folder).unwrap();
    }
}
