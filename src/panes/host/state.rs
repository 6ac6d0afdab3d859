//! The state that the tasks of a terminal and its views share: the screen model, the queue of typed bytes, and the open view.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::event::{Ended, HostEvent};
use crate::panes::source::Keys;
use crate::panes::viewer::Viewer;
use crate::terminal::model::{Model, ModelEvent, Modes};
use bai_client::pty::{LinkState, NotSent, PtyStatus};

/// Maximum bytes fed to the screen model at once: a view that wants to paint waits for one slice at most.
const SLICE: usize = 4096;
/// If a slice takes longer, the next ones are shorter.
const SLICE_TIME: Duration = Duration::from_millis(2);
/// Maximum typed bytes that wait for a program that does not read. More are refused, so that the keyboard is always read and
/// the prefix key always works.
const MAX_TYPED: usize = 16 * 1024 * 1024;
/// Maximum raw output kept before the first view opens, in bytes.
const MAX_EARLY: usize = 64 * 1024;

/// The state that the tasks and the views share.
pub(in crate::panes) struct HostState {
    pub(super) session: String,
    /// A fair lock: a view gets it after the current slice.
    pub(in crate::panes) model: tokio::sync::Mutex<Model>,
    /// A copy of the model's modes, so that a key never waits for the model.
    pub(super) modes: Mutex<Modes>,
    pub(super) keys: Box<dyn Keys>,
    pub(super) typed: mpsc::UnboundedSender<TypedBytes>,
    /// Number of typed bytes in the queue.
    pub(super) waiting: AtomicUsize,
    /// Number of losses of the link: bytes typed before the last loss are not sent.
    pub(super) losses: AtomicU64,
    /// The reason why typed bytes were lost, until a view has reported it.
    pub(super) refused: Mutex<Option<NotSent>>,
    pub(super) viewer: Mutex<Option<Arc<Viewer>>>,
    /// All output so far; `None` after the first view, after too much output, or after a query.
    pub(super) early: Mutex<Option<Vec<u8>>>,
    /// A message from outside the terminal, for the status line.
    pub(super) message: Mutex<Option<String>>,
    pub(super) ended: OnceLock<Ended>,
}

impl std::fmt::Debug for HostState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostState")
            .field("session", &self.session)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Bytes that were typed after this number of losses of the link.
pub(super) struct TypedBytes {
    pub(super) losses: u64,
    pub(super) bytes: Bytes,
}

impl HostState {
    pub(in crate::panes) fn session(&self) -> &str {
        &self.session
    }

    pub(in crate::panes) fn modes(&self) -> Modes {
        *lock(&self.modes)
    }

    pub(in crate::panes) fn status(&self) -> PtyStatus {
        self.keys.status()
    }

    pub(in crate::panes) fn ended(&self) -> Option<&Ended> {
        self.ended.get()
    }

    pub(in crate::panes) fn is_open(&self) -> bool {
        self.keys.is_open()
    }

    pub(in crate::panes) fn message(&self) -> Option<String> {
        lock(&self.message).clone()
    }

    pub(in crate::panes) fn drop_link(&self) {
        self.keys.drop_link();
    }

    /// Takes the reason why typed bytes were lost since the last call, if any were.
    pub(in crate::panes) fn take_refused(&self) -> Option<NotSent> {
        lock(&self.refused).take()
    }

    /// Queues typed bytes without waiting.
    pub(in crate::panes) fn send(&self, bytes: Bytes) -> Result<(), NotSent> {
        if self.ended.get().is_some() {
            return Err(NotSent::Closed);
        }
        if matches!(self.keys.status().link, LinkState::Down { .. }) {
            return Err(NotSent::LinkDown);
        }
        self.queue(bytes)
    }

    fn queue(&self, bytes: Bytes) -> Result<(), NotSent> {
        let length = bytes.len();
        if self.waiting.fetch_add(length, Ordering::AcqRel) + length > MAX_TYPED {
            self.waiting.fetch_sub(length, Ordering::AcqRel);
            return Err(NotSent::Full);
        }
        let losses = self.losses.load(Ordering::Acquire);
        self.typed.send(TypedBytes { losses, bytes }).map_err(|_| NotSent::Closed)
    }

