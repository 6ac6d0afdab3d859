//! Modes of the terminal, each a guard that puts back exactly what it found, and the calls for them that are safe in a signal
//! handler.

use std::io;
use std::os::fd::BorrowedFd;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use nix::sys::termios::{
    self, InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios,
};

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

/// One byte is enough for `read` to return, however long it takes.
pub(super) fn set_read_one(control_chars: &mut [libc::cc_t]) {
    for (index, value) in [(SpecialCharacterIndices::VMIN, 1), (SpecialCharacterIndices::VTIME, 0)] {
        if let Some(slot) = control_chars.get_mut(index as usize) {
            *slot = value;
        }
    }
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
