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
/// How the line before it begins if an interrupt has ended the last question of the run.
const UNANSWERED: &[u8] = b"[\"unanswered\",";

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

/// The end of a run, by its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    /// Whether its last question got no answer, for which the server waits, unless the client of the run has sent one since.
    pub(super) lacks_answer: bool,
}

impl Ended {
    /// What the last of its files says.
    fn of(bytes: &[u8]) -> Option<Ended> {
        let mut lines = bytes.trim_ascii_end().rsplit(|byte| *byte == b'\n');
        lines.next().filter(|line| line.starts_with(END))?;
        let lacks_answer = lines.next().is_some_and(|line| line.starts_with(UNANSWERED));
        Some(Ended { lacks_answer })
    }
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

    /// Its end. `None` if its files do not say that it is over.
    pub(super) async fn end(&self, session: &SessionRef) -> Result<Option<Ended>, ClientError> {
        let bytes = read(session, &RunId::from_wire(self.name.clone()), self.segment).await?;
        Ok(Ended::of(&bytes))
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

    #[test]
    fn the_last_lines_say_whether_a_run_is_over_and_lacks_an_answer() {
        let question = "[\"question\",false,0]\n[\"answered\",null,0]\n";
        for (lines, lacks_answer) in [
            ("", None),
            (question, None),
            ("[\"end\",0,0]\n", Some(false)),
            ("[\"answered\",null,0]\n[\"end\",0,0]\n", Some(false)),
            ("[\"unanswered\",null,0]\n", None),
            ("[\"unanswered\",null,0]\n[\"end\",1,0]\n", Some(true)),
        ] {
            assert_eq!(Ended::of(lines.as_bytes()).map(|ended| ended.lacks_answer), lacks_answer, "{lines}");
        }
    }
}
