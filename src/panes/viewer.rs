//! An open view as other threads see it: they set a flag or a text, and wake the view.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::wake_pipe::WakePipe;

/// An open view.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) wake: WakePipe,
    /// Whether the bell rang since the last check.
    pub(super) bell: AtomicBool,
    /// Whether the window must be repainted (it was resized, or the program was suspended).
    pub(super) redraw: AtomicBool,
    /// Whether the program continues after a suspension.
    pub(super) continued: AtomicBool,
    /// Whether a signal asks this program to end.
    pub(super) hung_up: AtomicBool,
    /// The text that the program puts into the clipboard.
    pub(super) clipboard: Mutex<Option<String>>,
    /// The program's raw output, for a view that passes it through.
    pub(super) tap: Option<mpsc::Sender<Bytes>>,
    /// Whether the real terminal answers the program's queries instead of the model.
    pub(super) terminal_answers: bool,
    /// Notified when the view closes, so that a full tap does not block.
    pub(super) closed: Notify,
}

impl Viewer {
    pub(super) fn new(
        tap: Option<mpsc::Sender<Bytes>>,
        terminal_answers: bool,
    ) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            wake: WakePipe::new()?,
            bell: AtomicBool::new(false),
            redraw: AtomicBool::new(false),
            continued: AtomicBool::new(false),
            hung_up: AtomicBool::new(false),
            clipboard: Mutex::new(None),
            tap,
            terminal_answers,
            closed: Notify::new(),
        }))
    }
}
