//! The terminal state of full-screen views: raw keys, the alternate screen, and reports of the mouse, pastes and focus. The
//! previous state is restored however the view ends.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::modes::{RawMode, write_to_stdout};
use super::reset::{AFTER_RAW, LEAVE_ALTERNATE, PassthroughTracker};

/// The current user of the terminal.
static OWNER: AtomicU8 = AtomicU8::new(NO_OWNER);

/// Whether a prompt is behind the view, or has the terminal.
static AT_PROMPT: AtomicBool = AtomicBool::new(false);

const NO_OWNER: u8 = 0;
const VIEW: u8 = 1;
/// A program whose output passes unfiltered.
const PASSING: u8 = 2;
/// A program whose output passes unfiltered, on the alternate screen.
const PASSING_ALTERNATE: u8 = 3;

const ENTER: &[u8] = b"\x1b[?1049h\x1b[?1002h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[0m\x1b[2J\x1b[H";

const LEAVE: &[u8] =
    b"\x1b[?2026l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b>\x1b[0 q\
                       \x1b[0m\x1b[?25h\x1b[?1049l";

/// The mode that a line editor behind the view expects: bracketed paste.
const EDITOR_MODES: &[u8] = b"\x1b[?2004h";

/// A guard that holds the terminal for a full-screen view; dropping it restores the previous state. After
/// [`super::install`], a panic and signals that end or suspend the program leave the view too.
#[derive(Debug)]
pub struct FullScreen {
    editor_waits: bool,
    _keyboard: RawMode,
}

impl FullScreen {
    /// Enters the full-screen state. With `editor_waits`, bracketed paste is switched on again at the end, as the line
    /// editor expects. Unread input is kept for the next reader, on entering and on leaving.
    ///
    /// # Errors
    /// When standard input is not a terminal.
    pub fn enter(editor_waits: bool) -> io::Result<Self> {
        let keyboard = RawMode::enter()?;
        OWNER.store(VIEW, Ordering::SeqCst);
        enter_again();
        Ok(Self { editor_waits, _keyboard: keyboard })
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
        OWNER.store(NO_OWNER, Ordering::SeqCst);
        if self.editor_waits {
            write_to_stdout(EDITOR_MODES);
        }
    }
}

/// A guard while output passes to the terminal unfiltered: a panic, and signals that end or suspend the program, reset the modes
/// that the output may have left on. Dropping it does not reset them: see [`super::reset_sequences`].
#[derive(Debug)]
pub struct PassthroughGuard(());

impl PassthroughGuard {
    /// Starts the passthrough.
    pub fn enter() -> Self {
        OWNER.store(PASSING, Ordering::SeqCst);
        Self(())
    }

    /// Records whether the passed output is now on the alternate screen.
    pub fn update(&self, passed: &PassthroughTracker) {
        OWNER.store(if passed.is_alternate() { PASSING_ALTERNATE } else { PASSING }, Ordering::SeqCst);
    }
}

impl Drop for PassthroughGuard {
    fn drop(&mut self) {
        OWNER.store(NO_OWNER, Ordering::SeqCst);
    }
}

/// Leaves the view, if there is one, and resets modes that unfiltered output may have left on. Safe in a signal handler.
pub(super) fn leave() {
    match OWNER.load(Ordering::SeqCst) {
        VIEW => write_to_stdout(LEAVE),
        PASSING => write_to_stdout(AFTER_RAW.as_bytes()),
        PASSING_ALTERNATE => {
            write_to_stdout(LEAVE_ALTERNATE.as_bytes());
            write_to_stdout(AFTER_RAW.as_bytes());
        }
        _ => {}
    }
}

/// Enters the view again after a suspension, or sets the modes of the prompt. In passthrough, the caller must repaint. Safe in a
/// signal handler.
pub(super) fn enter_again() {
    match OWNER.load(Ordering::SeqCst) {
        VIEW => write_to_stdout(ENTER),
        NO_OWNER if AT_PROMPT.load(Ordering::SeqCst) => write_to_stdout(EDITOR_MODES),
        _ => {}
    }
}

/// A guard while a prompt has the terminal: a suspension must not leave the modes of its editor off.
#[derive(Debug)]
pub struct PromptGuard(());

impl PromptGuard {
    /// Starts the prompt. It sets and resets its modes itself.
    pub fn enter() -> Self {
        AT_PROMPT.store(true, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for PromptGuard {
    fn drop(&mut self) {
        AT_PROMPT.store(false, Ordering::SeqCst);
    }
}
