//! A named pipe at which a remote program waits until the test lets it continue.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// The named pipe. The test holds both of its ends, so that `open` does not block on either side. Each [`Gate::open`]
/// lets the program read one line, whichever comes first.
pub struct Gate(File);

impl Gate {
    /// Creates a pipe at this path, which must not exist.
    pub fn at(path: &Path) -> Self {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Gate(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    /// Lets one reader continue.
    pub fn open(&self) {
        (&self.0).write_all(b"go\n").unwrap();
    }
}
