//! What the browser and its tasks share. It does not draw and does not ask the session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::panes::shell::ViewWaker;
use crate::render::ImageViewer;
use bai_client::{ComputeSession, Upload};
use bai_protocol::files::FileEntry;

/// The session, and the runtime on which it is asked.
#[derive(Clone)]
pub(super) struct SessionAccess {
    pub(super) runtime: Handle,
    pub(super) session: ComputeSession,
}

/// What is shown on the whole window.
pub(super) enum OpenedFile {
    Text { title: String, path: String, text: String },
    Picture(ImageViewer),
}

/// What the view and its tasks share.
#[derive(Clone)]
pub(super) struct SharedBrowser {
    shared: Arc<Mutex<BrowserState>>,
    pub(super) waker: ViewWaker,
}

#[derive(Default)]
pub(super) struct BrowserState {
    /// The folder that is shown, and what is in it.
    pub(super) folder: String,
    pub(super) entries: Vec<FileEntry>,
    /// A listing, or a file to look at, is on its way.
    pub(super) busy: Option<(&'static str, AbortHandle)>,
    pub(super) opened: Option<OpenedFile>,
    pub(super) transfer: Option<Transfer>,
    pub(super) remark: Option<(String, bool)>,
    /// An upload whose target exists: the person is asked whether to replace it.
    pub(super) existing: Option<Upload>,
}

impl BrowserState {
    /// Gives up what is on its way to be shown.
    pub(super) fn give_up(&mut self) {
        if let Some((_, task)) = self.busy.take() {
            task.abort();
        }
    }
}

impl SharedBrowser {
    pub(super) fn new(waker: ViewWaker) -> Self {
        Self { shared: Arc::default(), waker }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BrowserState> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, text: impl Into<String>, bad: bool) {
        self.lock().remark = Some((text.into(), bad));
        self.waker.wake();
    }
}

/// A transfer that is under way.
pub(super) struct Transfer {
    pub(super) what: &'static str,
    pub(super) name: String,
    pub(super) done: u64,
    pub(super) size: u64,
    pub(super) task: Option<AbortHandle>,
}

impl Transfer {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, name: String::new(), done: 0, size: 0, task: None }
    }
}
