//! The terminal of the user as the screen of a script whose standard output is a pipe: what the terminal of the script gives passes
//! unfiltered, since it comes from a terminal of the program's own.

use crate::terminal::{Out, PassthroughTracker, shared_reset_sequences};
use std::io::{self, Write};

/// Writes what such a terminal gives.
#[derive(Debug)]
pub struct PassedTerminal {
    out: Out,
    passed: PassthroughTracker,
}

impl PassedTerminal {
    /// The terminal, by standard error or by its own name.
    ///
    /// # Errors
    /// When there is none.
    pub fn open() -> io::Result<Self> {
        Ok(Self { out: Out::terminal()?, passed: PassthroughTracker::default() })
    }

    /// Writes a piece, which may be cut anywhere. A terminal that has gone takes nothing.
    pub fn write(&mut self, bytes: &[u8]) {
        self.passed.note(bytes);
        let _ = self.out.write_all(bytes);
    }
}

impl Drop for PassedTerminal {
    fn drop(&mut self) {
        let _ = self.out.write_all(shared_reset_sequences(&self.passed).as_bytes());
    }
}