    /// Resizes the model, then the program. Do not call it on the runtime's thread. The order matters: output for the new size
    /// must not reach a model of the old size.
    pub(in crate::panes) fn resize(&self, columns: u16, rows: u16) {
        self.model.blocking_lock().resize(columns, rows);
        self.keys.resize(rows, columns);
    }

    /// Attaches a view. Returns the raw output so far, if this is the first view and the output is still complete.
    pub(in crate::panes) fn attach(&self, viewer: &Arc<Viewer>) -> Option<Vec<u8>> {
        *lock(&self.viewer) = Some(Arc::clone(viewer));
        // The view has not seen earlier events.
        viewer.wake.ring();
        lock(&self.early).take()
    }

    /// Keeps output before the first view, until the model answers a query: a real terminal must not answer it again.
    fn keep_early(&self, bytes: &[u8], answered: bool) {
        let mut early = lock(&self.early);
        if let Some(kept) = &mut *early {
            if answered || kept.len() + bytes.len() > MAX_EARLY {
                *early = None;
            } else {
                kept.extend_from_slice(bytes);
            }
        }
    }

    pub(in crate::panes) fn detach(&self, viewer: &Arc<Viewer>) {
        let mut slot = lock(&self.viewer);
        if slot.as_ref().is_some_and(|open| Arc::ptr_eq(open, viewer)) {
            *slot = None;
        }
        viewer.closed.notify_one();
    }

    pub(super) fn viewer(&self) -> Option<Arc<Viewer>> {
        lock(&self.viewer).clone()
    }

    pub(super) fn wake(&self) {
        if let Some(viewer) = self.viewer() {
            viewer.wake.ring();
        }
    }

    pub(super) async fn take_output(&self, bytes: &Bytes, events: &mpsc::Sender<HostEvent>) {
        let mut rest = bytes.clone();
        let mut length = SLICE;
        while !rest.is_empty() {
            let slice = rest.split_to(length.min(rest.len()));
            let began = Instant::now();
            // A view attaches under the model's lock: it paints what was fed before, and taps what is fed after.
            let (viewer, answers, model_events) = {
                let mut model = self.model.lock().await;
                model.feed(&slice);
                *lock(&self.modes) = model.modes();
                let answers = model.take_answers();
                let viewer = self.viewer();
                if viewer.is_none() {
                    self.keep_early(&slice, !answers.is_empty());
                }
                (viewer, answers, model.take_events())
            };
            // Some bytes take a thousand times longer than others, for example to clear the screen.
            length =
                if began.elapsed() > SLICE_TIME { (length / 4).max(64) } else { (length * 2).min(SLICE) };
            if let Some(viewer) = &viewer
                && let Some(tap) = &viewer.tap
            {
                tokio::select! {
                    biased;
                    _ = tap.send(slice) => {}
                    () = viewer.closed.notified() => {}
                }
            }
            let terminal_answers = viewer.as_ref().is_some_and(|viewer| viewer.terminal_answers);
            if !answers.is_empty() && !terminal_answers {
                // A program that sends queries and does not read gets no answer.
                let _ = self.queue(answers.into());
            }
            self.report(model_events, viewer.as_deref(), events).await;
            if let Some(viewer) = viewer {
                viewer.wake.ring();
            }
        }
    }

    async fn report(
        &self,
        model_events: Vec<ModelEvent>,
        viewer: Option<&Viewer>,
        events: &mpsc::Sender<HostEvent>,
    ) {
        for event in model_events {
            match (event, viewer) {
                (ModelEvent::Bell, Some(viewer)) => viewer.bell.store(true, Ordering::Release),
                (ModelEvent::Bell, None) => drop(events.try_send(HostEvent::Bell)),
                (ModelEvent::Clipboard(text), Some(viewer)) => *lock(&viewer.clipboard) = Some(text),
                (ModelEvent::Title, None) => {
                    let title = self.model.lock().await.title();
                    let _ = events.try_send(HostEvent::Title(title));
                }
                // Without a view, a program cannot set the clipboard. With a view, the status line shows the title.
                (ModelEvent::Clipboard(_), None) | (ModelEvent::Title, Some(_)) => {}
            }
        }
    }
}

pub(in crate::panes) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
