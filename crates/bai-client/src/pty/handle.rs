//! The typing side of a terminal, with which a view sends keys and sizes and shows the state of the link.

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

/// The connection of a terminal.
#[derive(Debug, Clone)]
pub struct PtyStatus {
    /// The service: the name of the app, or `pty` for the stream.
    pub service: String,
    /// The link.
    pub link: LinkState,
    /// The time of the last message from the peer.
    pub last_heard: Instant,
}

/// The state of a terminal's link.
#[derive(Debug, Clone)]
pub enum LinkState {
    /// The link is up.
    Up {
        /// The round-trip time of the latest ping.
        round_trip: Option<Duration>,
    },
    /// The link is down.
    Down {
        /// The time at which it was last known to be up.
        since: Instant,
        /// Why it is down.
        why: String,
    },
}

/// Why typed bytes were not sent. They are dropped, since keys must never appear later in another shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// There is no link now.
    #[error("the link is down; what you typed was not sent")]
    LinkDown,
    /// The peer reads more slowly than the user types; only from [`PtyHandle::try_send`].
    #[error("the other side is not reading; what you typed was not sent")]
    Full,
    /// The terminal has ended.
    #[error("the terminal has ended")]
    Closed,
}

/// Typed bytes, with the connection for which they were typed.
pub(super) struct Typed {
    pub(super) connection: u64,
    pub(super) bytes: Bytes,
}

/// The state that the handles share with their task.
#[derive(Clone)]
pub(super) struct PtyState {
    pub(super) status: PtyStatus,
    /// The number of the connection; zero means none yet.
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
    /// Sends typed bytes. Waits while the peer does not read (back-pressure). If the link breaks meanwhile, the rest is
    /// dropped. Not cancel-safe: a part of `bytes` may have been sent.
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

    /// Sets the window's size in cells; zero counts as one. Only the latest size is sent, so many changes cost few
    /// messages. A restored link gets the size first.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Size::new(rows, columns);
        self.size.send_if_modified(|old| std::mem::replace(old, size) != size);
    }

    /// Closes the link, dead or alive, and connects again at once.
    pub fn drop_link(&self) {
        self.cut.notify_one();
    }

    /// The current status.
    pub fn status(&self) -> PtyStatus {
        self.state.borrow().status.clone()
    }

    /// Waits until the status differs from when this was last called on this handle. Cancel-safe.
    ///
    /// # Errors
    /// [`NotSent::Closed`] when it can no longer change.
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
