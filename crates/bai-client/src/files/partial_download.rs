//! A large file while it arrives, piece by piece: beside its target, under a name of our own, until it is complete. Every
//! step is relative to an open folder, and follows no symbolic link.

use super::large_up::blocking;
use super::unpack::{folder, name_anew};
use crate::error::ClientError;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// An incomplete file.
pub(super) struct PartialDownload {
    folder: OwnedFd,
    file: File,
    have: u64,
    name: String,
    partial: String,
    overwrite: bool,
}

impl PartialDownload {
    /// Opens the incomplete file, with the bytes of an earlier attempt.
    pub(super) fn open(
        into: &Path,
        below: &[String],
        name: &str,
        id: &str,
        overwrite: bool,
    ) -> io::Result<PartialDownload> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(io::Error::other("its name is impossible"));
        }
        std::fs::create_dir_all(into)?;
        let root = OwnedFd::from(File::open(into)?);
        let below: Vec<_> = below.iter().map(String::as_str).collect();
        let folder = folder(&root, &below)?;
        if !overwrite && fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok() {
            return Err(Errno::EEXIST.into());
        }
        let partial = format!(".bai-repl-{id}.part");
        let flags = OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let file = File::from(openat(&folder, partial.as_str(), flags, Mode::from_bits_truncate(0o644))?);
        let have = file.metadata()?.len();
        Ok(PartialDownload { folder, file, have, name: name.to_owned(), partial, overwrite })
    }

    /// The number of bytes that have arrived.
    pub(super) fn have(&self) -> u64 {
        self.have
    }

    /// Changes the file on a thread for blocking work.
    pub(super) async fn writing<T: Send + 'static>(
        mut self,
        what: &str,
        work: impl FnOnce(&mut PartialDownload) -> io::Result<T> + Send + 'static,
    ) -> Result<(PartialDownload, T), ClientError> {
        blocking(what, move || work(&mut self).map(|done| (self, done))).await
    }

    /// Removes everything after the first `bytes`.
    pub(super) fn cut_to(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)?;
        self.have = self.file.seek(SeekFrom::Start(bytes))?;
        Ok(())
    }

    /// Adds the next bytes.
    pub(super) fn append(&mut self, content: &[u8]) -> io::Result<()> {
        self.file.write_all(content)?;
        self.have += content.len() as u64;
        Ok(())
    }

    /// Moves the file to its target if its SHA-256 is `sum`, else removes it. Returns whether the SHA-256 was right.
    pub(super) fn finish(&mut self, sum: &str) -> io::Result<bool> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut own = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = self.file.read(&mut buffer)?;
            match buffer.get(..read) {
                Some(piece) if !piece.is_empty() => own.update(piece),
                _ => break,
            }
        }
        let same = hex::encode(own.finalize()) == sum;
        let (folder, partial) = (&self.folder, self.partial.as_str());
        if same && self.overwrite {
            renameat(folder, partial, folder, self.name.as_str())?;
            return Ok(true);
        }
        if same {
            // This fails if the name was taken meanwhile; a rename would replace that file.
            name_anew(folder, partial, &self.name)?;
            return Ok(true);
        }
        unlinkat(folder, partial, UnlinkatFlags::NoRemoveDir)?;
        Ok(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM_OF_AB: &str = "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603";

    fn names(into: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            into.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_partial_file_is_resumed_and_renamed_when_it_is_complete() {
        let into = tempfile::tempdir().unwrap();
        PartialDownload::open(into.path(), &[], "f", "id", false).unwrap().append(b"axx").unwrap();
        assert_eq!(names(into.path()), [".bai-repl-id.part"]);
        let mut again = PartialDownload::open(into.path(), &[], "f", "id", false).unwrap();
        assert_eq!(again.have(), 3);
        again.cut_to(1).unwrap();
        again.append(b"b").unwrap();
        assert!(again.finish(SUM_OF_AB).unwrap());
        assert_eq!(
            (names(into.path()), std::fs::read(into.path().join("f")).unwrap()),
            (vec!["f".into()], b"ab".to_vec())
        );
        assert!(PartialDownload::open(into.path(), &[], "f", "id", false).is_err());
    }

    #[test]
    fn a_partial_file_with_another_checksum_is_removed() {
        let into = tempfile::tempdir().unwrap();
        let mut partial = PartialDownload::open(into.path(), &["sub".into()], "f", "id", true).unwrap();
        partial.append(b"ba").unwrap();
        assert!(!partial.finish(SUM_OF_AB).unwrap());
        assert!(names(&into.path().join("sub")).is_empty());
    }

    #[test]
    fn a_symbolic_link_is_replaced_and_never_followed() {
        let into = tempfile::tempdir().unwrap();
        let outside = into.path().join("outside");
        std::fs::write(&outside, "mine").unwrap();
        std::os::unix::fs::symlink(&outside, into.path().join(".bai-repl-id.part")).unwrap();
        assert!(PartialDownload::open(into.path(), &[], "f", "id", true).is_err());
        std::os::unix::fs::symlink(&outside, into.path().join("f")).unwrap();
        let mut partial = PartialDownload::open(into.path(), &[], "f", "other", true).unwrap();
        partial.append(b"ab").unwrap();
        assert!(partial.finish(SUM_OF_AB).unwrap());
        assert_eq!(std::fs::read(&outside).unwrap(), b"mine");
        assert_eq!(std::fs::read(into.path().join("f")).unwrap(), b"ab");
    }
}
