//! The small menu after a second Ctrl-C: one key chooses. Also the keyboard as the run loop reads it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What to do with a program that does not stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MenuChoice {
    Wait,
    Restart,
    Leave,
    Destroy,
}

/// The menu's line.
pub(super) fn question(can_leave: bool) -> &'static str {
    if can_leave {
        "still running: [w]ait, [r]estart the kernel, [l]eave it running and quit, [d]estroy the session?"
    } else {
        "still running: [w]ait, [r]estart the kernel, [d]estroy the session?"
    }
}

/// What a key chooses.
pub(super) fn choice(key: u8, can_leave: bool) -> Option<MenuChoice> {
    match key.to_ascii_lowercase() {
        b'w' | b'k' | b'\r' | b'\n' | 0x1b => Some(MenuChoice::Wait),
        b'r' => Some(MenuChoice::Restart),
        b'l' if can_leave => Some(MenuChoice::Leave),
        b'd' => Some(MenuChoice::Destroy),
        _ => None,
    }
}

/// The keyboard, while the editor does not read it.
pub(super) struct Keyboard(AsyncFd<OwnedFd>);

impl Keyboard {
    /// Must be called on the runtime.
    pub(super) fn open() -> io::Result<Self> {
        let fd = io::stdin().as_fd().try_clone_to_owned()?;
        // SAFETY: an `OwnedFd` is one open descriptor, the same for as long as it lives, and it lives in the `AsyncFd`.
        #[allow(unsafe_code)]
        let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Keyboard(registered?))
    }

    /// All that was typed before the menu was there. It was meant for the prompt.
    pub(super) fn drain(&self) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < 64 * 1024 && self.ready() {
            let mut piece = [0; 1024];
            match nix::unistd::read(self.0.get_ref(), &mut piece) {
                Ok(count) if count > 0 => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
                _ => break,
            }
        }
        super::printable::printable(&String::from_utf8_lossy(&bytes).replace('\r', "\n"))
    }

    fn ready(&self) -> bool {
        let mut waiting = [PollFd::new(self.0.get_ref().as_fd(), PollFlags::POLLIN)];
        poll(&mut waiting, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// The next byte. Cancel-safe.
    pub(super) async fn key(&self) -> io::Result<u8> {
        loop {
            let mut guard = self.0.readable().await?;
            if !self.ready() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_offered_can_be_chosen() {
        assert_eq!(choice(b'R', false), Some(MenuChoice::Restart));
        assert_eq!(choice(b'l', false), None);
        assert_eq!(choice(b'l', true), Some(MenuChoice::Leave));
        assert_eq!(choice(b'\r', false), Some(MenuChoice::Wait));
        assert_eq!(choice(b'x', true), None);
    }
}
