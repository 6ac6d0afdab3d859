//! The terminal as a full-screen view has it: raw keys, the alternate screen, mouse, marked pastes and focus changes
//! told; and everything as it was when the view ends, in whichever way.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use super::modes::{RawMode, write_to_stdout};
use super::reset::{AFTER_RAW, LEAVE_ALTERNATE, PassthroughTracker};

/// Who has the terminal now.
static HELD: AtomicU8 = AtomicU8::new(NOBODY);

const NOBODY: u8 = 0;
const VIEW: u8 = 1;
/// A program whose output passes unfiltered.
const PASSING: u8 = 2;
/// The same, on the alternate screen.
const PASSING_ALTERNATE: u8 = 3;

const ENTER: &[u8] = b"\x1b[?1049h\x1b[?1002h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[0m\x1b[2J\x1b[H";

const LEAVE: &[u8] =
    b"\x1b[?2026l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b>\x1b[0 q\
                       \x1b[0m\x1b[?25h\x1b[?1049l";

/// What a line editor expects that waits behind the view.
const EDITOR: &[u8] = b"\x1b[?2004h";

/// Holds the terminal for a full-screen view; dropping it gives back exactly what was found. A panic, SIGTERM, SIGHUP
/// and SIGTSTP leave the view too, after [`super::install`].
#[derive(Debug)]
pub struct FullScreen {
    editor_waits: bool,
    _keyboard: RawMode,
}

impl FullScreen {
    /// Takes the terminal over. With `editor_waits` marked pastes are switched on again at the end, as the line editor
    /// had them. What is typed and not yet read stays for who comes next, at both ends.
    ///
    /// # Errors
    /// When standard input is not a terminal.
    pub fn enter(editor_waits: bool) -> io::Result<Self> {
        let keyboard = RawMode::enter()?;
        HELD.store(VIEW, Ordering::SeqCst);
        enter_again();
        Ok(Self { editor_waits, _keyboard: keyboard })
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
        HELD.store(NOBODY, Ordering::SeqCst);
        if self.editor_waits {
            write_to_stdout(EDITOR);
        }
    }
}

/// Tells that output passes to the terminal unfiltered, so that a panic, SIGTERM, SIGHUP and SIGTSTP undo what it may
/// have left on. Dropping it undoes nothing: see [`super::reset_sequences`].
#[derive(Debug)]
pub struct PassthroughGuard(());

impl PassthroughGuard {
    /// From now on.
    pub fn enter() -> Self {
        HELD.store(PASSING, Ordering::SeqCst);
        Self(())
    }

    /// Tells what has passed.
    pub fn tell(&self, passed: &PassthroughTracker) {
        HELD.store(if passed.is_alternate() { PASSING_ALTERNATE } else { PASSING }, Ordering::SeqCst);
    }
}

impl Drop for PassthroughGuard {
    fn drop(&mut self) {
        HELD.store(NOBODY, Ordering::SeqCst);
    }
}

/// Leaves the view, if there is one, and undoes what unfiltered output may have left on. Safe in a signal handler.
pub(super) fn leave() {
    match HELD.load(Ordering::SeqCst) {
        VIEW => write_to_stdout(LEAVE),
        PASSING => write_to_stdout(AFTER_RAW.as_bytes()),
        PASSING_ALTERNATE => {
            write_to_stdout(LEAVE_ALTERNATE.as_bytes());
            write_to_stdout(AFTER_RAW.as_bytes());
        }
        _ => {}
    }
}

/// Enters the view again that was left for a suspension; who passes output through repaints. Safe in a signal handler.
pub(super) fn enter_again() {
    if HELD.load(Ordering::SeqCst) == VIEW {
        write_to_stdout(ENTER);
    }
}
