//! Reads one secret line from the keyboard without echo. The line is held in memory that is wiped, and never enters the
//! history or a log.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::sys::termios::{self, FlushArg, InputFlags, LocalFlags, SetArg};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use thiserror::Error;
use zeroize::Zeroize;

use super::modes::{TermiosGuard, set_read_one};

/// The reason why no secret was read.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The user pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// The user pressed Ctrl-D on an empty line, or the keyboard is gone.
    #[error("end of input")]
    Eof,
    /// Standard input is not a terminal, so echo cannot be switched off.
    #[error("cannot ask for a secret: standard input is not a terminal")]
    NotATerminal,
    /// The terminal could not be read.
    #[error("cannot read from the terminal: {0}")]
    Io(#[from] io::Error),
}

/// Maximum bytes of a secret; the rest of a longer paste is ignored. The buffer is allocated at once, so that it never moves
/// and leaves copies behind.
const MAX_BYTES: usize = 64 * 1024;
/// Interval between checks for an interrupt.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// Reads one line from the keyboard without echo. Enter ends it; Backspace, Ctrl-W and Ctrl-U edit; Ctrl-C and Ctrl-D
/// cancel. Reads single bytes, so keys typed after Enter stay for the next reader.
///
/// `prompt` writes the prompt after echo is off, so that an immediate answer is not echoed either. The caller writes the
/// line break after the answer. Blocks: do not call it on a runtime's thread.
///
/// # Errors
/// [`SecretError`] if no secret was read.
pub fn read_secret(prompt: impl FnOnce()) -> Result<SecretString, SecretError> {
    read_secret_from(io::stdin().as_fd(), prompt, &|| false)
}

/// Reads a secret as [`read_secret`] does, after the caller has written the prompt and switched echo off. Ends as with Ctrl-C
/// once `interrupted` returns true: Ctrl-C is a signal until this function changes the modes, and a signal that arrives just
/// before must count too.
///
/// # Errors
/// As [`read_secret`].
pub fn read_secret_unless(interrupted: &dyn Fn() -> bool) -> Result<SecretString, SecretError> {
    read_secret_from(io::stdin().as_fd(), || {}, interrupted)
}

/// Discards what was typed and not read yet.
pub fn forget_keys() {
    // It fails only if there is no keyboard.
    let _ = termios::tcflush(io::stdin(), FlushArg::TCIFLUSH);
}

/// Whether this process has a terminal of its own, whatever its standard streams are.
pub fn has_terminal() -> bool {
    open_terminal().is_ok()
}

fn open_terminal() -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    Ok(open("/dev/tty", flags, Mode::empty())?)
}

/// Asks for a secret at the terminal of this process, beside its standard streams. Ends as with Ctrl-C once `interrupted` returns
/// true.
///
/// # Errors
/// As [`read_secret`].
pub fn ask_secret(prompt: &str, interrupted: &dyn Fn() -> bool) -> Result<SecretString, SecretError> {
    let terminal = open_terminal().map_err(|_| SecretError::NotATerminal)?;
    // A terminal that cannot be written to cannot be read either.
    let show = |text: &str| {
        let _ = nix::unistd::write(&terminal, text.as_bytes());
    };
    let secret = read_secret_from(terminal.as_fd(), || show(prompt), interrupted);
    show("\n");
    secret
}

fn read_secret_from(
    fd: BorrowedFd<'_>,
    prompt: impl FnOnce(),
    interrupted: &dyn Fn() -> bool,
) -> Result<SecretString, SecretError> {
    let mut mode = termios::tcgetattr(fd).map_err(|_| SecretError::NotATerminal)?;
    // Signals are off so that Ctrl-C arrives as a byte: it must cancel the question, not end the program.
    mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
    mode.input_flags.remove(InputFlags::ICRNL | InputFlags::INLCR | InputFlags::IGNCR | InputFlags::IXON);
    set_read_one(&mut mode.control_chars);
    let _guard = TermiosGuard::switch(fd, &mode, SetArg::TCSADRAIN)?;
    prompt();

    let mut line = SecretBox::new(Box::new(SecretLine::default()));
    let slice = PollTimeout::try_from(INTERRUPT_INTERVAL).unwrap_or(PollTimeout::ZERO);
    loop {
        if interrupted() {
            return Err(SecretError::Interrupted);
        }
        match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], slice) {
            Ok(0) | Err(Errno::EINTR) => continue,
            other => other.map_err(io::Error::from)?,
        };
        let mut byte = [0_u8];
        let read = match nix::unistd::read(fd, &mut byte) {
            Err(Errno::EINTR) => continue,
            other => other.map_err(io::Error::from)?,
        };
        let [value] = byte;
        byte.zeroize();
        if read == 0 {
            return Err(SecretError::Eof);
        }
        use secrecy::ExposeSecretMut;
        match line.expose_secret_mut().key(value) {
            KeyEffect::More => {}
            KeyEffect::Done => return Ok(line.expose_secret().secret()),
            KeyEffect::Interrupted => return Err(SecretError::Interrupted),
            KeyEffect::Eof => return Err(SecretError::Eof),
        }
    }
}

/// The effect of a byte on the line.
#[derive(Debug, PartialEq, Eq)]
enum KeyEffect {
    More,
    Done,
    Interrupted,
    Eof,
}

