//! Where bytes go, in pieces of a size that is worth a system call.

use std::io::{self, Write};

/// From so many bytes on a buffer is written without waiting for the end of the batch.
pub(super) const PIECE: usize = 64 * 1024;

/// What has become of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Somebody still reads.
    Open,
    /// The reader has gone (`| head`): there is nobody to write for, and that is no error.
    Closed,
}

/// A writer with a buffer that is written when it is full or asked to.
#[derive(Debug)]
pub(super) struct BufferedWriter<W> {
    writer: W,
    pub(super) buffer: Vec<u8>,
    flow: Flow,
}

impl<W: Write> BufferedWriter<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, buffer: Vec::new(), flow: Flow::Open }
    }

    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    /// Writes the buffer if it has grown to a piece.
    pub(super) fn spill(&mut self) -> io::Result<Flow> {
        if self.buffer.len() >= PIECE { self.write_out() } else { Ok(self.flow) }
    }

    /// Writes the buffer.
    pub(super) fn write_out(&mut self) -> io::Result<Flow> {
        if !self.buffer.is_empty() {
            let buffer = std::mem::take(&mut self.buffer);
            let written = self.write_now(&buffer);
            self.buffer = buffer;
            self.buffer.clear();
            return written;
        }
        Ok(self.flow)
    }

    /// Writes the buffer and then `bytes`, which are not copied.
    pub(super) fn write_through(&mut self, bytes: &[u8]) -> io::Result<Flow> {
        if bytes.len() < PIECE / 4 {
            self.buffer.extend_from_slice(bytes);
            return self.spill();
        }
        match self.write_out()? {
            Flow::Open => self.write_now(bytes),
            Flow::Closed => Ok(Flow::Closed),
        }
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<Flow> {
        if self.flow == Flow::Open {
            match self.writer.write_all(bytes).and_then(|()| self.writer.flush()) {
                // EIO is what a terminal that has hung up says.
                Err(error)
                    if error.kind() == io::ErrorKind::BrokenPipe
                        || error.raw_os_error() == Some(libc::EIO) =>
                {
                    self.flow = Flow::Closed;
                }
                other => other?,
            }
        }
        Ok(self.flow)
    }
}

impl<W: Write> Write for BufferedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.write_through(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out().map(|_| ())
    }
}
