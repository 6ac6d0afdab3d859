//! Waking a view that waits in `poll(2)` for keys: a pipe that holds at most one byte.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Both ends.
#[derive(Debug)]
pub(super) struct WakePipe {
    reader: PipeReader,
    writer: PipeWriter,
    rung: AtomicBool,
}

impl WakePipe {
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { reader, writer, rung: AtomicBool::new(false) })
    }

    /// Makes [`WakePipe::fd`] readable until it is taken; never blocks, from any thread.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // One byte always fits into an empty pipe.
            let _ = (&self.writer).write_all(&[1]);
        }
    }

    /// Takes the byte out, when `poll` said that there is one. What changed before is seen by who looks after.
    pub(super) fn take(&self) {
        let _ = (&self.reader).read_exact(&mut [0]);
        self.rung.store(false, Ordering::Release);
    }

    /// Takes the byte out if the bell has rung; false if it has not.
    pub(super) fn take_rung(&self) -> bool {
        let rung = self.rung.load(Ordering::Acquire);
        if rung {
            // Who rings writes the byte at once.
            self.take();
        }
        rung
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
