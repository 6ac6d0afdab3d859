//! Which files of this machine are trusted. A file that decides where code and keys go, or what a terminal shows, is
//! trusted only if no other user can have written it. A file with secrets must not be readable for others either.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Why a file is not trusted. The order is that of the danger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// It belongs to another user.
    Owner,
    /// Other users may write it.
    Writable,
    /// Other users may read it.
    Readable,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Distrust::Owner => "it belongs to another user",
            Distrust::Writable => "other users can write it",
            Distrust::Readable => "other users can read it",
        })
    }
}

impl std::error::Error for Distrust {}

impl From<Distrust> for io::Error {
    fn from(distrust: Distrust) -> Self {
        io::Error::new(io::ErrorKind::PermissionDenied, distrust)
    }
}

/// Checks a file of this user. `None` if it is closed to other users.
pub fn check(metadata: &Metadata) -> Option<Distrust> {
    match metadata.mode() {
        _ if !crate::is_own_user(metadata.uid()) => Some(Distrust::Owner),
        mode if mode & 0o022 != 0 => Some(Distrust::Writable),
        mode if mode & 0o077 != 0 => Some(Distrust::Readable),
        _ => None,
    }
}

/// Checks whether another user can have written a file. The administrator counts as trusted.
pub fn check_writer(metadata: &Metadata) -> Option<Distrust> {
    match check(metadata) {
        Some(Distrust::Owner) if metadata.uid() == 0 => {
            (metadata.mode() & 0o022 != 0).then_some(Distrust::Writable)
        }
        Some(Distrust::Readable) | None => None,
        other => other,
    }
}

/// Opens a regular file. Opening a pipe would wait for its other end, so pipes are refused, as are folders and devices.
///
/// # Errors
/// Errors of the file system.
pub fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options.custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a regular file"))
    }
}
