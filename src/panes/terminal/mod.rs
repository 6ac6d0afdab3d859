//! The terminal pane: the program in the session, full screen with a status line.
//!
//! [`open`] is for async callers, [`open_blocking`] for threads. Both run the view on a separate thread, and restore the
//! user's terminal afterwards. The terminal in the session continues.

mod copying;
mod keys;
mod pace;
mod pane;
mod pointer;
mod pointer_state;
pub(super) mod view;

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::clipboard::Clipboard;
use super::host::{Ended, TerminalHost};
use super::prefix::PrefixKey;
use super::viewer::Viewer;
use crate::terminal::{ColorDepth, ViewSignal, ViewSignals};
use std::sync::atomic::Ordering;

/// Options of the pane.
#[derive(Clone, Debug)]
pub struct PaneOptions {
    /// The prefix key.
    pub prefix: PrefixKey,
    /// Colour depth of the user's terminal.
    pub colors: ColorDepth,
    /// What the program may do with the user's clipboard.
    pub clipboard: Arc<Clipboard>,
    /// Whether a line editor waits behind the pane. Then bracketed paste is switched on afterwards, as it expects.
    pub editor_waits: bool,
}

/// The rows for the program in a window of this height: all except the status line, which a tiny window does not have.
pub fn rows_for_program(window: u16) -> u16 {
    if window >= 3 { window - 1 } else { window }
}

/// The reason why the pane was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The user left; the terminal continues.
    Left,
    /// The same, and the user leaves what runs behind the pane, too.
    Detached,
    /// The terminal ended, or could not be opened. After [`Ended::Lost`] the pane stays open until the user leaves it, so that
    /// the user can read the last screen.
    Ended(Ended),
    /// The user's terminal is gone, or a signal asks this program to end.
    HungUp,
}

/// The result of a pane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PaneExit {
    /// The reason.
    pub why: LeaveReason,
    /// Bytes that were read after the key that leaves, for the next reader. Mostly empty: unread bytes stay in the terminal's
    /// queue.
    pub typed: Vec<u8>,
}

/// Opens the pane and waits until it is left.
///
/// Not cancel-safe: the view would continue. No other code may read the keyboard or write to the terminal meanwhile.
///
/// # Errors
/// When standard input and output are not a terminal, or stop working.
pub async fn open(host: &TerminalHost, options: PaneOptions) -> io::Result<PaneExit> {
    let (done, result) = oneshot::channel();
    spawn(&Handle::current(), host, options, move |exit| drop(done.send(exit)))?;
    result.await.unwrap_or_else(|_| Err(broken()))
}

/// Opens the pane as [`open`] does and blocks the thread, which must not be a runtime's thread. It is for callbacks of a line
/// editor.
///
/// # Errors
/// As [`open`].
pub fn open_blocking(runtime: &Handle, host: &TerminalHost, options: PaneOptions) -> io::Result<PaneExit> {
    let (done, result) = std::sync::mpsc::channel();
    spawn(runtime, host, options, move |exit| drop(done.send(exit)))?;
    result.recv().unwrap_or_else(|_| Err(broken()))
}

fn broken() -> io::Error {
    io::Error::other("the terminal pane broke; this is a bug")
}

fn spawn(
    runtime: &Handle,
    host: &TerminalHost,
    options: PaneOptions,
    done: impl FnOnce(io::Result<PaneExit>) + Send + 'static,
) -> io::Result<()> {
    let viewer = Viewer::new(None, false)?;
    let shared = Arc::clone(&host.shared);
    let watcher = watch_signals(runtime, &viewer)?;
    std::thread::Builder::new().name("pane".to_owned()).spawn(move || {
        let _ = shared.attach(&viewer);
        let attached = Attached { shared: &shared, viewer: &viewer, watcher };
        let exit = pane::run(&shared, &viewer, &options);
        drop(attached);
        done(exit);
    })?;
    Ok(())
}

/// A guard that detaches the view, also when it panics.
pub(super) struct Attached<'a> {
    pub(super) shared: &'a super::host::HostState,
    pub(super) viewer: &'a Arc<Viewer>,
    pub(super) watcher: tokio::task::AbortHandle,
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.watcher.abort();
        self.shared.detach(self.viewer);
    }
}

/// Wakes the view and makes it repaint after a change of the window and after a suspension. Comparing sizes is not enough: a
/// window that was resized several times and back has a damaged screen at the same size. Fatal signals close the view; a
/// listener elsewhere ends the program.
pub(super) fn watch_signals(runtime: &Handle, viewer: &Arc<Viewer>) -> io::Result<tokio::task::AbortHandle> {
    let _context = runtime.enter();
    let mut signals = ViewSignals::listen()?;
    let viewer = Arc::clone(viewer);
    let task = runtime.spawn(async move {
        loop {
            match signals.recv().await {
                ViewSignal::Resized => {}
                ViewSignal::Continued => viewer.continued.store(true, Ordering::Release),
                ViewSignal::Closing => viewer.hung_up.store(true, Ordering::Release),
            }
            viewer.redraw.store(true, Ordering::Release);
            viewer.wake.ring();
        }
    });
    Ok(task.abort_handle())
}
