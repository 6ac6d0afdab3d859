//! The state that the file browser and its tasks share. This module does not draw and does not send requests.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::panes::shell::ViewWaker;
use crate::render::ImageViewer;
use bai_client::{ComputeSession, Upload};
use bai_protocol::files::FileEntry;

/// The session, and the runtime for requests to it.
#[derive(Clone)]
pub(super) struct SessionAccess {
    pub(super) runtime: Handle,
    pub(super) session: ComputeSession,
}

/// A file to show in a full-screen view.
pub(super) enum OpenedFile {
    Text { title: String, path: String, text: String },
    Picture(ImageViewer),
}

/// The state that the view and its tasks share.
#[derive(Clone)]
pub(super) struct SharedBrowser {
    shared: Arc<Mutex<BrowserState>>,
    pub(super) waker: ViewWaker,
}

#[derive(Default)]
pub(super) struct BrowserState {
    /// The shown folder and its entries.
    pub(super) folder: String,
    pub(super) entries: Vec<FileEntry>,
    /// The pending request: a listing, or a file to show.
    pub(super) busy: Option<(&'static str, AbortHandle)>,
    pub(super) opened: Option<OpenedFile>,
    pub(super) transfer: Option<Transfer>,
    /// A message for the status line, and whether it is an error.
    pub(super) message: Option<(String, bool)>,
    /// A transfer whose target exists: the user is asked whether to replace it.
    pub(super) existing: Option<RefusedTransfer>,
}

/// A transfer that would replace a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RefusedTransfer {
    Upload(Upload),
    Download { path: String, to: PathBuf },
}

impl BrowserState {
    /// Cancels the pending request.
    pub(super) fn cancel_request(&mut self) {
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

    pub(super) fn show_message(&self, text: impl Into<String>, is_error: bool) {
        self.lock().message = Some((text.into(), is_error));
        self.waker.wake();
    }
}

/// A running transfer.
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
