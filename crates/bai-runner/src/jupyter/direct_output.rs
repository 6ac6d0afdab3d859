//! What the process of a kernel writes to its standard output or standard error directly and not as a message.
//!
//! Most kernels leave these descriptors alone; then this is the output of child processes and of native code. A kernel
//! such as ipykernel puts a pipe of its own in their place, sends what comes there as messages, and copies it to the
//! old descriptors. Such a copy is only logged.

use crate::output::Output;
use nix::sys::stat::fstat;
use nix::unistd::Pid;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use tokio::net::unix::pipe::Receiver;

/// One of the two streams.
pub(super) struct DirectOutput {
    output: Output,
    /// The identity of its pipe.
    pipe: Option<(u64, u64)>,
    is_copy: bool,
}

impl DirectOutput {
    pub(super) fn new(pipe: Receiver) -> Self {
        let identity = fstat(&pipe).ok().map(|stat| (stat.st_dev, stat.st_ino));
        DirectOutput { output: Output::new(pipe), pipe: identity, is_copy: false }
    }

    /// The kernel is ready: from now on, what it writes directly is output of its cells unless it is a copy. Earlier
    /// output is only logged. Without `/proc`, the stream counts as left alone.
    pub(super) fn kernel_is_ready(&mut self, process: Pid, descriptor: RawFd) {
        self.drain(|text| tracing::debug!(text, "a Jupyter kernel has written this while it started"));
        let now = std::fs::metadata(format!("/proc/{process}/fd/{descriptor}"));
        self.is_copy = now.is_ok_and(|now| Some((now.dev(), now.ino())) != self.pipe);
    }

    /// Waits until there is something to read. Cancel-safe.
    pub(super) async fn readable(&mut self) {
        self.output.readable().await;
    }

    /// One piece of the output. The text may be empty.
    pub(super) fn read(&mut self) -> Option<String> {
        let text = self.output.read();
        text.filter(|text| is_shown(self.is_copy, text))
    }

    /// All output from before this call, piece by piece.
    pub(super) fn drain(&mut self, mut take: impl FnMut(String)) {
        let is_copy = self.is_copy;
        self.output.drain(|text| {
            if is_shown(is_copy, &text) {
                take(text);
            }
        });
    }

    /// A code point that was cut off by the end of a cell.
    pub(super) fn finish(&mut self) -> Option<String> {
        self.output.finish().filter(|_| !self.is_copy)
    }
}

fn is_shown(is_copy: bool, text: &str) -> bool {
    if is_copy {
        tracing::debug!(text, "direct output of a Jupyter kernel");
    }
    !is_copy
}
