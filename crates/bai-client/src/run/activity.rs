//! What a session does, as far as its server tells. A cluster does not say which code runs in a session, nor that a kernel has ended:
//! its run goes on for ever, without output, and the session takes no other. The prelude leaves two links in a folder whose files the server
//! lists at any time (`docs/wire` §3.6): one to what Linux says of the kernel's process, and one as long as a cell runs. A batch step leaves one
//! to its own process. Our engine names its active run.
//!
//! When to look is decided by those who ask. Whoever is not sure says nothing: a cell may compute for hours.

use crate::error::ClientError;
use crate::prelude;
use crate::session::ComputeSession;
use crate::session_ref::SessionRef;
use bai_protocol::capability::Capability;
use bai_protocol::files::{FileEntry, ListReply};
use bai_protocol::status::SessionStatus;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// The folder of the links. The runner writes a file there whenever it starts a kernel.
pub(super) const FOLDER: &str = ".ipython/profile_default";
const WRITTEN_AT_START: &str = "ipython_kernel_config.py";
/// The link to the process; the id of the session follows.
const PROCESS: &str = "process-of-";
/// The link that is there while a cell runs; the id of the session follows.
const CELL: &str = "cell-of-";
/// The file in which a batch step leaves its end; the id of the session follows. With [`STEP_PROCESS`] after that, it is the link to its process,
/// which is there while it runs.
pub(super) const STEP: &str = "step-of-";
const STEP_PROCESS: &str = ".process";
/// The words of the runner's log about a process that was killed because the memory was full.
const OUT_OF_MEMORY: &str = "Out-of-memory detected";
const WHAT: &str = "see what runs in the session";
/// How long an interrupted program may take to end before it is said to go on.
const END_LIMIT: Duration = Duration::from_secs(3);
/// The pause between two looks at an interrupted program.
const PAUSE: Duration = Duration::from_millis(200);

/// What a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activity {
    /// It is not known: the kernel is not IPython, or no client has installed the prelude in it.
    Unknown,
    /// A cell, a script or a batch step of some client.
    Cell,
    /// None of these; on clusters a batch step of another client program may run.
    Nothing,
}

impl Activity {
    /// Why a run in this session has not begun after this time, in words.
    pub fn delay(self, waited: Duration) -> String {
        let waited = waited.as_secs();
        match self {
            Activity::Unknown => {
                format!(
                    "the session has not answered for {waited} s: something else runs in it, or it is stuck"
                )
            }
            Activity::Cell => {
                "the session still runs a cell of an earlier client, or of another one".to_owned()
            }
            Activity::Nothing => format!(
                "the session has not answered for {waited} s and runs no cell: its server probably waits for a client that was \
                 cut off, and gives it no other code"
            ),
        }
    }
}

/// What a session does that leaves somebody waiting, and for how long it has been so. Those who wait set it, and those who tell the
/// user watch it.
#[derive(Debug, Default)]
pub(crate) struct Delay(watch::Sender<Option<Told>>);

/// What the session does, for how long somebody had waited when that was told, and when it was.
type Told = (Activity, Duration, Instant);

impl Delay {
    /// Somebody has waited for this time.
    pub(crate) fn is(&self, activity: Activity, waited: Duration) {
        self.0.send_replace(Some((activity, waited, Instant::now())));
    }

    /// Nobody waits any more.
    pub(crate) fn is_over(&self) {
        self.0.send_replace(None);
    }

    /// What it is now, if there is one.
    pub(crate) fn now(&self) -> Option<(Activity, Duration)> {
        self.0.borrow().map(|(activity, waited, _)| (activity, waited))
    }

    /// For how long somebody waits by now.
    pub(crate) fn lasts(&self) -> Option<Duration> {
        self.0.borrow().map(|(_, waited, told)| waited + told.elapsed())
    }

    /// Waits until somebody waits for something that is not what was `told` last. Never ends without one. Cancel-safe.
    pub(crate) async fn news(&self, told: Option<Activity>) -> (Activity, Duration) {
        let mut delay = self.0.subscribe();
        let is_news = |delay: &Option<Told>| delay.is_some_and(|(activity, ..)| told != Some(activity));
        // It cannot fail: `self` owns the sender.
        let delay = delay.wait_for(is_news).await.ok().and_then(|delay| *delay);
        delay.map_or((Activity::Unknown, Duration::ZERO), |(activity, waited, _)| (activity, waited))
    }
}

/// What an interrupt has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InterruptOutcome {
    /// It was sent. The server does not tell what it has done.
    Sent,
    /// What ran has ended.
    Ended,
    /// What runs goes on so far.
    GoesOn,
    /// No cell was running.
    NoCell,
    /// The kernel had ended before.
    KernelEnded,
}

