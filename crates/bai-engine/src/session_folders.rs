//! The folders of sessions, and what is known about each without its engine: a record beside the folder names the
//! session, and its log is there too. Files of a session outlive its kernel and its engine, however these end; only who destroys the session deletes
//! them. Folders without files are removed.
//!
//! No other files are touched, and no symbolic links are followed.

use super::leftovers;
use bai_private::removal;
use bai_private::trust::{self, Distrust};
use bai_protocol::working_files;
use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg, OFlag};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The largest record that is read, in bytes.
const RECORD_LIMIT: u64 = 64 << 10;

/// The end of a record's name, after that of the folder. Not one that a program tries for the name of a folder: `node .` runs
/// `FOLDER.json` if there is one.
const RECORD_END: &str = ".session";
/// The end of the name of a log.
const LOG_END: &str = ".log";
/// The largest log that is read, in bytes.
const LOG_LIMIT: u64 = 1 << 20;

/// The session of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) created: Timestamp,
    /// When the session ended, if its engine lived to see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Timestamp>,
}

/// A folder with files whose session is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) folder: PathBuf,
    /// Missing if it could not be read.
    pub(super) record: Option<Record>,
    /// When the session ended; else the last moment at which it is known to have lived: that of its last run, output, record, or file in its folder.
    pub(super) ended: Timestamp,
}

/// A lock on a folder of sessions. It ends with the process, however the process ends.
#[derive(Debug)]
pub(super) struct FolderLock(#[allow(dead_code, reason = "released when it is dropped")] Flock<File>);

/// Locks the folder `root`, and makes it if it is missing. `None` when another engine holds the lock.
///
/// # Errors
/// When the folder cannot be made or read, is a symbolic link, or belongs to another user.
pub(super) fn lock(root: &Path) -> io::Result<Option<FolderLock>> {
    bai_private::create_folder(root)?;
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let folder = OpenOptions::new().read(true).custom_flags(flags.bits()).open(root)?;
    if let Some(distrust @ Distrust::Owner) = trust::check(&folder.metadata()?) {
        return Err(distrust.into());
    }
    Ok(Flock::lock(folder, FlockArg::LockExclusiveNonblock).ok().map(FolderLock))
}

/// Finds the folders with files of sessions that are gone, and removes those without files. For who has `root` for itself.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn find(root: &Path) -> io::Result<Vec<Found>> {
    let ids = match all(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        ids => ids?,
    };
    Ok(ids.into_iter().filter(|id| keep_or_remove(root, id)).map(|id| describe(root, id)).collect())
}

fn describe(root: &Path, id: String) -> Found {
    let (folder, record) = (root.join(&id), read(root, &id));
    let changed = |path: &Path| Timestamp::try_from(fs::metadata(path).ok()?.modified().ok()?).ok();
    let ended = record.as_ref().and_then(|record| record.ended);
    let signs = [record_file(root, &id), log_file(root, &id), folder.clone()];
    let ended = ended.or_else(|| signs.iter().filter_map(|path| changed(path)).max());
    Found { folder, record, ended: ended.unwrap_or_else(Timestamp::now), id }
}

/// The sessions that are gone and left a record, but no files. Read it before [`find`], which removes the records.
pub(super) fn records_without_files(root: &Path) -> Vec<Record> {
    let ids = all(root).unwrap_or_default().into_iter();
    ids.filter(|id| !has_files(&root.join(id))).filter_map(|id| read(root, &id)).collect()
}

/// How many sessions have files.
pub(super) fn sessions_with_files(root: &Path) -> usize {
    all(root).unwrap_or_default().iter().filter(|id| has_files(&root.join(id))).count()
}

/// The ids of all sessions that have a folder, a record or a log, sorted.
fn all(root: &Path) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // This is the type of the entry itself, not of a link's target.
        let kind = entry.file_type()?;
        match name.strip_suffix(RECORD_END).or_else(|| name.strip_suffix(LOG_END)) {
            Some(id) if kind.is_file() && is_session(id) => ids.push(id.to_owned()),
            None if kind.is_dir() && is_session(&name) => ids.push(name),
            _ => {}
        }
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// Whether this can be the name of a session's folder.
fn is_session(name: &str) -> bool {
    uuid::Uuid::parse_str(name).is_ok_and(|id| id.hyphenated().to_string() == name)
}

/// Whether there is anything in the folder but unfinished files of transfers, which nobody continues. A folder that cannot be read may hold files.
fn has_files(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.any(|entry| !entry.is_ok_and(|entry| is_unfinished(&entry))),
        Err(_) => fs::symlink_metadata(folder).map_or_else(|error| !is_missing(&error), |_| true),
    }
}

fn is_unfinished(entry: &DirEntry) -> bool {
    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
    is_file && entry.file_name().to_str().is_some_and(working_files::is_unfinished)
}

/// Whether this error says that nothing is at a path.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn record_file(root: &Path, id: &str) -> PathBuf {
    root.join(format!("{id}{RECORD_END}"))
}

/// Records the session of a folder.
///
/// # Errors
/// Errors of the file system.
pub(super) fn write(root: &Path, id: &str, record: &Record) -> io::Result<()> {
    bai_private::replace_cache(&record_file(root, id), &serde_json::to_vec(record)?)
}

