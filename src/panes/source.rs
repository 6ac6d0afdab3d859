//! The connection of a terminal: [`Pty`] of the client, or in tests a local program.

use std::future::Future;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use bai_client::pty::{NotSent, Pty, PtyEvent, PtyHandle, PtyStatus};

/// The output side of a terminal: a source of events.
pub trait Source: Send + 'static {
    /// The input side.
    type Keys: Keys;

    /// Returns the next event; `None` after the last. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<PtyEvent>> + Send;

    /// Returns the input side.
    fn keys(&self) -> Self::Keys;
}

/// The input side of a terminal.
pub trait Keys: Send + Sync + 'static {
    /// Sends typed bytes; waits while the program does not read.
    fn send(&self, bytes: Bytes) -> BoxFuture<'_, Result<(), NotSent>>;

    /// Sets the size of the window in cells.
    fn resize(&self, rows: u16, columns: u16);

    /// Drops the link, so that it is reconnected.
    fn drop_link(&self);

    /// The status of the link.
    fn status(&self) -> PtyStatus;

    /// Whether the terminal is open. Until then, sent bytes wait.
    fn is_open(&self) -> bool {
        true
    }
}

impl Source for Pty {
    type Keys = PtyHandle;

    fn next(&mut self) -> impl Future<Output = Option<PtyEvent>> + Send {
        Pty::next(self)
    }

    fn keys(&self) -> PtyHandle {
        self.handle()
    }
}

impl Keys for PtyHandle {
    fn send(&self, bytes: Bytes) -> BoxFuture<'_, Result<(), NotSent>> {
        Box::pin(PtyHandle::send(self, bytes))
    }

    fn resize(&self, rows: u16, columns: u16) {
        PtyHandle::resize(self, rows, columns);
    }

    fn drop_link(&self) {
        PtyHandle::drop_link(self);
    }

    fn status(&self) -> PtyStatus {
        PtyHandle::status(self)
    }
}
