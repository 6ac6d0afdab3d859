//! The terminal's initial state, and its restoration.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// The terminal while other programs have it too, whose modes are not to be restored.
static SHARED: OnceLock<SharedTerminal> = OnceLock::new();

struct SharedTerminal {
    /// Standard input may be something else.
    terminal: OwnedFd,
    termios: libc::termios,
    /// Whether this program has set its modes.
    is_taken: AtomicBool,
}

/// From here on other programs have this terminal too: its modes are restored only while this program has set them.
pub(super) fn share(terminal: OwnedFd) {
    if let Ok(found) = termios::tcgetattr(&terminal) {
        let at_start = initial_termios().copied().unwrap_or_else(|| found.into());
        SHARED.get_or_init(|| SharedTerminal {
            terminal,
            termios: at_start,
            is_taken: AtomicBool::new(false),
        });
    }
}

/// This program has set the modes of a terminal that is shared, or has given it back.
pub(super) fn note_shared(is_taken: bool) {
    if let Some(shared) = SHARED.get() {
        shared.is_taken.store(is_taken, Ordering::SeqCst);
    }
}

/// Whether other programs have the terminal too.
pub(super) fn is_shared() -> bool {
    SHARED.get().is_some()
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
    match (SHARED.get(), &initial.termios) {
        (Some(shared), _) if shared.is_taken.load(Ordering::SeqCst) => {
            set_now(shared.terminal.as_raw_fd(), &shared.termios);
        }
        (None, Some(termios)) => set_now(libc::STDIN_FILENO, termios),
        _ => {}
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