fn read(root: &Path, id: &str) -> Option<Record> {
    let mut text = String::new();
    let file = bai_private::open_file(&record_file(root, id)).ok()?;
    file.take(RECORD_LIMIT).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn log_file(root: &Path, id: &str) -> PathBuf {
    root.join(format!("{id}{LOG_END}"))
}

/// Keeps the log of a session beside its folder.
///
/// # Errors
/// Errors of the file system.
pub(super) fn write_log(root: &Path, id: &str, log: &[u8]) -> io::Result<()> {
    bai_private::replace_cache(&log_file(root, id), log)
}

/// The log that was kept; `None` if there is none.
pub(super) fn read_log(root: &Path, id: &str) -> Option<Vec<u8>> {
    let mut log = Vec::new();
    bai_private::open_file(&log_file(root, id)).ok()?.take(LOG_LIMIT).read_to_end(&mut log).ok()?;
    Some(log)
}

/// Keeps the folder of a session that has ended if there are files in it, and removes it otherwise. Returns whether it is
/// kept.
pub(super) fn keep_or_remove(root: &Path, id: &str) -> bool {
    let folder = root.join(id);
    if has_files(&folder) {
        return true;
    }
    if let Err(error) = remove(root, id) {
        tracing::warn!(root = %root.display(), id, %error, "what a session left behind stays");
    }
    false
}

/// Removes the folder of a session, with its files, its log and its record. Links are removed and not followed. The record stays if
/// files do, so that the session keeps its name.
///
/// # Errors
/// Errors of the file system; the first thing that stays is named if it belongs to another user.
pub(super) fn remove(root: &Path, id: &str) -> io::Result<()> {
    removal::remove(&root.join(id))?;
    for file in [log_file(root, id), record_file(root, id)] {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Why the files of a session cannot be removed, as far as that is known beforehand.
pub(super) fn hindrance(root: &Path, id: &str) -> Option<String> {
    removal::hindrance(&root.join(id))
}

/// Gives the folder of a session that is gone, with its files, to a new session. Returns how many entries it has, without what
/// transfers left.
///
/// # Errors
/// Errors of the file system; then the folder stays where it was.
pub(super) fn hand_over(root: &Path, from: &str, to: &str) -> io::Result<usize> {
    fs::rename(root.join(from), root.join(to))?;
    // Those of the new session replace them.
    let _ = fs::remove_file(log_file(root, from));
    let _ = fs::remove_file(record_file(root, from));
    let home = root.join(to);
    leftovers::remove_abandoned(&home);
    let entries = fs::read_dir(&home).into_iter().flatten().flatten();
    Ok(entries.filter(|entry| !leftovers::is_ours(entry, &home)).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn new_id() -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn record(name: &str) -> Record {
        Record { name: name.into(), image: "python".into(), created: Timestamp::now(), ended: None }
    }

    #[test]
    fn files_of_sessions_are_found_again_and_nothing_else_is_touched() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("state/sessions");
        assert!(find(&root).unwrap().is_empty());
        lock(&root).unwrap().unwrap();
        let elsewhere = parent.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("precious"), "").unwrap();
        let (full, empty, unrecorded, orphan) = (new_id(), new_id(), new_id(), new_id());
        let ours = record("work");
        for id in [&full, &empty, &orphan] {
            write(&root, id, &ours).unwrap();
        }
        fs::create_dir_all(root.join(&full).join("deep")).unwrap();
        symlink(&elsewhere, root.join(&full).join("deep/link")).unwrap();
        fs::create_dir(root.join(&empty)).unwrap();
        fs::create_dir(root.join(&unrecorded)).unwrap();
        fs::write(root.join(&unrecorded).join("a file"), "").unwrap();
        symlink(&elsewhere, root.join(new_id())).unwrap();
        fs::create_dir(root.join("notes")).unwrap();
        fs::write(root.join(new_id()), "a file").unwrap();
        assert_eq!(sessions_with_files(&root), 2);
        assert_eq!(records_without_files(&root), [ours.clone(), ours.clone()]);

        let mut found = find(&root).unwrap();
        found.sort_by_key(|one| one.record.is_none());
        let ended = found[0].ended;
        assert_eq!(found[0], Found { id: full.clone(), folder: root.join(&full), record: Some(ours), ended });
        assert_eq!((found[1].id.as_str(), &found[1].record), (unrecorded.as_str(), &None));
        assert_eq!(found.len(), 2);
        assert!(!root.join(&empty).exists() && !record_file(&root, &orphan).exists());
        write_log(&root, &new_id(), b"hello").unwrap();
        find(&root).unwrap();
        for one in &found {
            remove(&root, &one.id).unwrap();
        }
        assert_eq!(fs::read_dir(&root).unwrap().count(), 3);
        assert!(elsewhere.join("precious").exists());
    }

    #[test]
    fn files_are_handed_over_to_a_new_session() {
        let root = tempfile::tempdir().unwrap();
        let (old, new) = (new_id(), new_id());
        write(root.path(), &old, &record("work")).unwrap();
        write_log(root.path(), &old, b"hello").unwrap();
        assert_eq!(read_log(root.path(), &old).unwrap(), b"hello");
        fs::create_dir(root.path().join(&old)).unwrap();
        fs::write(root.path().join(&old).join("file"), "x").unwrap();
        assert_eq!(hand_over(root.path(), &old, &new).unwrap(), 1);
        assert!(root.path().join(&new).join("file").exists());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert_eq!(all(root.path()).unwrap(), [new]);
        assert!(hand_over(root.path(), &old, &new_id()).is_err());
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