/// The state of the reader within an escape sequence (an arrow key, or the brackets around a paste).
#[derive(Default)]
enum EscapeState {
    #[default]
    No,
    Started,
    Csi,
    Ss3,
}

/// The line so far.
#[derive(Default)]
struct SecretLine {
    bytes: Vec<u8>,
    escape: EscapeState,
}

impl Zeroize for SecretLine {
    fn zeroize(&mut self) {
        self.bytes.zeroize();
    }
}

impl SecretLine {
    fn key(&mut self, byte: u8) -> KeyEffect {
        match self.escape {
            EscapeState::No => return self.plain(byte),
            EscapeState::Started => {
                self.escape = match byte {
                    b'[' => EscapeState::Csi,
                    b'O' => EscapeState::Ss3,
                    _ => EscapeState::No,
                }
            }
            EscapeState::Csi if (0x40..=0x7e).contains(&byte) => self.escape = EscapeState::No,
            EscapeState::Csi => {}
            EscapeState::Ss3 => self.escape = EscapeState::No,
        }
        // Enter and Ctrl-C are never part of a sequence: after a single Escape they keep their meaning.
        if matches!(byte, b'\r' | b'\n' | 3) {
            self.escape = EscapeState::No;
            return self.plain(byte);
        }
        KeyEffect::More
    }

    fn plain(&mut self, byte: u8) -> KeyEffect {
        match byte {
            b'\r' | b'\n' => return KeyEffect::Done,
            3 => return KeyEffect::Interrupted,
            4 if self.bytes.is_empty() => return KeyEffect::Eof,
            0x1b => self.escape = EscapeState::Started,
            0x7f | 0x08 => self.delete_char(),
            0x15 => self.clear(),
            0x17 => self.delete_word(),
            0..=0x1f => {}
            _ => {
                if self.bytes.capacity() == 0 {
                    self.bytes.reserve_exact(MAX_BYTES);
                }
                if self.bytes.len() < MAX_BYTES {
                    self.bytes.push(byte);
                }
            }
        }
        KeyEffect::More
    }

    fn clear(&mut self) {
        self.bytes.iter_mut().for_each(Zeroize::zeroize);
        self.bytes.clear();
    }

    /// Deletes one character: UTF-8 continuation bytes and their lead byte.
    fn delete_char(&mut self) {
        while let Some(byte) = self.bytes.last_mut() {
            let continuation = *byte & 0xc0 == 0x80;
            byte.zeroize();
            self.bytes.pop();
            if !continuation {
                break;
            }
        }
    }

    fn delete_word(&mut self) {
        while self.bytes.last() == Some(&b' ') {
            self.delete_char();
        }
        while self.bytes.last().is_some_and(|byte| *byte != b' ') {
            self.delete_char();
        }
    }

    /// Returns a copy as text. Invalid UTF-8 cannot be sent as JSON, so it becomes replacement characters.
    fn secret(&self) -> SecretString {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => SecretString::from(text),
            Err(_) => SecretString::from(String::from_utf8_lossy(&self.bytes).into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Result<String, KeyEffect> {
        let mut line = SecretLine::default();
        for byte in keys {
            match line.key(*byte) {
                KeyEffect::More => {}
                KeyEffect::Done => return Ok(line.secret().expose_secret().to_owned()),
                other => return Err(other),
            }
        }
        panic!("the line did not end: {keys:?}");
    }

    #[test]
    fn editing_keys_edit() {
        assert_eq!(typed(b"hunter2\r").unwrap(), "hunter2");
        assert_eq!(typed(b"hunx\x7fter\n").unwrap(), "hunter");
        assert_eq!(typed("비밀\x7f번호\r".as_bytes()).unwrap(), "비번호");
        assert_eq!(typed(b"\x7f\x7fa\r").unwrap(), "a", "no character to delete");
        assert_eq!(typed(b"wrong\x15right\r").unwrap(), "right");
        assert_eq!(typed(b"one two  \x17three\r").unwrap(), "one three");
    }

    #[test]
    fn keys_without_text_are_ignored() {
        assert_eq!(typed(b"a\x1b[Ab\x1b[1;5Cc\x1bOPd\te\x00\r").unwrap(), "abcde");
        assert_eq!(typed(b"\x1b[200~pasted\x1b[201~\r").unwrap(), "pasted");
        assert_eq!(typed(b"lone\x1b\r").unwrap(), "lone", "Enter after a lone Escape is Enter");
    }

    #[test]
    fn ctrl_c_and_ctrl_d_cancel() {
        assert_eq!(typed(b"abc\x03"), Err(KeyEffect::Interrupted));
        assert_eq!(typed(b"\x1b\x03"), Err(KeyEffect::Interrupted));
        assert_eq!(typed(b"\x04"), Err(KeyEffect::Eof));
        assert_eq!(typed(b"ab\x04c\r").unwrap(), "abc", "only an empty line can end the input");
    }

    #[test]
    fn a_huge_paste_is_bounded_and_never_moves_the_buffer() {
        let mut line = SecretLine::default();
        line.key(b'x');
        let first = line.bytes.as_ptr();
        for _ in 0..MAX_BYTES * 2 {
            line.key(b'x');
        }
        assert_eq!(line.bytes.len(), MAX_BYTES);
        assert_eq!(line.bytes.as_ptr(), first);
    }
}
