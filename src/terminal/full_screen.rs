//! The terminal as a full-screen view has it: raw keys, the alternate screen, mouse, marked pastes and focus changes
//! told; and everything as it was when the view ends, in whichever way.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::termios::{self, SetArg, Termios};

use super::guard::write_to_stdout;

/// A view has the terminal now.
static ACTIVE: AtomicBool = AtomicBool::new(false);

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
    found: Termios,
    editor_waits: bool,
}

impl FullScreen {
    /// Takes the terminal over. With `editor_waits` marked pastes are switched on again at the end, as the line editor
    /// had them. What is typed and not yet read stays for who comes next, at both ends.
    ///
    /// # Errors
    /// When standard input is not a terminal.
    pub fn enter(editor_waits: bool) -> io::Result<Self> {
        let stdin = io::stdin();
        let found = termios::tcgetattr(stdin.as_fd())?;
        let mut raw = found.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(stdin.as_fd(), SetArg::TCSADRAIN, &raw)?;
        ACTIVE.store(true, Ordering::SeqCst);
        enter_again();
        Ok(Self { found, editor_waits })
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
        ACTIVE.store(false, Ordering::SeqCst);
        if self.editor_waits {
            write_to_stdout(EDITOR);
        }
        let _ = termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, &self.found);
    }
}

/// Leaves the view, if there is one. Safe in a signal handler.
pub(super) fn leave() {
    if ACTIVE.load(Ordering::SeqCst) {
        write_to_stdout(LEAVE);
    }
}

/// Enters the view again that was left for a suspension. Safe in a signal handler.
pub(super) fn enter_again() {
    if ACTIVE.load(Ordering::SeqCst) {
        write_to_stdout(ENTER);
    }
}
