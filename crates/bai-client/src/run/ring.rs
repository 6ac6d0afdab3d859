//! The files in which a kernel keeps the output of runs (`prelude/keep.py`), as a server gives them at any time. What is in them is
//! understood in `kept`; when they are read is decided in `catch_up` and `left`.
//!
//! Clients put marks beside them, empty files, which a server takes at any time, too: so the next client knows what nobody has seen, whoever
//! has released the session from it.

use crate::error::{ClientError, ErrorKind};
use crate::session_ref::SessionRef;
use bai_protocol::execute::RunId;
use bai_protocol::files::FileEntry;
use bytes::Bytes;
use reqwest::Method;
use std::time::Duration;

/// The folder of the files; the id of the session follows.
const FOLDER: &str = ".ipython/profile_default/output-of-";
/// The size of all files of a run but the last one.
pub(super) const SEGMENT: usize = 512 * 1024;
const FETCH_LIMIT: Duration = Duration::from_secs(15);
const WHAT: &str = "read the output that the session keeps";
/// How long a mark may take.
const MARK_LIMIT: Duration = Duration::from_secs(3);
/// How the name of a run ends whose id the server does not know, because it came over a WebSocket.
const OF_SOCKET: &str = ".ws";
/// How the line begins that ends a run.
pub(super) const END: &[u8] = b"[\"end\",";
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
    /// Whether a client has shown it to its end.
    pub(super) is_shown: bool,
}

/// What clients say of a run beside its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Somebody has collected its end whom it did not belong to, and has not shown it.
    Left,
    /// A client has shown it to its end. This one counts, also if it was there before.
    Shown,
}

impl Mark {
    /// How its name ends. `prelude/keep.py` knows it, too.
    fn suffix(self) -> &'static str {
        match self {
            Mark::Left => ".left",
            Mark::Shown => ".shown",
        }
    }
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

/// The files as they are at one time.
#[derive(Debug)]
pub(super) struct Ring(Vec<FileEntry>);

impl Ring {
    /// Looks at the files. `None` if the session keeps no output.
    pub(super) async fn look(session: &SessionRef) -> Result<Option<Ring>, ClientError> {
        Ok(entries(session).await?.map(Ring))
    }

    /// Each file of output with its run and its number.
    fn segments(&self) -> impl Iterator<Item = (&FileEntry, &str, u64)> {
        self.0.iter().filter_map(|entry| {
            let (name, number) = entry.filename.rsplit_once('.')?;
            Some((entry, name, number.parse().ok()?))
        })
    }

    fn marked(&self, mark: Mark) -> impl Iterator<Item = (&FileEntry, &str)> {
        self.0.iter().filter_map(move |entry| Some((entry, entry.filename.strip_suffix(mark.suffix())?)))
    }

    fn is_shown(&self, name: &str) -> bool {
        self.marked(Mark::Shown).any(|(_, shown)| shown == name)
    }

    /// The run that was left first of those that nobody has shown and of which there are files.
    pub(super) fn left(&self) -> Option<RunId> {
        let left = self
            .marked(Mark::Left)
            .filter(|(_, name)| !self.is_shown(name) && self.segments().any(|(_, of, _)| of == *name));
        let first = left.min_by(|(one, _), (other, _)| one.mtime.total_cmp(&other.mtime));
        first.map(|(_, name)| RunId::from_wire(name.to_owned()))
    }

    /// The run that has written last.
    pub(super) fn newest(&self) -> Option<Newest> {
        let newest = self.segments().map(|(entry, name, segment)| {
            let is_shown = self.is_shown(name);
            (entry.mtime, Newest { name: name.to_owned(), segment, is_shown })
        });
        let by_age = |(a, left): &(f64, Newest), (b, right): &(f64, Newest)| {
            a.total_cmp(b).then(left.segment.cmp(&right.segment))
        };
        newest.max_by(by_age).map(|(_, newest)| newest)
    }
}

impl Newest {
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

/// Puts a mark beside the files of a run.
pub(super) async fn mark(session: &SessionRef, id: &RunId, mark: Mark) {
    let path = format!("{}/{id}{}", folder(session), mark.suffix());
    let (content_type, body) = crate::files::form_of_one(&path, Bytes::new());
    let put = async {
        let call = session.request("mark a run", Method::POST, "/upload").await?;
        call.body(&content_type, body).within(MARK_LIMIT).send().await
    };
    if let Err(error) = put.await {
        tracing::warn!(%error, %id, ?mark, "a run could not be marked");
    }
}

/// A file of a run.
pub(super) async fn read(session: &SessionRef, name: &RunId, segment: u64) -> Result<Bytes, ClientError> {
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
        let newest = Ring(entries.into()).newest().unwrap();
        assert_eq!((newest.segment, newest.id()), (2, Some(id.clone())));
        let of_socket = entry(&format!("{}.0", name(&id, false)), 4.0);
        assert_eq!(Ring(vec![of_socket]).newest().unwrap().id(), None);
        assert_eq!(Ring(Vec::new()).newest(), None);
    }

    #[test]
    fn what_was_left_is_found_until_it_is_shown_or_gone() {
        let entry = |name: &str, mtime| FileEntry {
            mtime,
            ..serde_json::from_value(serde_json::json!({"filename": name})).unwrap()
        };
        let files = [
            entry("a.0", 1.0),
            entry("b.0", 2.0),
            entry("c.0", 3.0),
            entry("c.left", 7.0),
            entry("b.left", 6.0),
            entry("gone.left", 5.0),
        ];
        let left = |more: &[FileEntry]| Ring([&files, more].concat()).left();
        assert_eq!(left(&[]), Some(RunId::from_wire("b")));
        assert_eq!(left(&[entry("b.shown", 1.0)]), Some(RunId::from_wire("c")));
        assert_eq!(left(&[entry("b.shown", 1.0), entry("c.shown", 8.0)]), None);
        assert!(Ring([&files[..], &[entry("c.shown", 8.0)]].concat()).newest().unwrap().is_shown);
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
