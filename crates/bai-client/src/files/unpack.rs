//! Unpacking of a server's archives, which may be hostile: no file is written outside of the target folder, whatever
//! names the entries have and whatever links exist there.
//!
//! Every step is made relative to an open folder and refuses symbolic links, so that a link that appears in between is
//! harmless too.

use super::leftovers;
use super::outcome::Skipped;
use super::plan::PlannedFolder;
use super::refused::{LINK_LEFT_OUT, SPECIAL_LEFT_OUT};
use bai_protocol::byte_text;
use bai_protocol::machine_limit::explain;
use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The largest number of entries in one archive.
const ENTRIES: usize = 100_000;
/// The largest number of bytes that one call may write. Servers send less; only an archive
/// with sparse files, which are large after unpacking, reaches it.
const BYTES: u64 = 256 * 1024 * 1024;
/// The largest number of folders in a name.
const DEPTH: usize = 64;

/// The rights to a folder that the umask may narrow.
const FOLDER_MODE: u32 = 0o777;

/// The file that is in the way, inside of an `io::Error`.
#[derive(Debug, thiserror::Error)]
#[error("{shown} already exists")]
pub(super) struct InTheWay {
    /// Its path, relative to the target folder.
    shown: String,
    /// Its whole path.
    pub(super) path: PathBuf,
}

impl InTheWay {
    /// The error for a file below the folder `into`.
    pub(super) fn error(into: &Path, shown: &Path) -> io::Error {
        let found = InTheWay { shown: shown.display().to_string(), path: into.join(shown) };
        io::Error::new(io::ErrorKind::AlreadyExists, found)
    }
}

/// The target and the options of unpacking.
pub(super) struct Unpacking {
    pub(super) into: PathBuf,
    /// Folders below that one, which are made.
    pub(super) below: Vec<String>,
    /// The requested names: the first part of an entry's name must be one of these. An empty one allows all.
    pub(super) wanted: Vec<String>,
    pub(super) overwrite: bool,
}

/// The result of unpacking.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    /// Each with its size in bytes.
    pub(super) files: Vec<(PathBuf, u64)>,
    bytes: u64,
    pub(super) skipped: Vec<Skipped>,
}

impl Unpacking {
    /// Unpacks uncompressed tar archives.
    pub(super) fn run(&self, archives: &[Bytes]) -> io::Result<Unpacked> {
        std::fs::create_dir_all(&self.into)?;
        let root = OwnedFd::from(File::open(&self.into)?);
        let root = folder_below(&root, &self.below)?;
        let here: PathBuf = self.below.iter().map(|part| byte_text::path(part)).collect();
        leftovers::remove_files(&root, &self.into.join(here));
        let mut unpacked = Unpacked::default();
        for archive in archives {
            self.archive(&root, archive, &mut unpacked)?;
        }
        Ok(unpacked)
    }

    fn archive(&self, root: &OwnedFd, archive: &[u8], unpacked: &mut Unpacked) -> io::Result<()> {
        let mut archive = tar::Archive::new(archive);
        for (index, entry) in archive.entries()?.enumerate() {
            if index >= ENTRIES {
                return Err(io::Error::other("the archive has too many entries"));
            }
            let mut entry = entry?;
            let name = entry.path_bytes().into_owned();
            match self.judge(&name, entry.header().entry_type()) {
                Ok(parts) => self.write(root, &parts, &mut entry, unpacked)?,
                Err(why) => {
                    let name = byte_text::text(&name);
                    let name = self.below.iter().cloned().chain([name]).collect::<Vec<_>>().join("/");
                    unpacked.skipped.push(Skipped::new(&name, why));
                }
            }
        }
        Ok(())
    }

    /// The parts of a name, or why the entry is left out.
    fn judge<'n>(&self, name: &'n [u8], kind: tar::EntryType) -> Result<Vec<&'n OsStr>, &'static str> {
        match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::Directory => {}
            tar::EntryType::Symlink => return Err(LINK_LEFT_OUT),
            tar::EntryType::Link => return Err("it is a link"),
            _ => return Err(SPECIAL_LEFT_OUT),
        }
        if name.starts_with(b"/") {
            return Err("its name is absolute");
        }
        let parts = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
        let parts: Vec<_> = parts.map(OsStr::from_bytes).collect();
        let Some(first) = parts.first() else {
            return if kind.is_dir() { Ok(parts) } else { Err("it has no name") };
        };
        if parts.contains(&OsStr::new("..")) {
            return Err("its name leaves the folder");
        }
        if name.contains(&0) || parts.len() > DEPTH || parts.iter().any(|part| part.len() > 255) {
            return Err("its name is impossible");
        }
        let is_wanted = |wanted: &String| wanted.is_empty() || byte_text::path(wanted).as_os_str() == *first;
        if !self.wanted.iter().any(is_wanted) {
            return Err("it was not asked for");
        }
        Ok(parts)
    }

    fn write(
        &self,
        root: &OwnedFd,
        parts: &[&OsStr],
        entry: &mut tar::Entry<'_, &[u8]>,
        unpacked: &mut Unpacked,
    ) -> io::Result<()> {
        let below = self.below.iter().map(|part| byte_text::path(part));
        let shown: PathBuf = below.chain(parts.iter().map(PathBuf::from)).collect();
        let about = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => InTheWay::error(&self.into, &shown),
            kind => io::Error::new(kind, format!("{}: {}", byte_text::shown_path(&shown), explain(&error))),
        };
        if entry.header().entry_type().is_dir() {
            let mode = entry.header().mode().unwrap_or(FOLDER_MODE);
            return folder(root, parts, mode).map(drop).map_err(about);
        }
        let Some((name, folders)) = parts.split_last() else { return Ok(()) };
        let folder = folder(root, folders, FOLDER_MODE).map_err(about)?;
        let left = BYTES.saturating_sub(unpacked.bytes);
        // Under another name first, so that a file is complete or missing, even if this program is killed.
        let temporary = format!("{}{}", leftovers::PREFIX, uuid::Uuid::new_v4().simple());
        let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
        let kept = if self.overwrite { kept_mode(&folder, name, mode) } else { None };
        let bytes = create(&folder, &temporary, entry, kept.unwrap_or(mode), left).and_then(|bytes| {
            if let Some(kept) = kept {
                // The umask does not count for the rights of a file that is there.
                fchmodat(
                    &folder,
                    temporary.as_str(),
                    Mode::from_bits_truncate(kept),
                    FchmodatFlags::FollowSymlink,
                )?;
            }
            let named = if self.overwrite {
                // An existing link is replaced instead of followed.
                renameat(&folder, temporary.as_str(), &folder, *name)
            } else {
                name_anew(&folder, &temporary, name)
            };
            named.map(|()| bytes).map_err(|error| {
                let _ = unlinkat(&folder, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
                io::Error::from(error)
            })
        });
        let bytes = bytes.map_err(about)?;
        unpacked.bytes += bytes;
        unpacked.files.push((shown, bytes));
        Ok(())
    }
}

