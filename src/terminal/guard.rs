//! Modes of the terminal, each a guard that puts back exactly what it found; and the last resort for a program that
//! does not end well: a panic hook and signal handlers that put back the state the program was started in.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use nix::sys::termios::{
    self, InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios,
};

use super::full_screen;
use super::secret::set_read_one;
use super::signals;

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

/// Remembers the terminal as it is now, so that a panic, SIGTERM, SIGHUP or a suspension (SIGTSTP) puts it back.
/// To be called once, first thing in `main`, before any other part installs signal handlers; later calls do nothing.
///
/// # Errors
/// When a signal handler cannot be installed.
pub fn install() -> io::Result<()> {
    let screen = super::Screen::detect();
    let home = InitialState {
        termios: termios::tcgetattr(io::stdin()).ok().map(libc::termios::from),
        escapes: screen.stdout_tty && !screen.dumb,
    };
    if INITIAL.set(home).is_err() {
        return Ok(());
    }
    install_panic_hook();
    signals::install_handlers()
}

/// Puts the terminal back as [`install`] found it. Safe to call at any time, also from a signal handler, also twice.
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

/// Sets standard input's modes by the one call that POSIX allows in a signal handler.
pub(super) fn set_now(termios: &libc::termios) {
    // SAFETY: the pointer is valid for the call, and tcsetattr is async-signal-safe. A failure (the terminal is
    // gone) leaves nothing to put back.
    #[allow(unsafe_code)]
    let _ = unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, termios) };
}

/// Standard input's modes now, by a call that POSIX allows in a signal handler.
pub(super) fn get_now() -> Option<libc::termios> {
    let mut found = std::mem::MaybeUninit::<libc::termios>::uninit();
    // SAFETY: tcgetattr fills the structure when it returns 0, and only then is it read.
    #[allow(unsafe_code)]
    unsafe {
        (libc::tcgetattr(libc::STDIN_FILENO, found.as_mut_ptr()) == 0).then(|| found.assume_init())
    }
}

/// The modes that the program was started with, if it was started on a terminal.
pub(super) fn initial_termios() -> Option<&'static libc::termios> {
    INITIAL.get().and_then(|home| home.termios.as_ref())
}

/// `write(2)` until all is written or it fails: no locks, no buffers.
pub(super) fn write_to_stdout(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of a live slice, and write is async-signal-safe.
        #[allow(unsafe_code)]
        let written = unsafe { libc::write(libc::STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        let Some(rest) = usize::try_from(written).ok().filter(|n| *n > 0).and_then(|n| bytes.get(n..)) else {
            return;
        };
        bytes = rest;
    }
}

/// The name of threads whose panics their owner sees and tells: nothing is shown of them.
pub const CONTAINED_THREAD: &str = "contained";

/// On the main thread a panic ends the program, so the terminal is put back before the message is shown. Elsewhere
/// the program goes on and its modes must stay: the message is one line that is readable in raw mode too.
fn install_panic_hook() {
    static RESTORED: AtomicBool = AtomicBool::new(false);
    let main = std::thread::current().id();
    let previous = std::panic::take_hook();
    let wants_backtrace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    std::panic::set_hook(Box::new(move |info| {
        let thread = std::thread::current();
        if thread.name() == Some(CONTAINED_THREAD) {
            tracing::error!(panic = %info, "contained");
            return;
        }
        let on_main = thread.id() == main;
        if on_main && !RESTORED.swap(true, Ordering::SeqCst) {
            restore();
        }
        if wants_backtrace && on_main {
            return previous(info);
        }
        let text = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        let line =
            format!("\r\nbai-repl: internal error: {text}{place}\r\nThis is a bug; please report it.\r\n");
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }));
}

/// Modes set on a descriptor; the ones found are put back on drop.
pub(super) struct TermiosGuard<'fd> {
    fd: BorrowedFd<'fd>,
    found: Termios,
}

impl<'fd> TermiosGuard<'fd> {
    /// Sets `mode` on `fd`.
    pub(super) fn switch(fd: BorrowedFd<'fd>, mode: &Termios, when: SetArg) -> io::Result<Self> {
        let found = termios::tcgetattr(fd)?;
        termios::tcsetattr(fd, when, mode)?;
        Ok(Self { fd, found })
    }
}

impl Drop for TermiosGuard<'_> {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(self.fd, SetArg::TCSADRAIN, &self.found);
    }
}

/// The keyboard without any processing: keys arrive as they are pressed, and none has a meaning to the terminal. Dropping it
/// gives back what was found.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Switches standard input over. Input that is typed but not yet read is kept, here and at the end.
    ///
    /// # Errors
    /// When standard input is not a terminal.
    pub fn enter() -> io::Result<Self> {
        // Without a terminal there, crossterm would take the controlling one, whose keys nobody reads.
        termios::tcgetattr(io::stdin())?;
        enable_raw_mode()?;
        Ok(Self(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = disable_raw_mode();
    }
}

/// The keyboard while a cell runs: nothing is echoed, and what is typed waits in the terminal's queue for the next
/// prompt, byte for byte. Ctrl-C comes as SIGINT, a key of choice as SIGQUIT, Ctrl-Z suspends; none of them empties the queue.
/// Output is processed as usual (`\n` returns the carriage). Dropping it puts back what it found.
#[derive(Debug)]
pub struct RunMode {
    stdin: io::Stdin,
    found: Termios,
}

impl RunMode {
    /// Switches standard input over; `None` when it is not a terminal, where there is nothing to switch. `quit` is the
    /// control character that comes as SIGQUIT, if one is to.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn enter(quit: Option<u8>) -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        let Ok(found) = termios::tcgetattr(&stdin) else { return Ok(None) };
        termios::tcsetattr(&stdin, SetArg::TCSANOW, &run_mode(&found, quit))?;
        Ok(Some(Self { stdin, found }))
    }
}

impl Drop for RunMode {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.stdin, SetArg::TCSANOW, &self.found);
    }
}

/// [`RunMode`]'s modes, made from the ones that were found.
fn run_mode(found: &Termios, quit: Option<libc::cc_t>) -> Termios {
    let mut mode = found.clone();
    mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::IEXTEN);
    mode.local_flags.insert(LocalFlags::ISIG | LocalFlags::NOFLSH);
    mode.output_flags.insert(OutputFlags::OPOST | OutputFlags::ONLCR);
    // Enter must reach the editor as the key that was pressed, not translated.
    mode.input_flags.remove(InputFlags::ICRNL | InputFlags::INLCR | InputFlags::IGNCR | InputFlags::ISTRIP);
    if let Some(slot) = mode.control_chars.get_mut(SpecialCharacterIndices::VQUIT as usize) {
        *slot = quit.unwrap_or(libc::_POSIX_VDISABLE);
    }
    set_read_one(&mut mode.control_chars);
    mode
}

/// True when this process's group has the terminal, so that it may change its modes without being stopped for it.
pub(super) fn in_foreground() -> bool {
    // SAFETY: both calls take plain integers and are async-signal-safe.
    #[allow(unsafe_code)]
    unsafe {
        libc::tcgetpgrp(libc::STDIN_FILENO) == libc::getpgrp()
    }
}
