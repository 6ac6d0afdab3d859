//! The keyboard, for the run loop.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::render::sanitize;

/// Maximum bytes that are taken at once.
const MAX_DRAINED: usize = 64 * 1024;
/// The keys that erase text, and the first one of those that are sequences.
const BACKSPACE: char = '\u{8}';
const DELETE: char = '\u{7f}';
const ERASE_LINE: char = '\u{15}';
const ERASE_WORD: char = '\u{17}';
const ESCAPE: char = '\u{1b}';

/// The keyboard, while the editor does not read it.
pub(super) struct Keyboard(AsyncFd<OwnedFd>);

impl Keyboard {
    /// Opens the keyboard. Must be called on the runtime.
    pub(super) fn open() -> io::Result<Self> {
        let fd = io::stdin().as_fd().try_clone_to_owned()?;
        // SAFETY: an `OwnedFd` is one open descriptor, the same for as long as it lives, and it lives in the `AsyncFd`.
        #[allow(unsafe_code)]
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Keyboard(registered?))
    }

    /// Whether a byte waits.
    pub(super) fn is_readable(&self) -> bool {
        is_readable(self.0.get_ref().as_fd())
    }

    /// The next byte. Cancel-safe.
    pub(super) async fn key(&self) -> io::Result<u8> {
        loop {
            let mut guard = self.0.readable().await?;
            if !self.is_readable() {
                guard.clear_ready();
                continue;
            }
            let mut byte = [0];
            match nix::unistd::read(self.0.get_ref(), &mut byte) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(byte[0]),
                Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Takes what was typed and not read yet, as text for the prompt. It is empty if standard input is not a terminal.
pub(super) fn drain() -> String {
    drain_after(&[])
}

/// As [`drain`], for keys of which these bytes were read already. Keys that are no text, such as arrows, are left out.
pub(super) fn drain_after(read: &[u8]) -> String {
    let stdin = io::stdin();
    let mut bytes = read.to_vec();
    while stdin.is_terminal() && bytes.len() < MAX_DRAINED && is_readable(stdin.as_fd()) {
        let mut piece = [0; 1024];
        match nix::unistd::read(&stdin, &mut piece) {
            Ok(count) if count > 0 => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            _ => break,
        }
    }
    typed_text(&bytes)
}

/// Keys as text, after those that erase some of it. Those that are no text, such as arrows and Ctrl-D, are left out.
pub(super) fn typed_text(keys: &[u8]) -> String {
    let mut text = String::new();
    for key in String::from_utf8_lossy(keys).replace('\r', "\n").chars() {
        let line = text.rfind('\n').map_or(0, |end| end + 1);
        let before = |rest: Option<&str>| line + rest.map_or(0, str::len);
        match key {
            BACKSPACE | DELETE => {
                text.truncate(text.len() - text.get(line..).and_then(last_size).unwrap_or(0))
            }
            ERASE_LINE => text.truncate(line),
            ERASE_WORD => text.truncate(before(text.get(line..).map(without_word))),
            '\n' | '\t' | ESCAPE => text.push(key),
            key if key.is_ascii_control() => {}
            key => text.push(key),
        }
    }
    sanitize::text(&text)
}

/// The size of the last character.
fn last_size(line: &str) -> Option<usize> {
    line.chars().next_back().map(char::len_utf8)
}

/// The line without its last word.
fn without_word(line: &str) -> &str {
    line.trim_end().trim_end_matches(|c: char| !c.is_whitespace())
}

fn is_readable(keyboard: BorrowedFd<'_>) -> bool {
    let mut waiting = [PollFd::new(keyboard, PollFlags::POLLIN)];
    poll(&mut waiting, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_text_after_those_that_erase_some() {
        for (keys, text) in [
            ("print(1)\r", "print(1)\n"),
            ("\x04:quit", ":quit"),
            ("ab\x7fc\x08d", "ad"),
            ("\u{fc}\x7f\x7fa", "a"),
            ("one\rtwo\x15\x7f3", "one\n3"),
            ("one two  \x17\x173", "3"),
            ("a\x1b[Ab\tc\x01", "ab\tc"),
        ] {
            assert_eq!(typed_text(keys.as_bytes()), text, "{keys:?}");
        }
    }
}
