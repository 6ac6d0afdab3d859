//! The folder of a session, from its start until it is handed over or removed. What the folders look like on disk is in
//! `session_folders`.

use super::{Session, SessionSpec};
use crate::leftovers;
use crate::session_folders::{self, Found, Record};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the log in the folder may be behind: a program that prints without end would otherwise write without end.
const LOG_DELAY: Duration = Duration::from_secs(1);

impl Session {
    /// A session of which only the folder is left.
    pub(crate) fn lost(found: Found) -> Arc<Self> {
        let record = found.record.unwrap_or_else(|| Record {
            name: found.id.clone(),
            image: "unknown".to_owned(),
            created: found.ended,
            ended: None,
        });
        let spec = SessionSpec {
            id: found.id,
            image: record.image,
            is_for_script: false,
            creator_environment: None,
            environ: BTreeMap::new(),
            tag: None,
            created: record.created,
            workdir: found.folder,
            owns_workdir: true,
            bootstrap_script: None,
            preopen_ports: Vec::new(),
        };
        // Its actor never existed.
        let (session, _) = Session::new(spec, record.name, CancellationToken::new());
        session.set_lost(&session.kept_files(), found.ended);
        session.over.cancel();
        session
    }

    /// The folder above that of the session, if the session has one of its own.
    fn root(&self) -> Option<&Path> {
        self.spec.owns_workdir.then(|| self.spec.workdir.parent()).flatten()
    }

    /// Where the files of the session are, in a sentence for people.
    pub(crate) fn kept_files(&self) -> String {
        format!("its files are in {}", self.spec.workdir.display())
    }

    /// Records beside its folder which session this is. Does blocking I/O.
    ///
    /// # Errors
    /// Errors of the file system.
    pub(crate) fn record(&self) -> io::Result<()> {
        self.write_record(None)
    }

    fn write_record(&self, ended: Option<Timestamp>) -> io::Result<()> {
        let Some(root) = self.root() else { return Ok(()) };
        let (name, image, created) = (self.name(), self.spec.image.clone(), self.spec.created);
        session_folders::write(root, self.id(), &Record { name, image, created, ended })
    }

    /// Keeps the log on disk until the session ends, so that it outlives an engine that dies.
    pub(crate) async fn keep_log(self: Arc<Self>) {
        let changes = async {
            loop {
                self.logged.notified().await;
                tokio::time::sleep(LOG_DELAY).await;
                let session = self.clone();
                let _ = tokio::task::spawn_blocking(move || session.write_log()).await;
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = changes => {}
        }
    }

    /// An error is only traced: on a full disk the session goes on without its log.
    fn write_log(&self) {
        let Some(root) = self.root() else { return };
        if let Err(error) = session_folders::write_log(root, self.id(), &self.log_bytes()) {
            tracing::debug!(session = self.id(), %error, "the log cannot be kept");
        }
    }

    /// The log that an earlier engine kept of this lost session; `None` if there is none. Does blocking I/O.
    pub(crate) fn kept_log(&self) -> Option<String> {
        let log = session_folders::read_log(self.root()?, self.id())?;
        Some(String::from_utf8_lossy(&log).into_owned())
    }

    /// Takes the folder of a session that is gone, with its files, as the folder of this session, which has not started.
    /// Returns how many entries it has. Does blocking I/O.
    ///
    /// # Errors
    /// Errors of the file system.
    pub(crate) fn take_folder_of(&self, gone: &Session) -> io::Result<usize> {
        let root = self.root().ok_or(io::ErrorKind::Unsupported)?;
        session_folders::hand_over(root, gone.id(), self.id())
    }

    /// Keeps or removes the folder when the session is over. Returns whether files are kept. Does blocking I/O.
    ///
    /// # Errors
    /// When the folder is to be removed, and cannot be.
    pub(crate) fn leave_folder(&self) -> io::Result<bool> {
        let Some(root) = self.root() else { return Ok(false) };
        if self.destroyed.load(Ordering::Acquire) {
            return session_folders::remove(root, self.id()).map(|()| false);
        }
        leftovers::remove_abandoned(&self.spec.workdir);
        let keeps = session_folders::keep_or_remove(root, self.id());
        if keeps {
            self.write_log();
        }
        // On a full disk the earlier record stays, without the time.
        if keeps && let Err(error) = self.write_record(Some(Timestamp::now())) {
            tracing::warn!(session = self.id(), %error, "the end of the session cannot be recorded");
        }
        Ok(keeps)
    }

    /// Why its files cannot be removed, as far as that is known beforehand. Does blocking I/O.
    pub(crate) fn hindrance(&self) -> Option<String> {
        session_folders::hindrance(self.root()?, self.id())
    }

    /// Whether it is ending, and may leave files.
    pub(crate) fn may_leave_files(&self) -> bool {
        let is_destroyed = self.destroyed.load(Ordering::Acquire);
        self.status().is_dead() && !is_destroyed && !self.over.is_cancelled()
    }

    /// Notes that somebody wants the session and its files gone.
    pub(crate) fn set_destroyed(&self) {
        self.destroyed.store(true, Ordering::Release);
    }
}
