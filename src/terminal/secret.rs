//! One secret line from the keyboard, never echoed. The line is held in memory that is wiped, never in history or logs.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, InputFlags, LocalFlags, SetArg};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use thiserror::Error;
use zeroize::Zeroize;

use super::modes::{TermiosGuard, set_read_one};

/// Why no secret was read.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Ctrl-D on an empty line, or the keyboard is gone.
    #[error("end of input")]
    Eof,
    /// Standard input is not a terminal, so echo cannot be switched off.
    #[error("cannot ask for a secret: standard input is not a terminal")]
    NotATerminal,
    /// The terminal could not be read.
    #[error("cannot read from the terminal: {0}")]
    Io(#[from] io::Error),
}

/// Bytes of one secret that are kept; the rest of a longer paste is ignored. Room is taken at once, so that the
/// buffer never moves and leaves copies behind.
const MAX_BYTES: usize = 64 * 1024;
/// How often an interrupt is looked for.
const SLICE: Duration = Duration::from_millis(50);

/// Reads one line from the keyboard without showing it. Enter ends it; Backspace, Ctrl-W and Ctrl-U edit; Ctrl-C and
/// Ctrl-D leave. Bytes are taken one by one, so what is typed after Enter stays for the next reader.
///
/// `prompt` writes the prompt, once nothing is echoed any more: whoever answers at once is not shown either. The new line
/// after it is the caller's. Blocks: not for a runtime's thread.
///
/// # Errors
/// [`SecretError`] tells the four ways in which no secret comes.
pub fn read_secret(prompt: impl FnOnce()) -> Result<SecretString, SecretError> {
    read_secret_from(io::stdin().as_fd(), prompt, &|| false)
}

/// The same where the prompt is there already and nothing is echoed, given up as if by Ctrl-C once `interrupted` says so: where Ctrl-C is a signal until the question is put, one
/// that comes just before is heard too.
///
/// # Errors
/// As [`read_secret`].
pub fn read_secret_unless(interrupted: &dyn Fn() -> bool) -> Result<SecretString, SecretError> {
    read_secret_from(io::stdin().as_fd(), || {}, interrupted)
}

fn read_secret_from(
    fd: BorrowedFd<'_>,
    prompt: impl FnOnce(),
    interrupted: &dyn Fn() -> bool,
) -> Result<SecretString, SecretError> {
    let mut mode = termios::tcgetattr(fd).map_err(|_| SecretError::NotATerminal)?;
    // Signals are off so that Ctrl-C arrives as a byte: it must end the question, not the program.
    mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN);
    mode.input_flags.remove(InputFlags::ICRNL | InputFlags::INLCR | InputFlags::IGNCR | InputFlags::IXON);
    set_read_one(&mut mode.control_chars);
    let _guard = TermiosGuard::switch(fd, &mode, SetArg::TCSADRAIN)?;
    prompt();

    let mut line = SecretBox::new(Box::new(Line::default()));
    let slice = PollTimeout::try_from(SLICE).unwrap_or(PollTimeout::ZERO);
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
            Key::More => {}
            Key::Done => return Ok(line.expose_secret().secret()),
            Key::Interrupted => return Err(SecretError::Interrupted),
            Key::Eof => return Err(SecretError::Eof),
        }
    }
}

/// What a byte did to the line.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    More,
    Done,
    Interrupted,
    Eof,
}

/// Where in an escape sequence (an arrow key, the brackets around a paste) the reader stands.
#[derive(Default)]
enum Escape {
    #[default]
    No,
    Started,
    Csi,
    Ss3,
}

/// The line so far.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    escape: Escape,
}

impl Zeroize for Line {
    fn zeroize(&mut self) {
        self.bytes.zeroize();
    }
}

impl Line {
    fn key(&mut self, byte: u8) -> Key {
        match self.escape {
            Escape::No => return self.plain(byte),
            Escape::Started => {
                self.escape = match byte {
                    b'[' => Escape::Csi,
                    b'O' => Escape::Ss3,
                    _ => Escape::No,
                }
            }
            Escape::Csi if (0x40..=0x7e).contains(&byte) => self.escape = Escape::No,
            Escape::Csi => {}
            Escape::Ss3 => self.escape = Escape::No,
        }
        // Enter and Ctrl-C are never part of a sequence: after a lone Escape they mean what they say.
        if matches!(byte, b'\r' | b'\n' | 3) {
            self.escape = Escape::No;
            return self.plain(byte);
        }
        Key::More
    }

    fn plain(&mut self, byte: u8) -> Key {
        match byte {
            b'\r' | b'\n' => return Key::Done,
            3 => return Key::Interrupted,
            4 if self.bytes.is_empty() => return Key::Eof,
            0x1b => self.escape = Escape::Started,
            0x7f | 0x08 => self.rub_out_char(),
            0x15 => self.clear(),
            0x17 => self.rub_out_word(),
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
        Key::More
    }

    fn clear(&mut self) {
        self.bytes.iter_mut().for_each(Zeroize::zeroize);
        self.bytes.clear();
    }

    /// Takes back one character: continuation bytes of UTF-8 and the byte that leads them.
    fn rub_out_char(&mut self) {
        while let Some(byte) = self.bytes.last_mut() {
            let continuation = *byte & 0xc0 == 0x80;
            byte.zeroize();
            self.bytes.pop();
            if !continuation {
                break;
            }
        }
    }

    fn rub_out_word(&mut self) {
        while self.bytes.last() == Some(&b' ') {
            self.rub_out_char();
        }
        while self.bytes.last().is_some_and(|byte| *byte != b' ') {
            self.rub_out_char();
        }
    }

    /// A copy as text. Bytes that are not UTF-8 cannot be sent as JSON: they become replacement characters.
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

    fn typed(keys: &[u8]) -> Result<String, Key> {
        let mut line = Line::default();
        for byte in keys {
            match line.key(*byte) {
                Key::More => {}
                Key::Done => return Ok(line.secret().expose_secret().to_owned()),
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
        assert_eq!(typed(b"\x7f\x7fa\r").unwrap(), "a", "nothing to take back");
        assert_eq!(typed(b"wrong\x15right\r").unwrap(), "right");
        assert_eq!(typed(b"one two  \x17three\r").unwrap(), "one three");
    }

    #[test]
    fn keys_that_are_no_text_add_nothing() {
        assert_eq!(typed(b"a\x1b[Ab\x1b[1;5Cc\x1bOPd\te\x00\r").unwrap(), "abcde");
        assert_eq!(typed(b"\x1b[200~pasted\x1b[201~\r").unwrap(), "pasted");
        assert_eq!(typed(b"lone\x1b\r").unwrap(), "lone", "Enter after a lone Escape is Enter");
    }

    #[test]
    fn ctrl_c_and_ctrl_d_leave() {
        assert_eq!(typed(b"abc\x03"), Err(Key::Interrupted));
        assert_eq!(typed(b"\x1b\x03"), Err(Key::Interrupted));
        assert_eq!(typed(b"\x04"), Err(Key::Eof));
        assert_eq!(typed(b"ab\x04c\r").unwrap(), "abc", "only an empty line can end the input");
    }

    #[test]
    fn a_huge_paste_is_bounded_and_never_moves_the_buffer() {
        let mut line = Line::default();
        line.key(b'x');
        let first = line.bytes.as_ptr();
        for _ in 0..MAX_BYTES * 2 {
            line.key(b'x');
        }
        assert_eq!(line.bytes.len(), MAX_BYTES);
        assert_eq!(line.bytes.as_ptr(), first);
    }
}
