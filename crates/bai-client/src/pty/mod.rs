//! A terminal inside a session: one byte stream with a size, whatever is behind it.
//!
//! Three sources: the app `ttyd` through a tunnel, as clusters have it (`docs/wire` §7.5); the `pty` stream
//! (§7.1), as the engine of bai-repl has it; any app whose protocol is `pty`. The link comes back by itself. No terminal of the
//! user's lives here: what is typed comes in as bytes, what is printed goes out as bytes.

mod connect;
mod driver;
mod handle;
mod link;

pub use handle::{LinkState, NotSent, PtyHandle, PtyStatus};

use super::error::ClientError;
use super::session::ComputeSession;
use bytes::Bytes;
use tokio::sync::mpsc;

/// Where the terminal comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PtySource {
    /// What the session offers: an app with protocol `pty`, else `ttyd`, else the `pty` stream.
    #[default]
    Auto,
    /// The app `ttyd` through a tunnel.
    Ttyd,
    /// The `pty` stream.
    Stream,
    /// The app of this name: protocol `pty`, or one that speaks as ttyd does.
    App(String),
}

/// How a terminal is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PtyOptions {
    /// Where it comes from.
    pub source: PtySource,
    /// Rows of the window; zero counts as one.
    pub rows: u16,
    /// Columns of the window; zero counts as one.
    pub columns: u16,
}

/// What happens to a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PtyEvent {
    /// Bytes for the screen, cut anywhere; at most 64 KiB at once.
    Output(Bytes),
    /// The link is gone, and why. It is tried again until [`PtyEvent::LinkUp`], or until [`Pty`] has no more
    /// events, if trying again is of no use. What was typed and not yet sent is dropped.
    LinkDown(String),
    /// The link is back. What the program printed meanwhile may be missing; ttyd and the engine of bai-repl repaint.
    LinkUp,
    /// The shell has ended, with its exit code where the source tells. The last event.
    Exited {
        /// Exit code of the shell; 128 and the signal if one killed it.
        code: Option<i32>,
    },
}

/// A terminal inside a session: the side on which things happen. Its link lives until this is dropped.
#[derive(Debug)]
pub struct Pty {
    events: mpsc::Receiver<PtyEvent>,
    handle: PtyHandle,
}

impl Pty {
    /// Opens a terminal and waits until it has answered.
    ///
    /// # Errors
    /// What the server says; [`super::ErrorKind::NotFound`] when the session has no such app;
    /// [`super::ErrorKind::Timeout`] when there is no terminal behind what it has.
    pub async fn open(session: &ComputeSession, options: PtyOptions) -> Result<Pty, ClientError> {
        driver::start(session.at.clone(), options).await
    }

    /// The next event; `None` after the last one. Cancel-safe. While nobody asks, the program in the
    /// terminal has to wait (back-pressure).
    pub async fn next(&mut self) -> Option<PtyEvent> {
        self.events.recv().await
    }

    /// What happens next if it has happened already.
    pub fn try_next(&mut self) -> Option<PtyEvent> {
        self.events.try_recv().ok()
    }

    /// The typing side.
    pub fn handle(&self) -> PtyHandle {
        self.handle.clone()
    }
}
