//! The turns of a session: its runs follow each other. A turn knows the socket that was opened ahead for its run, and its end is when the
//! next one is opened. What a run has seen of the kernel's end, the next one knows.

use super::ahead::Ahead;
use super::socket::SocketLink;
use crate::session_ref::SessionRef;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of one session: one run at a time.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    ahead: Arc<Ahead>,
    kernel_ended: Arc<AtomicBool>,
    keeps: Arc<AtomicBool>,
}

impl Turns {
    /// The turns that this semaphore of one permit gives.
    pub(crate) fn new(free: Arc<Semaphore>) -> Self {
        Turns { free, ahead: Arc::default(), kernel_ended: Arc::default(), keeps: Arc::default() }
    }

    /// Waits for the end of the run that is under way.
    pub(crate) async fn take(&self) -> Option<Turn> {
        let permit = self.free.clone().acquire_owned().await.ok()?;
        Some(self.turn(permit))
    }

    /// Takes the turn if no run is under way.
    pub(crate) fn try_take(&self) -> Option<Turn> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        Some(self.turn(permit))
    }

    fn turn(&self, permit: OwnedSemaphorePermit) -> Turn {
        Turn {
            _permit: permit,
            ahead: self.ahead.clone(),
            kernel_ended: self.kernel_ended.clone(),
            keeps: self.keeps.load(Ordering::Relaxed),
        }
    }

    /// Whether the kernel of the session keeps the output of runs, from now on.
    pub(crate) fn set_keeps(&self, keeps: bool) {
        self.keeps.store(keeps, Ordering::Relaxed);
    }

    /// Whether the kernel of the session keeps the output of runs.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// Waits until no run is under way.
    pub(crate) async fn is_over(&self) {
        let _ = self.free.acquire().await;
    }

    /// Whether no run is under way.
    pub(crate) fn is_free(&self) -> bool {
        self.free.available_permits() > 0
    }

    /// Whether the socket of the next run is open.
    #[cfg(test)]
    pub(crate) fn is_open_ahead(&self) -> bool {
        self.ahead.is_open()
    }

    /// Opens the socket of the next run now, and that of each later one when the run before it has ended.
    pub(crate) fn open_ahead(&self, session: &SessionRef) {
        self.ahead.keep(session);
    }
}

/// The turn of a run, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    ahead: Arc<Ahead>,
    /// Whether the kernel of the session had ended when somebody last looked.
    pub(super) kernel_ended: Arc<AtomicBool>,
    /// Whether the kernel keeps the output of runs.
    pub(super) keeps: bool,
}

impl Turn {
    /// The socket that is open for this run.
    pub(super) fn socket(&self) -> Option<SocketLink> {
        self.ahead.take()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.ahead.run_is_over();
    }
}
