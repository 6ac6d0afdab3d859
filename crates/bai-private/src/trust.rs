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
    /// All users may put another file in its place.
    Folder,
    /// It is a symbolic link that another user has made.
    Link,
    /// Other users may read it.
    Readable,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Distrust::Owner => "it belongs to another user",
            Distrust::Writable => "other users can write it",
            Distrust::Folder => "other users can write its folder",
            Distrust::Link => "it is a symbolic link of another user",
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

/// Checks whether another user can have written the open file at `path`, or put it there. The administrator counts as trusted.
pub fn check_writer(path: &Path, metadata: &Metadata) -> Option<Distrust> {
    let of_file = match check(metadata) {
        Some(Distrust::Owner) if metadata.uid() == 0 => {
            (metadata.mode() & 0o022 != 0).then_some(Distrust::Writable)
        }
        Some(Distrust::Readable) | None => None,
        other => other,
    };
    of_file.or_else(|| check_folder(path))
}

/// Checks the folder of a file. Where all users may write, only a sticky folder such as `/tmp` keeps them from replacing the
/// files of others; they could lead the path to another file of this user. Many systems give each user a group
/// of the same name, so a folder that its group may write is common and counts as closed.
fn check_folder(path: &Path) -> Option<Distrust> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder that is gone again holds no file for the next reader.
    let mode = std::fs::metadata(folder).ok()?.mode();
    is_open_to_all(mode).then_some(Distrust::Folder)
}

/// Whether all users may replace what is in a folder of this mode.
pub(crate) fn is_open_to_all(mode: u32) -> bool {
    mode & 0o002 != 0 && mode & crate::STICKY == 0
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