/// What was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// The kernel lives, or nothing is known.
    Lives(Activity),
    /// The kernel has ended.
    KernelEnded {
        /// Whether a process of the session was killed because the memory was full.
        out_of_memory: bool,
    },
    /// The session has ended.
    SessionGone,
    /// The command of the batch step has ended with this exit code.
    StepEnded(i32),
}

impl ComputeSession {
    /// Interrupts what the session runs, and looks what becomes of it, for a few seconds at most.
    ///
    /// # Errors
    /// As [`ComputeSession::interrupt`].
    pub async fn interrupt_and_see(&self) -> Result<InterruptOutcome, ClientError> {
        let before = look(&self.at).await;
        self.interrupt().await?;
        match before {
            Sight::Lives(Activity::Cell) => {}
            Sight::Lives(Activity::Nothing) => return Ok(InterruptOutcome::NoCell),
            Sight::Lives(Activity::Unknown) | Sight::SessionGone | Sight::StepEnded(_) => {
                return Ok(InterruptOutcome::Sent);
            }
            Sight::KernelEnded { .. } => return Ok(InterruptOutcome::KernelEnded),
        }
        let deadline = Instant::now() + END_LIMIT;
        while look(&self.at).await == Sight::Lives(Activity::Cell) {
            if Instant::now() >= deadline {
                return Ok(InterruptOutcome::GoesOn);
            }
            sleep(PAUSE).await;
        }
        Ok(InterruptOutcome::Ended)
    }
}

pub(super) async fn look(session: &SessionRef) -> Sight {
    let info = match session.info().await {
        Ok(info) if info.status.as_ref().is_some_and(SessionStatus::is_dead) => return Sight::SessionGone,
        Err(error) if error.says_session_is_gone() => return Sight::SessionGone,
        Ok(info) => info,
        Err(error) => {
            tracing::debug!(%error, "it is not known whether the session lives");
            return Sight::Lives(Activity::Unknown);
        }
    };
    let capabilities = session.api.capabilities().await;
    if capabilities.has(Capability::CurrentRun) {
        return Sight::Lives(if info.current_run().is_some() { Activity::Cell } else { Activity::Nothing });
    }
    if !prelude::is_useful(&capabilities) {
        return Sight::Lives(Activity::Unknown);
    }
    look_at_kernel(session).await.0
}

/// What the links say, and since when a cell runs, by the clock of the session.
pub(super) async fn look_at_kernel(session: &SessionRef) -> (Sight, Option<SystemTime>) {
    let unknown = (Sight::Lives(Activity::Unknown), None);
    let Ok(folder) = session.list(WHAT, FOLDER).await else { return unknown };
    let Ok(entries) = folder.entries() else { return unknown };
    let [process, cell] = [PROCESS, CELL].map(|name| format!("{name}{}", session.key));
    if !is_of_this_start(&entries, &process) {
        return unknown;
    }
    let Ok(descriptors) = session.list(WHAT, &format!("{FOLDER}/{process}/fd")).await else { return unknown };
    if !may_have_ended(&descriptors) {
        let runs = is_of_this_start(&entries, &cell);
        if !runs && let Some(since) = running_step(session, &entries).await {
            return (Sight::Lives(Activity::Cell), since);
        }
        let since = entries.iter().find(|entry| runs && entry.filename == cell).and_then(changed);
        return (Sight::Lives(if runs { Activity::Cell } else { Activity::Nothing }), since);
    }
    let log = session.logs(None).await;
    let out_of_memory = log.is_ok_and(|log| log.contains(OUT_OF_MEMORY));
    (Sight::KernelEnded { out_of_memory }, None)
}

/// Since when a batch step runs whose command has left its links in this folder. `None` if none runs.
async fn running_step(session: &SessionRef, folder: &[FileEntry]) -> Option<Option<SystemTime>> {
    let link = format!("{STEP}{}{STEP_PROCESS}", session.key);
    if !is_of_this_start(folder, &link) {
        return None;
    }
    // It stays if the step was killed with all of its processes.
    let descriptors = session.list(WHAT, &format!("{FOLDER}/{link}/fd")).await.ok()?;
    if may_have_ended(&descriptors) {
        return None;
    }
    Some(folder.iter().find(|entry| entry.filename == link).and_then(changed))
}

fn changed(entry: &FileEntry) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(entry.mtime).ok()?)
}

/// Whether this is the listing of the open files of a process that has ended: nobody has asked for its exit code yet, or it is gone.
fn may_have_ended(descriptors: &ListReply) -> bool {
    match descriptors.entries() {
        // A helper that failed without a word lists nothing at all.
        Ok(entries) => entries.is_empty() && descriptors.files.trim() == "[]",
        Err(said) => said.starts_with("FileNotFoundError"),
    }
}

/// Whether this link is there and was made after the last start of a kernel.
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
