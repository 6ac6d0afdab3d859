//! A large file while it arrives, piece by piece: beside its target, under a name of our own, until it is complete. Every
//! step is relative to an open folder, and follows no symbolic link.
//!
//! A lock on the file keeps two downloads from writing to it. A call that is cut may still have one step on another
//! thread, which keeps the lock until its end. So each step is short.

use super::large_up::blocking;
use super::leftovers;
use super::outcome::can_go_on;
use super::unpack::{InTheWay, folder_below, kept_mode, name_anew};
use crate::error::ClientError;
use bai_protocol::byte_text;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use sha2::{Digest, Sha256};
use std::fs::{File, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// How often one step of the check reads from the file, 256 KiB at most each time.
const READS_AT_ONCE: usize = 128;

/// The target of a download.
#[derive(Debug, Clone)]
pub(crate) struct DownloadTarget {
    /// The folder on this machine. It is made if it is missing.
    pub(crate) into: PathBuf,
    /// Folders below that one.
    pub(crate) below: Vec<String>,
    /// The file's name.
    pub(crate) name: String,
    /// What tells the state of the file from others, in the session.
    pub(crate) id: String,
    /// Whether an existing file may be replaced.
    pub(crate) overwrite: bool,
    /// The permissions of a new file.
    pub(crate) mode: u32,
}

impl DownloadTarget {
    /// The path of the file, relative to the target folder.
    pub(crate) fn shown(&self) -> PathBuf {
        self.below.iter().chain([&self.name]).map(|part| byte_text::path(part)).collect()
    }
}

/// An incomplete file.
pub(crate) struct PartialDownload {
    folder: OwnedFd,
    /// Locked until it is closed.
    file: File,
    have: u64,
    target: DownloadTarget,
    partial: String,
    sum: Sha256,
    /// Whether the file stays for the next call when this is dropped.
    stays: bool,
}

impl PartialDownload {
    /// Opens the incomplete file, with the bytes of an earlier attempt. `None` if another download has it open.
    pub(crate) fn open(target: &DownloadTarget) -> io::Result<Option<PartialDownload>> {
        let DownloadTarget { into, below, name, id, overwrite, mode } = target;
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(io::Error::other("its name is impossible"));
        }
        std::fs::create_dir_all(into)?;
        let root = OwnedFd::from(File::open(into)?);
        let folder = folder_below(&root, below)?;
        if !overwrite && fstatat(&folder, &byte_text::path(name), AtFlags::AT_SYMLINK_NOFOLLOW).is_ok() {
            return Err(InTheWay::error(into, &target.shown()));
        }
        let partial = format!("{}{id}{}", leftovers::PREFIX, leftovers::PART);
        let flags = OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        // Never open to more users than the complete file.
        let kept =
            if *overwrite { kept_mode(&folder, byte_text::path(name).as_os_str(), *mode) } else { None };
        let mode = Mode::from_bits_truncate(mode & kept.unwrap_or(0o777) | 0o600);
        let file = File::from(openat(&folder, partial.as_str(), flags, mode)?);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => tracing::debug!(%error, "the file system has no locks"),
        }
        let metadata = file.metadata()?;
        let named = fstatat(&folder, partial.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        if named.is_ok_and(|named| named.st_ino != metadata.ino()) || named.is_err() {
            // Another download has completed or removed it between our opening and our lock.
            return Ok(None);
        }
        let place = into.join(target.shown()).with_file_name("");
        leftovers::remove_files(&folder, &place);
        leftovers::remove_superseded(&folder, &place, &partial);
        let (target, have) = (target.clone(), metadata.len());
        Ok(Some(PartialDownload { folder, file, have, target, partial, sum: Sha256::new(), stays: true }))
    }

    /// The number of bytes that have arrived.
    pub(crate) fn have(&self) -> u64 {
        self.have
    }

    /// Changes the file on a thread for blocking work. After an error it does not stay.
    pub(crate) async fn writing<T: Send + 'static>(
        mut self,
        what: &str,
        work: impl FnOnce(&mut PartialDownload) -> io::Result<T> + Send + 'static,
    ) -> Result<(PartialDownload, T), ClientError> {
        let work = move || match work(&mut self) {
            Ok(done) => Ok((self, done)),
            Err(error) => {
                self.discard();
                Err(error)
            }
        };
        blocking(what, work).await
    }

    /// Removes everything after the first `bytes`.
    pub(crate) fn cut_to(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.have = self.file.seek(SeekFrom::Start(bytes))?;
        Ok(())
    }

    /// Adds the next bytes.
    pub(crate) fn append(&mut self, content: &[u8]) -> io::Result<()> {
        self.file.write_all(content)?;
        self.have += content.len() as u64;
        Ok(())
    }

    /// Goes back to the beginning of the file, to check it.
    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        self.sum = Sha256::new();
        self.file.rewind()
    }

    /// Reads on for the check. Returns the SHA-256 at the end of the file, and `None` before.
    pub(crate) fn check_on(&mut self) -> io::Result<Option<String>> {
        let mut buffer = vec![0; 1 << 18];
        for _ in 0..READS_AT_ONCE {
            let read = self.file.read(&mut buffer)?;
            match buffer.get(..read) {
                Some(piece) if !piece.is_empty() => self.sum.update(piece),
                _ => return Ok(Some(hex::encode(self.sum.finalize_reset()))),
            }
        }
        Ok(None)
    }

    /// Moves the file to its target.
    pub(crate) fn complete(mut self) -> io::Result<()> {
        let named = self.name();
        // A file that was refused does not stay beside the one that is in the way.
        self.stays = named.is_ok();
        named
    }

    fn name(&self) -> io::Result<()> {
        let (folder, partial, target) = (&self.folder, self.partial.as_str(), &self.target);
        let name = byte_text::path(&target.name);
        let kept = if target.overwrite { kept_mode(folder, name.as_os_str(), target.mode) } else { None };
        let own = self.file.metadata()?.permissions().mode() & 0o777;
        // It was opened with the rights of the source as far as the umask allows, and with those of its owner.
        let mode = kept.unwrap_or(own & target.mode);
        if mode != own {
            self.file.set_permissions(Permissions::from_mode(mode))?;
        }
        if target.overwrite {
            renameat(folder, partial, folder, &name)?;
        } else {
            // This fails if the name was taken meanwhile; a rename would replace that file.
            name_anew(folder, partial, name.as_os_str()).map_err(|error| match error {
                Errno::EEXIST => InTheWay::error(&target.into, &target.shown()),
                other => other.into(),
            })?;
        }
        Ok(())
    }

    /// The file does not stay when this is dropped.
    pub(crate) fn discard(&mut self) {
        self.stays = false;
    }

    /// Ends with this error. The file stays only if the next call can go on with it.
    pub(crate) fn after(mut self, error: ClientError) -> ClientError {
        self.stays = can_go_on(&error);
        error
    }
}

