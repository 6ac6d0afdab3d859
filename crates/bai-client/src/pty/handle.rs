//! The typing side of a terminal: what a view holds to send keys, tell sizes and show how the link is.

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::{Notify, mpsc, watch};

/// The size of a window in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: u16,
    pub(super) columns: u16,
}

impl Size {
    pub(super) fn new(rows: u16, columns: u16) -> Self {
        Size { rows: rows.max(1), columns: columns.max(1) }
    }
}

/// How a terminal is connected.
#[derive(Debug, Clone)]
pub struct PtyStatus {
    /// What is behind it: the name of the app, or `pty` for the stream.
    pub service: String,
    /// The link.
    pub link: LinkState,
    /// When anything was last heard from the other side.
    pub last_heard: Instant,
}

/// The link of a terminal.
#[derive(Debug, Clone)]
pub enum LinkState {
    /// There is one.
    Up {
        /// How long the latest ping took there and back.
        round_trip: Option<Duration>,
    },
    /// There is none.
    Down {
        /// When it was last known to live.
        since: Instant,
        /// Why it is gone.
        why: String,
    },
}

/// Why typed bytes were not sent. They are dropped: keys must never appear in another shell, later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// There is no link now.
    #[error("the link is down; what you typed was not sent")]
    LinkDown,
    /// The other side reads more slowly than you type; only [`PtyHandle::try_send`] says so.
    #[error("the other side is not reading; what you typed was not sent")]
    Full,
    /// The terminal is over.
    #[error("the terminal has ended")]
    Closed,
}

/// Typed bytes, with the connection that they were typed into.
pub(super) struct Typed {
    pub(super) connection: u64,
    pub(super) bytes: Bytes,
}

/// What the handles and the task behind them share.
#[derive(Clone)]
pub(super) struct PtyState {
    pub(super) status: PtyStatus,
    /// Counts connections; zero is none yet.
    pub(super) connection: u64,
}

/// The typing side of a terminal. Cheap to clone; the terminal ends when its `Pty` is dropped, not before.
#[derive(Clone)]
pub struct PtyHandle {
    pub(super) input: mpsc::Sender<Typed>,
    pub(super) size: Arc<watch::Sender<Size>>,
    pub(super) state: watch::Receiver<PtyState>,
    pub(super) cut: Arc<Notify>,
}

/// Typed bytes travel in pieces of this size, so that a paste does not keep a ping waiting.
const PIECE: usize = 16 * 1024;

impl PtyHandle {
    /// Sends typed bytes. Waits while the other side does not read (back-pressure); what was begun on a link that
    /// dies meanwhile is dropped. Not cancel-safe: a part of `bytes` may have been sent.
    ///
    /// # Errors
    /// [`NotSent::LinkDown`], [`NotSent::Closed`]: none, or only a first part, of `bytes` was sent.
    pub async fn send(&self, mut bytes: Bytes) -> Result<(), NotSent> {
        let connection = self.connection()?;
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            let typed = Typed { connection, bytes: piece };
            self.input.send(typed).await.map_err(|_| NotSent::Closed)?;
            if self.connection()? != connection {
                return Err(NotSent::LinkDown);
            }
        }
        Ok(())
    }

    /// Sends typed bytes if there is room for them, without waiting.
    ///
    /// # Errors
    /// All of [`NotSent`]; no part of `bytes` was sent then.
    pub fn try_send(&self, bytes: Bytes) -> Result<(), NotSent> {
        let typed = Typed { connection: self.connection()?, bytes };
        self.input.try_send(typed).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotSent::Full,
            mpsc::error::TrySendError::Closed(_) => NotSent::Closed,
        })
    }

    /// Tells the window's size in cells; zero counts as one. Only the latest size counts: a storm of them costs a few
    /// messages. A link that comes back gets it first.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Size::new(rows, columns);
        self.size.send_if_modified(|old| std::mem::replace(old, size) != size);
    }

    /// Cuts the link, be it dead or alive, and tries again at once.
    pub fn drop_link(&self) {
        self.cut.notify_one();
    }

    /// How the link is.
    pub fn status(&self) -> PtyStatus {
        self.state.borrow().status.clone()
    }

    /// Waits until the status differs from when this was last called on this handle. Cancel-safe.
    ///
    /// # Errors
    /// [`NotSent::Closed`] when it will never differ again.
    pub async fn changed(&mut self) -> Result<PtyStatus, NotSent> {
        self.state.changed().await.map_err(|_| NotSent::Closed)?;
        Ok(self.state.borrow_and_update().status.clone())
    }

    fn connection(&self) -> Result<u64, NotSent> {
        if self.input.is_closed() {
            return Err(NotSent::Closed);
        }
        let state = self.state.borrow();
        match state.status.link {
            LinkState::Up { .. } => Ok(state.connection),
            LinkState::Down { .. } => Err(NotSent::LinkDown),
        }
    }
}

impl fmt::Debug for PtyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PtyHandle").field("status", &self.status()).finish_non_exhaustive()
    }
}
