//! The terminal's initial state, and its restoration.

use std::io;
use std::sync::OnceLock;

use nix::sys::termios;

use super::full_screen;
use super::modes::{set_now, write_to_stdout};

/// The state of the terminal when the program started.
static INITIAL: OnceLock<InitialState> = OnceLock::new();

struct InitialState {
    /// Modes of standard input, if it is a terminal.
    termios: Option<libc::termios>,
    /// Whether standard output is a terminal that supports escape sequences.
    escapes: bool,
}

/// Resets the modes that an editor or an interrupted cell may have left on: colours, a hidden cursor, bracketed paste.
const RESTORE_MODES: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?2004l";

/// Records the terminal's current state. Returns false if it was recorded before.
pub(super) fn remember() -> bool {
    let screen = super::Screen::detect();
    let initial = InitialState {
        termios: termios::tcgetattr(io::stdin()).ok().map(libc::termios::from),
        escapes: screen.stdout_tty && !screen.dumb,
    };
    INITIAL.set(initial).is_ok()
}

/// Restores the terminal's state at [`super::install`]. Safe to call at any time, repeatedly, and in a signal handler.
pub fn restore() {
    let Some(initial) = INITIAL.get() else { return };
    if let Some(termios) = &initial.termios {
        set_now(termios);
    }
    if initial.escapes {
        full_screen::leave();
        write_to_stdout(RESTORE_MODES);
    }
}

/// The modes at the start of the program, if it was started on a terminal.
pub(super) fn initial_termios() -> Option<&'static libc::termios> {
    INITIAL.get().and_then(|initial| initial.termios.as_ref())
}
