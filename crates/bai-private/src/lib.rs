//! What belongs to one user alone. This crate holds the one rule of how files and folders are made: closed to other
//! users, whatever the umask, and removed. It also holds the one rule of which files are trusted, in [`trust`], and tells
//! whose a TCP socket is, in [`tcp`].
//!
//! Names and places do not belong here, apart from those of temporary folders: callers know where their files are. Folders that the user names, such as the
//! target of a download, follow the umask and are not made here.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]
#![deny(unsafe_code)]
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

mod folder;
pub mod removal;
pub mod tcp;
mod temporary;
pub mod trust;

pub use folder::{UnsafeFolder, create_folder};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use tempfile::NamedTempFile;
pub use temporary::{TemporaryFolder, remove_abandoned};

const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
const STICKY: u32 = 0o1000;

/// Whether this is the id of the user as whom this process acts.
pub fn is_own_user(uid: u32) -> bool {
    uid == nix::unistd::geteuid().as_raw()
}

/// Replaces a file atomically by one that only its owner may access. Makes its folder with [`create_folder`].
///
/// # Errors
/// Errors of the file system.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = new_beside(path, content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// As [`replace_file`], for content that can be made again: it does not wait for the disk.
///
/// # Errors
/// Errors of the file system.
pub fn replace_cache(path: &Path, content: &[u8]) -> io::Result<()> {
    new_beside(path, content)?.persist(path)?;
    Ok(())
}

fn new_beside(path: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let folder = path.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    create_folder(folder)?;
    // `tempfile` creates it with mode 0600.
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    Ok(file)
}

/// Opens a file to append to it and to read it, and closes it to other users. Makes a missing file, and its folder with
/// [`create_folder`].
///
/// # Errors
/// Errors of the file system; [`trust::Distrust::Owner`] as an error when the file belongs to another user.
pub fn append_to_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    open_and_close_to_others(path, OpenOptions::new().read(true).append(true).create(true))
}

/// Opens a file of our own, and closes it to other users.
///
/// # Errors
/// As [`append_to_file`]; also when the file is missing or is not a regular file.
pub fn open_file(path: &Path) -> io::Result<File> {
    open_and_close_to_others(path, OpenOptions::new().read(true))
}

fn open_and_close_to_others(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = trust::open_regular(path, options.mode(FILE))?;
    match trust::check(&file.metadata()?) {
        Some(distrust @ trust::Distrust::Owner) => Err(distrust.into()),
        Some(_) => {
            file.set_permissions(Permissions::from_mode(FILE))?;
            Ok(file)
        }
        None => Ok(file),
    }
}

#[cfg(test)]
mod tests;
