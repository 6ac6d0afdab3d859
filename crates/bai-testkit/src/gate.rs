//! A pipe with a name, at which a remote program waits until the test lets it go on.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// The pipe. The test holds both of its ends, so that neither side waits for the other in `open`: whoever reads a line
/// there gets one for each [`Gate::open`], whichever came first.
pub struct Gate(File);

impl Gate {
    /// A pipe at this path, where nothing is yet.
    pub fn at(path: &Path) -> Self {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Gate(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    /// Lets one reader of a line go on.
    pub fn open(&self) {
        (&self.0).write_all(b"go\n").unwrap();
    }
}
