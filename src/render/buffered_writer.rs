//! A buffered writer that collects output into pieces large enough to be worth a system call.

use std::io::{self, Write};

/// The buffer is written when it reaches this size, even before the end of the batch.
pub(super) const PIECE: usize = 64 * 1024;

/// The state of an output stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// The reader is still there.
    Open,
    /// The reader has gone (`| head`). This is not an error.
    Closed,
}

/// A writer whose buffer is written when it is full or on request.
#[derive(Debug)]
pub(super) struct BufferedWriter<W> {
    writer: W,
    pub(super) buffer: Vec<u8>,
    flow: Flow,
    keeping: Option<Keeping>,
}

/// Output that is kept as it is written.
#[derive(Debug)]
struct Keeping {
    /// Where it begins in the buffer.
    from: usize,
    bytes: Vec<u8>,
}

impl<W: Write> BufferedWriter<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, buffer: Vec::new(), flow: Flow::Open, keeping: None }
    }

    /// Keeps what is written from now on.
    pub(super) fn keep(&mut self) {
        self.keeping = Some(Keeping { from: self.buffer.len(), bytes: Vec::new() });
    }

    /// Returns what was kept, and keeps no more.
    pub(super) fn stop_keeping(&mut self) -> Option<Vec<u8>> {
        self.keep_buffer();
        self.keeping.take().map(|keeping| keeping.bytes)
    }

    /// Adds bytes that are not kept.
    pub(super) fn push_unkept(&mut self, bytes: &[u8]) {
        self.keep_buffer();
        self.buffer.extend_from_slice(bytes);
        if let Some(keeping) = &mut self.keeping {
            keeping.from = self.buffer.len();
        }
    }

    /// How many bytes are kept.
    pub(super) fn kept(&self) -> usize {
        self.keeping.as_ref().map_or(0, |keeping| keeping.bytes.len())
    }

    fn keep_buffer(&mut self) {
        if let Some(keeping) = &mut self.keeping {
            keeping.bytes.extend_from_slice(self.buffer.get(keeping.from..).unwrap_or_default());
            keeping.from = self.buffer.len();
        }
    }

    pub(super) fn flow(&self) -> Flow {
        self.flow
    }

    /// Drops all from here on.
    pub(super) fn close(&mut self) {
        self.flow = Flow::Closed;
        self.buffer.clear();
    }

    /// Writes the buffer if it has reached the size of a piece.
    pub(super) fn write_if_full(&mut self) -> io::Result<Flow> {
        if self.buffer.len() >= PIECE { self.write_out() } else { Ok(self.flow) }
    }

    /// Writes the buffer.
    pub(super) fn write_out(&mut self) -> io::Result<Flow> {
        if !self.buffer.is_empty() {
            self.keep_buffer();
            if let Some(keeping) = &mut self.keeping {
                keeping.from = 0;
            }
            let buffer = std::mem::take(&mut self.buffer);
            let written = self.write_now(&buffer);
            self.buffer = buffer;
            self.buffer.clear();
            return written;
        }
        Ok(self.flow)
    }

    /// Writes the buffer and then `bytes`, without copying them.
    pub(super) fn write_through(&mut self, bytes: &[u8]) -> io::Result<Flow> {
        if bytes.len() < PIECE / 4 {
            self.buffer.extend_from_slice(bytes);
            return self.write_if_full();
        }
        match self.write_out()? {
            Flow::Open => self.write_now(bytes),
            Flow::Closed => Ok(Flow::Closed),
        }
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<Flow> {
        if self.flow == Flow::Open {
            match self.writer.write_all(bytes).and_then(|()| self.writer.flush()) {
                // A terminal that has hung up reports EIO.
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