/// An empty file is of no use to the next call.
impl Drop for PartialDownload {
    fn drop(&mut self) {
        if !self.stays || self.have == 0 {
            // An error only means that it stays.
            let _ = unlinkat(&self.folder, self.partial.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SUM_OF_AB: &str = "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603";

    fn open(into: &Path, below: &[&str], id: &str, overwrite: bool) -> io::Result<Option<PartialDownload>> {
        let below = below.iter().map(|part| (*part).to_owned()).collect();
        let (into, name, id) = (into.to_owned(), "f".to_owned(), id.to_owned());
        PartialDownload::open(&DownloadTarget { into, below, name, id, overwrite, mode: 0o644 })
    }

    fn sum(partial: &mut PartialDownload) -> String {
        partial.rewind().unwrap();
        partial.check_on().unwrap().unwrap()
    }

    fn names(into: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            into.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_partial_file_is_resumed_and_renamed_when_it_is_complete() {
        let into = tempfile::tempdir().unwrap();
        open(into.path(), &[], "id", false).unwrap().unwrap().append(b"axx").unwrap();
        assert_eq!(names(into.path()), [".bai-repl-id.part"]);
        let mut again = open(into.path(), &[], "id", false).unwrap().unwrap();
        assert_eq!(again.have(), 3);
        again.cut_to(1).unwrap();
        again.append(b"b").unwrap();
        assert_eq!(sum(&mut again), SUM_OF_AB);
        again.complete().unwrap();
        assert_eq!(
            (names(into.path()), std::fs::read(into.path().join("f")).unwrap()),
            (vec!["f".into()], b"ab".to_vec())
        );
        assert!(open(into.path(), &[], "id", false).is_err());
    }

    #[test]
    fn a_partial_file_with_another_checksum_is_removed() {
        let into = tempfile::tempdir().unwrap();
        let mut partial = open(into.path(), &["sub"], "id", true).unwrap().unwrap();
        partial.append(b"ba").unwrap();
        assert_ne!(sum(&mut partial), SUM_OF_AB);
        partial.discard();
        drop(partial);
        assert!(names(&into.path().join("sub")).is_empty());
    }

    #[test]
    fn a_symbolic_link_is_replaced_and_never_followed() {
        let into = tempfile::tempdir().unwrap();
        let outside = into.path().join("outside");
        std::fs::write(&outside, "mine").unwrap();
        std::os::unix::fs::symlink(&outside, into.path().join(".bai-repl-id.part")).unwrap();
        assert!(open(into.path(), &[], "id", true).is_err());
        std::os::unix::fs::symlink(&outside, into.path().join("f")).unwrap();
        let mut partial = open(into.path(), &[], "other", true).unwrap().unwrap();
        partial.append(b"ab").unwrap();
        partial.complete().unwrap();
        assert_eq!(std::fs::read(&outside).unwrap(), b"mine");
        assert_eq!(std::fs::read(into.path().join("f")).unwrap(), b"ab");
    }

    #[test]
    fn a_partial_file_is_open_once() {
        let into = tempfile::tempdir().unwrap();
        let mut first = open(into.path(), &[], "id", false).unwrap().unwrap();
        first.append(b"a").unwrap();
        assert!(open(into.path(), &[], "id", false).unwrap().is_none());
        drop(first);
        assert!(open(into.path(), &[], "id", false).unwrap().is_some());
    }

    #[test]
    fn an_empty_file_does_not_stay_and_neither_does_one_of_another_state() {
        let into = tempfile::tempdir().unwrap();
        drop(open(into.path(), &[], "id", false).unwrap().unwrap());
        assert!(names(into.path()).is_empty());
        let (old, other, new) = ("aaaaaaaa00000000", "bbbbbbbb00000000", "aaaaaaaa11111111");
        for id in [old, other, new] {
            open(into.path(), &[], id, false).unwrap().unwrap().append(b"x").unwrap();
        }
        assert_eq!(names(into.path()), [new, other].map(|id| format!(".bai-repl-{id}.part")));
    }
}
