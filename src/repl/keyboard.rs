//! The keyboard, for the run loop.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

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

    /// Takes all that was typed before the menu was shown, which is for the prompt.
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
