//! A pipe that wakes a view from `poll(2)`. It holds at most one byte.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Both ends of the pipe.
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

    /// Makes [`WakePipe::fd`] readable until the byte is taken. Never blocks; may be called from any thread.
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // One byte always fits into an empty pipe.
            let _ = (&self.writer).write_all(&[1]);
        }
    }

    /// Takes the byte, after `poll` reported it. A caller that then checks the state sees all changes made before the wake-up.
    pub(super) fn take(&self) {
        let _ = (&self.reader).read_exact(&mut [0]);
        self.rung.store(false, Ordering::Release);
    }

    /// Takes the byte if there is one. Returns whether there was.
    pub(super) fn take_rung(&self) -> bool {
        let rung = self.rung.load(Ordering::Acquire);
        if rung {
            // `ring` writes the byte right after it sets the flag, so this read is short.
            self.take();
        }
        rung
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
