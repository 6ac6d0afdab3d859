//! The state that the program was started in, and the way back to it.

use std::io;
use std::sync::OnceLock;

use nix::sys::termios;

use super::full_screen;
use super::modes::{set_now, write_to_stdout};

/// The state of the terminal when the program started.
static INITIAL: OnceLock<InitialState> = OnceLock::new();

struct InitialState {
    /// Of standard input, if that is a terminal.
    termios: Option<libc::termios>,
    /// Standard output is a terminal that understands escape sequences.
    escapes: bool,
}

/// What may be left on by an editor or by a cell that was cut short: colours, a hidden cursor, bracketed paste.
const RESTORE_MODES: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?2004l";

/// Remembers the terminal as it is now. False when that was done before.
pub(super) fn remember() -> bool {
    let screen = super::Screen::detect();
    let initial = InitialState {
        termios: termios::tcgetattr(io::stdin()).ok().map(libc::termios::from),
        escapes: screen.stdout_tty && !screen.dumb,
    };
    INITIAL.set(initial).is_ok()
}

/// Puts the terminal back as [`super::install`] found it. Safe to call at any time, also from a signal handler, also twice.
pub fn restore() {
    let Some(home) = INITIAL.get() else { return };
    if let Some(termios) = &home.termios {
        set_now(termios);
    }
    if home.escapes {
        full_screen::leave();
        write_to_stdout(RESTORE_MODES);
    }
}

/// The modes that the program was started with, if it was started on a terminal.
pub(super) fn initial_termios() -> Option<&'static libc::termios> {
    INITIAL.get().and_then(|home| home.termios.as_ref())
}
