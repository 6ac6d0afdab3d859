//! Terminal modes as guards that restore the previous state, and the related calls that are safe in a signal handler.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{
    self, InputFlags, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios,
};

/// Sets the modes of this terminal. Safe in a signal handler.
pub(super) fn set_now(terminal: RawFd, termios: &libc::termios) {
    // SAFETY: the pointer is valid for the call, and tcsetattr is async-signal-safe. It fails only if the terminal is
    // gone; then no state needs to be restored.
    #[allow(unsafe_code)]
    let _ = unsafe { libc::tcsetattr(terminal, libc::TCSANOW, termios) };
}

/// The current modes of standard input. Safe in a signal handler.
pub(super) fn get_now() -> Option<libc::termios> {
    let mut found = std::mem::MaybeUninit::<libc::termios>::uninit();
    // SAFETY: tcgetattr fills the structure when it returns 0, and only then is it read.
    #[allow(unsafe_code)]
    unsafe {
        (libc::tcgetattr(libc::STDIN_FILENO, found.as_mut_ptr()) == 0).then(|| found.assume_init())
    }
}

/// Calls `write(2)` until all bytes are written or it fails, without locks or buffers.
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

/// Makes `read` wait for at least one byte, without a limit of time.
pub(super) fn set_read_one(control_chars: &mut [libc::cc_t]) {
    for (index, value) in [(SpecialCharacterIndices::VMIN, 1), (SpecialCharacterIndices::VTIME, 0)] {
        if let Some(slot) = control_chars.get_mut(index as usize) {
            *slot = value;
        }
    }
}

/// A guard for the modes of a descriptor; dropping it restores the previous ones.
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

/// A guard for raw mode: keys arrive unprocessed, and none has a meaning for the terminal driver. Dropping it restores the
/// previous modes.
#[derive(Debug)]
pub struct RawMode(());

impl RawMode {
    /// Switches standard input to raw mode. Unread input is kept, on entering and on leaving.
    ///
    /// # Errors
    /// When standard input is not a terminal.
    pub fn enter() -> io::Result<Self> {
        // If standard input is not a terminal, crossterm would use the controlling terminal, whose keys are not read.
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

/// A guard for the keyboard while a cell runs: echo is off, and typed keys wait in the terminal's queue for the next prompt.
/// Ctrl-C arrives as SIGINT, a configurable key as SIGQUIT, and Ctrl-Z suspends; none of them empties the queue. Output is
/// processed as usual (`\n` returns the carriage). Dropping it restores the previous modes.
#[derive(Debug)]
pub struct RunMode {
    stdin: io::Stdin,
    found: Termios,
}

impl RunMode {
    /// Switches standard input to this mode; returns `None` if it is not a terminal, or another program has it. `quit` is the control character that
    /// sends SIGQUIT, if any.
    ///
    /// # Errors
    /// When the modes cannot be set.
    pub fn enter(quit: Option<u8>) -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        let Ok(found) = termios::tcgetattr(&stdin) else { return Ok(None) };
        if in_background() {
            return Ok(None);
        }
        termios::tcsetattr(&stdin, SetArg::TCSANOW, &run_mode(&found, quit))?;
        Ok(Some(Self { stdin, found }))
    }
}

impl Drop for RunMode {
    fn drop(&mut self) {
        // In the background the modes are those of the program in front.
        if in_background() {
            return;
        }
        let _ = termios::tcsetattr(&self.stdin, SetArg::TCSANOW, &self.found);
    }
}

/// The modes of [`RunMode`], derived from the previous ones.
fn run_mode(found: &Termios, quit: Option<libc::cc_t>) -> Termios {
    let mut mode = found.clone();
    mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::IEXTEN);
    mode.local_flags.insert(LocalFlags::ISIG | LocalFlags::NOFLSH);
    mode.output_flags.insert(OutputFlags::OPOST | OutputFlags::ONLCR);
    // Enter must reach the editor untranslated.
    mode.input_flags.remove(InputFlags::ICRNL | InputFlags::INLCR | InputFlags::IGNCR | InputFlags::ISTRIP);
    if let Some(slot) = mode.control_chars.get_mut(SpecialCharacterIndices::VQUIT as usize) {
        *slot = quit.unwrap_or(libc::_POSIX_VDISABLE);
    }
    set_read_one(&mut mode.control_chars);
    mode
}

/// Whether another process group has the terminal of standard input, which stops those that read it or change its modes.
pub(super) fn in_background() -> bool {
    in_background_of(io::stdin().as_fd())
}

/// Whether another process group has this terminal.
pub(super) fn in_background_of(terminal: BorrowedFd<'_>) -> bool {
    // SAFETY: both calls take plain integers.
    #[allow(unsafe_code)]
    let (front, own) = unsafe { (libc::tcgetpgrp(terminal.as_raw_fd()), libc::getpgrp()) };
    front > 0 && front != own
}

/// Whether the process group is in the foreground, so that it can change the modes without being stopped.
pub(super) fn in_foreground() -> bool {
    // SAFETY: both calls take plain integers and are async-signal-safe.
    #[allow(unsafe_code)]
    unsafe {
        libc::tcgetpgrp(libc::STDIN_FILENO) == libc::getpgrp()
    }
}

/// Whether standard input is a terminal that is gone. Its input has an end, too, as after Ctrl-D.
pub fn has_hung_up() -> bool {
    has_hung_up_at(io::stdin().as_fd())
}

fn has_hung_up_at(stdin: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(stdin, PollFlags::empty())];
    let is_over = poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    // A pipe is over, too, when nobody writes to it any more.
    is_over && termios::tcgetattr(stdin).err() != Some(Errno::ENOTTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_can_hang_up() {
        let pty = nix::pty::openpty(None, None).unwrap();
        assert!(!has_hung_up_at(pty.slave.as_fd()));
        nix::unistd::write(&pty.master, b"\x04").unwrap();
        assert!(!has_hung_up_at(pty.slave.as_fd()), "after Ctrl-D");
        drop(pty.master);
        assert!(has_hung_up_at(pty.slave.as_fd()));
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(writer);
        assert!(!has_hung_up_at(reader.as_fd()));
    }
}
