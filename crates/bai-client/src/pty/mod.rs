//! A terminal inside a session: one byte stream with a size, for every kind of source.
//!
//! Three sources: the app `ttyd` through a tunnel, as clusters have it (`docs/wire` §7.5); the `pty` stream
//! (§7.1), as the engine of bai-repl has it; any app whose protocol is `pty`. A lost link is restored automatically. The
//! user's own terminal is not part of this module: input and output are bytes.

mod connect;
mod driver;
mod handle;
mod link;

pub use handle::{LinkState, NotSent, PtyHandle, PtyStatus};

use super::error::ClientError;
use super::session::ComputeSession;
use bytes::Bytes;
use tokio::sync::mpsc;

/// The source of a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PtySource {
    /// The best source of the session: an app with protocol `pty`, else `ttyd`, else the `pty` stream.
    #[default]
    Auto,
    /// The app `ttyd` through a tunnel.
    Ttyd,
    /// The `pty` stream.
    Stream,
    /// The app of this name, with protocol `pty` or that of ttyd.
    App(String),
}

/// The options of a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PtyOptions {
    /// The source.
    pub source: PtySource,
    /// Rows of the window; zero counts as one.
    pub rows: u16,
    /// Columns of the window; zero counts as one.
    pub columns: u16,
}

impl Default for PtyOptions {
    /// The best source, in a window of 80 columns and 24 rows.
    fn default() -> Self {
        PtyOptions { source: PtySource::Auto, rows: 24, columns: 80 }
    }
}

/// An event of a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PtyEvent {
    /// Bytes for the screen, cut anywhere; at most 64 KiB at once.
    Output(Bytes),
    /// The link is down, with the reason. It is tried again until [`PtyEvent::LinkUp`]; after an error that does not
    /// pass, [`Pty`] has no more events. Typed bytes that are not yet sent are dropped.
    LinkDown(String),
    /// The link is up again. Output of the time between may be missing; ttyd and the engine of bai-repl repaint.
    LinkUp,
    /// The shell has ended. The last event.
    Exited {
        /// Exit code of the shell, if the source reports it; 128 plus the signal if one killed it.
        code: Option<i32>,
    },
}

/// A terminal inside a session: the receiver of its events. Its link lives until this is dropped.
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
    /// [`super::ErrorKind::Timeout`] when no terminal answers behind its app.
    pub async fn open(session: &ComputeSession, options: PtyOptions) -> Result<Pty, ClientError> {
        driver::start(session.at.clone(), options).await
    }

    /// The next event; `None` after the last one. Without [`PtyEvent::Exited`] before it, the terminal was lost: by an
    /// error that [`PtyEvent::LinkDown`] reports, or with the runtime on which it was opened. Cancel-safe. While no event
    /// is read, the program in the terminal has to wait (back-pressure).
    pub async fn next(&mut self) -> Option<PtyEvent> {
        self.events.recv().await
    }

    /// The next event, if there is one now.
    pub fn try_next(&mut self) -> Option<PtyEvent> {
        self.events.try_recv().ok()
    }

    /// The typing side.
    pub fn handle(&self) -> PtyHandle {
        self.handle.clone()
    }
}