/// Makes folders below `into`, which is made too.
pub(super) fn make_folders(into: &Path, folders: &[PlannedFolder]) -> io::Result<()> {
    std::fs::create_dir_all(into)?;
    let root = OwnedFd::from(File::open(into)?);
    for PlannedFolder { parts, mode } in folders {
        folder_of(&root, parts, *mode).map_err(|error| {
            let shown: PathBuf = parts.iter().map(|part| byte_text::path(part)).collect();
            io::Error::new(error.kind(), format!("{}: {}", byte_text::shown_path(&shown), explain(&error)))
        })?;
    }
    Ok(())
}

/// As [`folder`], for names as [`byte_text`] writes them.
pub(super) fn folder_below(root: &OwnedFd, parts: &[String]) -> io::Result<OwnedFd> {
    folder_of(root, parts, FOLDER_MODE)
}

fn folder_of(root: &OwnedFd, parts: &[String], mode: u32) -> io::Result<OwnedFd> {
    let parts: Vec<PathBuf> = parts.iter().map(|part| byte_text::path(part)).collect();
    folder(root, &parts.iter().map(|part| part.as_os_str()).collect::<Vec<_>>(), mode)
}

/// Opens a folder below `root`, and makes missing folders. A symbolic link on the way is an error. `mode` has the rights of other
/// users to the last one, if it is made; its owner may write to it.
fn folder(root: &OwnedFd, parts: &[&OsStr], mode: u32) -> io::Result<OwnedFd> {
    let mut at = root.try_clone()?;
    for (index, part) in parts.iter().enumerate() {
        let mode = if index + 1 == parts.len() { mode & 0o777 | 0o700 } else { FOLDER_MODE };
        match mkdirat(&at, *part, Mode::from_bits_truncate(mode)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        at = openat(&at, *part, flags, Mode::empty()).map_err(|error| match error {
            Errno::ELOOP | Errno::ENOTDIR => {
                io::Error::other("a link or a file has that name, so no folder can be made there")
            }
            other => other.into(),
        })?;
    }
    Ok(at)
}

/// The permissions of a file that may replace the one of this name: those of that one stay, but who may read it may execute it only
/// if the new one may be executed. `None` if no file is there.
pub(super) fn kept_mode(folder: &OwnedFd, name: &OsStr, mode: u32) -> Option<u32> {
    let there = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    if there.st_mode & 0o170_000 != 0o100_000 {
        return None;
    }
    let execute = if mode & 0o111 == 0 { 0 } else { (there.st_mode & 0o444) >> 2 };
    Some(there.st_mode & 0o666 | execute)
}

/// Gives a file its name if that name is free.
pub(super) fn name_anew(folder: &OwnedFd, temporary: &str, name: &OsStr) -> Result<(), Errno> {
    match linkat(folder, temporary, folder, name, AtFlags::empty()) {
        Ok(()) => unlinkat(folder, temporary, UnlinkatFlags::NoRemoveDir),
        // A file system without hard links: look first, then rename.
        Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::EMLINK) => {
            match fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EEXIST),
                Err(Errno::ENOENT) => renameat(folder, temporary, folder, name),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Makes a new file with the entry's content, complete or not at all.
fn create(
    folder: &OwnedFd,
    name: &str,
    entry: &mut tar::Entry<'_, &[u8]>,
    mode: u32,
    left: u64,
) -> io::Result<u64> {
    let size = entry.size();
    if size > left {
        return Err(io::Error::other("the archive unpacks to too much"));
    }
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(folder, name, flags, Mode::from_bits_truncate(mode))?);
    // It is no leftover. A file system without locks is not cleaned.
    let _ = file.try_lock();
    let copied = io::copy(&mut entry.take(left), &mut file);
    let whole = copied.and_then(|copied| {
        if copied == size { Ok(copied) } else { Err(io::Error::other("the archive ends in the middle")) }
    });
    if whole.is_err() {
        // The first error is the one to report.
        let _ = unlinkat(folder, Path::new(name), UnlinkatFlags::NoRemoveDir);
    }
    whole
}

#[cfg(test)]
mod tests;
