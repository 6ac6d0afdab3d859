//! The files in which a kernel keeps the output of runs (`prelude/keep.py`), as a server gives them at any time. What is in them is
//! understood in `kept`; when they are read is decided in `catch_up` and `left`.

use crate::error::{ClientError, ErrorKind};
use crate::session_ref::SessionRef;
use bai_protocol::execute::RunId;
use bai_protocol::files::FileEntry;
use reqwest::Method;
use std::time::Duration;

/// The folder of the files; the id of the session follows.
const FOLDER: &str = ".ipython/profile_default/output-of-";
/// The size of all files of a run but the last one.
pub(super) const SEGMENT: usize = 512 * 1024;
const FETCH_LIMIT: Duration = Duration::from_secs(15);
const WHAT: &str = "read the output that the session keeps";
/// How the name of a run ends whose id the server does not know, because it came over a WebSocket.
const OF_SOCKET: &str = ".ws";
/// How the line begins that ends a run.
const END: &[u8] = b"[\"end\",";

/// The name of a run in the files.
pub(super) fn name(id: &RunId, polls: bool) -> RunId {
    if polls { id.clone() } else { RunId::from_wire(format!("{id}{OF_SOCKET}")) }
}

/// The run that has written to the files last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Newest {
    name: String,
    /// The number of its last file.
    segment: u64,
}

impl Newest {
    fn of(entries: &[FileEntry]) -> Option<Newest> {
        let newest = entries.iter().filter_map(|entry| {
            let (name, number) = entry.filename.rsplit_once('.')?;
            Some((entry.mtime, Newest { name: name.to_owned(), segment: number.parse().ok()? }))
        });
        let by_age = |(a, left): &(f64, Newest), (b, right): &(f64, Newest)| {
            a.total_cmp(b).then(left.segment.cmp(&right.segment))
        };
        newest.max_by(by_age).map(|(_, newest)| newest)
    }

    /// The id under which the server knows it, if it knows one.
    pub(super) fn id(&self) -> Option<RunId> {
        (!self.name.ends_with(OF_SOCKET)).then(|| RunId::from_wire(self.name.clone()))
    }

    /// Whether its files say that it is over.
    pub(super) async fn has_ended(&self, session: &SessionRef) -> Result<bool, ClientError> {
        let bytes = read(session, &RunId::from_wire(self.name.clone()), self.segment).await?;
        let last = bytes.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
        Ok(last.is_some_and(|line| line.starts_with(END)))
    }
}

/// The run that has written to the files last; `None` if the session keeps no output.
pub(super) async fn newest(session: &SessionRef) -> Result<Option<Newest>, ClientError> {
    Ok(entries(session).await?.and_then(|entries| Newest::of(&entries)))
}

/// A file of a run.
pub(super) async fn read(
    session: &SessionRef,
    name: &RunId,
    segment: u64,
) -> Result<bytes::Bytes, ClientError> {
    let path = format!("{}/{name}.{segment}", folder(session));
    let call = session.request(WHAT, Method::POST, "/download_single").await?.query("file", &path);
    Ok(call.within(FETCH_LIMIT).limit(2 * SEGMENT).send().await?.body)
}

/// The numbers of the files of a run. `None` if it has none.
pub(super) async fn numbers(session: &SessionRef, name: &RunId) -> Result<Option<Vec<u64>>, ClientError> {
    let Some(entries) = entries(session).await? else { return Ok(None) };
    let mine = |file: &str| file.strip_prefix(name.as_str())?.strip_prefix('.')?.parse().ok();
    let numbers: Vec<u64> = entries.iter().filter_map(|entry| mine(&entry.filename)).collect();
    Ok((!numbers.is_empty()).then_some(numbers))
}

/// All files; `None` if there is no folder.
async fn entries(session: &SessionRef) -> Result<Option<Vec<FileEntry>>, ClientError> {
    match session.list(WHAT, &folder(session)).await {
        Ok(listing) => Ok(listing.entries().ok()),
        Err(error) if error.kind() == ErrorKind::NoSuchFile => Ok(None),
        Err(error) => Err(error),
    }
}

fn folder(session: &SessionRef) -> String {
    format!("{FOLDER}{}", session.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_run_is_that_of_the_file_that_was_written_last() {
        let entry = |name: &str, mtime| FileEntry {
            mtime,
            ..serde_json::from_value(serde_json::json!({"filename": name})).unwrap()
        };
        let id = RunId::from_wire("b");
        let entries =
            [entry("a.7", 1.0), entry("b.1", 3.0), entry("b.2", 3.0), entry("b.0", 2.0), entry("x", 9.0)];
        let newest = Newest::of(&entries).unwrap();
        assert_eq!((newest.segment, newest.id()), (2, Some(id.clone())));
        let of_socket = entry(&format!("{}.0", name(&id, false)), 4.0);
        assert_eq!(Newest::of(&[of_socket]).unwrap().id(), None);
        assert_eq!(Newest::of(&[]), None);
    }
}
