//! What a terminal is connected to: [`Pty`] of the client, or in tests a program on this machine.

use std::future::Future;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use bai_client::pty::{NotSent, Pty, PtyEvent, PtyHandle, PtyStatus};

/// The side on which things happen.
pub trait Source: Send + 'static {
    /// The typing side.
    type Keys: Keys;

    /// The next event; `None` after the last. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<PtyEvent>> + Send;

    /// The typing side.
    fn keys(&self) -> Self::Keys;
}

/// The typing side.
pub trait Keys: Send + Sync + 'static {
    /// Sends typed bytes; waits while the other side does not read.
    fn send(&self, bytes: Bytes) -> BoxFuture<'_, Result<(), NotSent>>;

    /// Tells the window's size in cells.
    fn resize(&self, rows: u16, columns: u16);

    /// Cuts the link, so that a new one is tried.
    fn drop_link(&self);

    /// How the link is.
    fn status(&self) -> PtyStatus;

    /// False while the terminal has yet to be opened: what is sent waits for it.
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
