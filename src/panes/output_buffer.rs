//! A buffer for output to the user's terminal. It is written in pieces that do not block, so that a slow terminal does not
//! delay keys.

use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

/// Maximum bytes written at once when the terminal has room.
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

    /// The number of waiting bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes one piece. Returns false if the reader is gone.
    ///
    /// # Errors
    /// When the write fails for another reason.
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
