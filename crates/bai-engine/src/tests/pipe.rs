//! Named pipes, by which tests and programs wait for each other.

use super::client::soon;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

/// A named pipe between a test and a program.
pub(super) struct Pipe {
    folder: TempDir,
}

impl Pipe {
    pub(super) fn new() -> Pipe {
        let pipe = Pipe { folder: tempfile::tempdir().unwrap() };
        nix::unistd::mkfifo(&pipe.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        pipe
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("pipe")
    }

    /// Its path as a literal of Python.
    pub(super) fn name(&self) -> String {
        format!("{:?}", self.path())
    }

    /// Releases a program that waits in `open(…).read()`.
    pub(super) async fn release(&self) {
        let path = self.path();
        let write = tokio::task::spawn_blocking(move || std::fs::write(path, "x"));
        soon("the reader", write).await.unwrap().unwrap();
    }

    /// A watch on the processes that have it open for writing. Make it before they open it.
    pub(super) fn writers(&self) -> Writers {
        Writers(tokio::net::unix::pipe::OpenOptions::new().open_receiver(self.path()).unwrap())
    }
}

/// The processes that have a pipe open for writing.
pub(super) struct Writers(tokio::net::unix::pipe::Receiver);

impl Writers {
    /// Waits until there were some and there are none any more.
    pub(super) async fn gone(mut self) {
        let mut rest = Vec::new();
        soon("the end of the processes", self.0.read_to_end(&mut rest)).await.unwrap();
    }
}
