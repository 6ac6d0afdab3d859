//! Bytes on their way to the user's terminal, written in pieces that do not block, so that a slow terminal keeps no key
//! waiting.

use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

/// The most bytes that are written at once when the terminal has room.
const PIECE: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct OutputBuffer {
    bytes: Vec<u8>,
    written: usize,
}

impl OutputBuffer {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes one piece. False when there is nobody left to write for.
    ///
    /// # Errors
    /// When the descriptor refuses for another reason.
    pub(super) fn write_some(&mut self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        let rest = self.bytes.get(self.written..).unwrap_or_default();
        let piece = rest.get(..PIECE).unwrap_or(rest);
        match nix::unistd::write(fd, piece) {
            Ok(written) => self.written += written,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(Errno::EPIPE | Errno::EIO) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        }
        Ok(true)
    }
}
