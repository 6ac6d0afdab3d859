//! The terminal pane: the program in the session full screen, with one status line of ours.
//!
//! [`open`] suspends an async caller, [`open_blocking`] a thread; both run the view on a thread of its own, and both
//! give the user's terminal back exactly as they found it. The terminal in the session goes on.

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

use super::host::{Ended, TerminalHost, Viewer};
use super::prefix::PrefixKey;
use crate::terminal::{ColorDepth, ViewSignal, ViewSignals};
use std::sync::atomic::Ordering;

/// How the pane is opened.
#[derive(Clone, Debug)]
pub struct PaneOptions {
    /// The key that leaves and begins commands.
    pub prefix: PrefixKey,
    /// How many colours the user's terminal has.
    pub colors: ColorDepth,
    /// Selected text, and what the program asks to be copied, may go to the user's clipboard (OSC 52).
    pub clipboard: bool,
    /// A line editor waits behind the pane: it finds marked pastes switched on, as it had them.
    pub editor_waits: bool,
}

/// The rows that a program in the pane has, in a window of so many: one is the status line's, which a tiny window lacks.
pub fn rows_for_program(window: u16) -> u16 {
    if window >= 3 { window - 1 } else { window }
}

/// Why the pane was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The user left; the terminal goes on.
    Left,
    /// The terminal ended, or could never be opened. After [`Ended::Lost`] the pane stays until the user leaves it, so that the last screen can
    /// be read.
    Ended(Ended),
    /// The user's terminal is gone, or a signal says that we are to end.
    HungUp,
}

/// How the pane was left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PaneExit {
    /// Why.
    pub why: LeaveReason,
    /// What was typed after the key that leaves, as far as it had been read: for who comes next. Mostly empty, as the
    /// rest is still in the terminal's queue.
    pub typed: Vec<u8>,
}

/// Opens the pane and waits, with the runtime's other work going on, until it is left.
///
/// Not to be cancelled: the view would go on. Nothing else may read the keyboard or write to the terminal meanwhile.
///
/// # Errors
/// When standard input and output are not a terminal, or stop working.
pub async fn open(host: &TerminalHost, options: PaneOptions) -> io::Result<PaneExit> {
    let (done, result) = oneshot::channel();
    spawn(&Handle::current(), host, options, move |exit| drop(done.send(exit)))?;
    result.await.unwrap_or_else(|_| Err(broken()))
}

/// The same for a thread that is not the runtime's, such as one that a line editor has called back on.
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

/// Detaches the view, also when it panics.
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

/// Wakes the view and has it painted anew when the window changes and after a suspension. A window that went through
/// several sizes and back to the first shows what it made of the old picture, so the size alone does not tell.
/// Signals that end the program close the view, if somebody listens who will end it; else they have ended it already.
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
