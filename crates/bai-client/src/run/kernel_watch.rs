//! Whether the kernel of a silent run still lives. A cluster does not say that a kernel has ended: its run goes on for ever,
//! without output, and the session takes no other. The prelude leaves a link to what Linux says of the kernel's process
//! in a folder whose files the server lists at any time (`docs/wire` §3.6).
//!
//! When to look is decided here; what becomes of the run, in `driver`. Whoever is not sure says nothing: a cell may compute for
//! hours.

use super::Cell;
use crate::prelude;
use crate::session_ref::SessionRef;
use bai_protocol::capability::Capabilities;
use bai_protocol::files::{FileEntry, ListReply};
use bai_protocol::status::SessionStatus;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::Instant;

/// The folder of the link. The runner writes a file there whenever it starts a kernel.
const FOLDER: &str = ".ipython/profile_default";
const WRITTEN_AT_START: &str = "ipython_kernel_config.py";
/// The link; the id of the session follows.
const LINK: &str = "process-of-";
/// The words of the runner's log about a process that was killed because the memory was full.
const OUT_OF_MEMORY: &str = "Out-of-memory detected";
/// The longest pause between two looks. One costs the server about 0.2 s of computing time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The kernel lives, or nothing is known.
    NoEnd,
    /// The kernel has ended.
    KernelEnded {
        /// Whether a process of the session was killed because the memory was full.
        out_of_memory: bool,
    },
    /// The session has ended.
    SessionGone,
}

/// When to look next, and the look that is under way.
pub(super) struct KernelWatch {
    /// How long a run is silent before the first look. `None` if nobody looks.
    patience: Option<Duration>,
    pause: Duration,
    pub(super) next: Option<Instant>,
    pub(super) looking: Option<BoxFuture<'static, Sight>>,
    /// Only until the first frame: after that no kernel runs the program.
    until_begun: bool,
}

impl KernelWatch {
    /// The watch over a run of this cell; `None` for a run that began elsewhere.
    pub(super) fn new(capabilities: &Capabilities, cell: Option<&Cell>, patience: Duration) -> Self {
        let patience = cell.filter(|_| prelude::is_useful(capabilities)).map(|_| patience);
        let until_begun = matches!(cell, Some(Cell::Batch(_)));
        let mut watch =
            KernelWatch { patience, pause: Duration::ZERO, next: None, looking: None, until_begun };
        watch.begin_again();
        watch
    }

    /// The program has printed something, or got an answer.
    pub(super) fn begin_again(&mut self) {
        self.looking = None;
        self.pause = self.patience.unwrap_or_default();
        self.next = self.patience.map(|patience| Instant::now() + patience);
    }

    /// A frame came. Nobody looks while a program waits for an answer.
    pub(super) fn heard(&mut self, is_news: bool, waits: bool) {
        if self.until_begun {
            self.patience = None;
        }
        if waits {
            (self.next, self.looking) = (None, None);
        } else if is_news || (self.next.is_none() && self.looking.is_none()) {
            self.begin_again();
        }
    }

    /// The next look is after this time at the latest: there is a reason to doubt.
    pub(super) fn hurry(&mut self, pause: Duration) {
        if self.patience.is_some() && self.looking.is_none() {
            let soon = Instant::now() + pause;
            self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
        }
    }

    pub(super) fn look(&mut self, session: &SessionRef) {
        self.next = None;
        if self.looking.is_none() {
            let session = session.clone();
            self.looking = Some(Box::pin(async move { look(&session).await }));
        }
    }

    /// Nothing was seen.
    pub(super) fn rest(&mut self) {
        self.looking = None;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.next = self.patience.map(|_| Instant::now() + self.pause);
    }
}

async fn look(session: &SessionRef) -> Sight {
    match session.info().await {
        Ok(info) if info.status.as_ref().is_some_and(SessionStatus::is_dead) => return Sight::SessionGone,
        Err(error) if error.says_session_is_gone() => return Sight::SessionGone,
        Ok(_) => {}
        Err(error) => {
            tracing::debug!(%error, "it is not known whether the session lives");
            return Sight::NoEnd;
        }
    }
    if !kernel_has_ended(session).await {
        return Sight::NoEnd;
    }
    let log = session.logs(None).await;
    let out_of_memory = log.is_ok_and(|log| log.contains(OUT_OF_MEMORY));
    Sight::KernelEnded { out_of_memory }
}

async fn kernel_has_ended(session: &SessionRef) -> bool {
    let link = format!("{LINK}{}", session.key);
    let Ok(descriptors) = session.list("see whether the kernel lives", &format!("{FOLDER}/{link}/fd")).await
    else {
        return false;
    };
    if !may_have_ended(&descriptors) {
        return false;
    }
    let folder = session.list("see whether the kernel lives", FOLDER).await;
    folder.is_ok_and(|folder| folder.entries().is_ok_and(|entries| is_of_this_start(&entries, &link)))
}

/// Whether this is the listing of the open files of a process that has ended: nobody has asked for its exit code yet, or it is gone.
fn may_have_ended(descriptors: &ListReply) -> bool {
    match descriptors.entries() {
        // A helper that failed without a word lists nothing at all.
        Ok(entries) => entries.is_empty() && descriptors.files.trim() == "[]",
        Err(said) => said.starts_with("FileNotFoundError"),
    }
}

/// Whether the link is there and was made after the last start of a kernel.
fn is_of_this_start(folder: &[FileEntry], link: &str) -> bool {
    let changed = |name: &str| folder.iter().find(|entry| entry.filename == name).map(|entry| entry.mtime);
    let is_link = folder.iter().any(|entry| entry.filename == link && entry.is_link());
    is_link && changed(WRITTEN_AT_START).is_some_and(|start| changed(link).is_some_and(|made| made >= start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(files: &str, errors: &str) -> ListReply {
        ListReply { files: files.into(), errors: errors.into(), abspath: String::new() }
    }

    #[test]
    fn only_a_process_without_open_files_may_have_ended() {
        let gone = "Traceback …\nFileNotFoundError: [Errno 2] No such file or directory: '…/fd'";
        let foreign = "Traceback …\nPermissionError: [Errno 13] Permission denied: '…/fd'";
        for (files, errors, ended) in [
            ("[]\n", "", true),
            ("", gone, true),
            ("", foreign, false),
            ("", "", false),
            ("[{\"filename\": \"0\", \"mode\": \"lr-x------\"}]\n", "", false),
            ("no JSON", "", false),
        ] {
            assert_eq!(may_have_ended(&listing(files, errors)), ended, "{files:?} {errors:?}");
        }
    }

    #[test]
    fn a_link_of_an_earlier_container_says_nothing() {
        let entry = |name: &str, mode: &str, mtime| FileEntry {
            mtime,
            ..serde_json::from_value(serde_json::json!({"filename": name, "mode": mode})).unwrap()
        };
        let start = entry(WRITTEN_AT_START, "-rw-r--r--", 10.0);
        for (link, is_now) in [
            (entry("l", "lrwxrwxrwx", 11.0), true),
            (entry("l", "lrwxrwxrwx", 9.0), false),
            (entry("l", "-rw-r--r--", 11.0), false),
            (entry("other", "lrwxrwxrwx", 11.0), false),
        ] {
            assert_eq!(is_of_this_start(&[start.clone(), link.clone()], "l"), is_now, "{link:?}");
            assert!(!is_of_this_start(&[link], "l"));
        }
    }
}
