//! What the runs of this machine have uploaded to a session, also those that were cut: the next run replaces these files as long as
//! they are as they were left. A file that a cell has made or changed is in the way.
//!
//! The record is on this machine, so that it is the same on every server, and no file of ours is in the session.

use crate::config::Paths;
use bai_client::{ComputeSession, UploadRecord};
use bai_protocol::byte_text;
use bai_protocol::machine_limit::explain;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the record of a session is kept after its last run.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// The place of the record of one session.
#[derive(Debug)]
pub(super) struct RecordFile {
    /// A session without an id has none, and neither has one that ends with the run: there is no next run.
    path: Option<PathBuf>,
}

impl RecordFile {
    /// The place of the record of this session.
    pub(super) fn of(session: &ComputeSession, temporary: bool) -> RecordFile {
        let is_plain = |id: &&str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let id = session.id().filter(|_| !temporary).filter(is_plain);
        let path = Paths::of_user().zip(id).map(|(paths, id)| paths.runs_dir().join(format!("{id}.json")));
        RecordFile { path }
    }

    /// Reads the record. One that is missing or damaged is empty: then the files are in the way.
    pub(super) fn read(&self) -> UploadRecord {
        let text = self.path.as_ref().and_then(|path| std::fs::read(path).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Writes the record, and removes old ones.
    pub(super) fn write(&self, record: &UploadRecord) -> io::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| !record.is_empty()) else { return Ok(()) };
        if let Some(folder) = path.parent() {
            remove_old(folder);
        }
        let written = serde_json::to_vec(record).map_err(io::Error::from);
        written.and_then(|text| bai_private::replace_file(path, &text)).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {}", byte_text::shown_path(path), explain(&error)))
        })
    }
}

/// Removes records that no run has written for long. Those of sessions that still live are made again with `--force`.
fn remove_old(folder: &Path) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => return tracing::debug!(%error, "old records of runs stay"),
    };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if modified.ok().and_then(|time| time.elapsed().ok()).is_some_and(|age| age > KEPT) {
            // An error only means that it stays.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
