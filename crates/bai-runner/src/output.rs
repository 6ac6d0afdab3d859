//! One output stream of a child: bytes in, text out, in few large pieces.
//!
//! A watched pipe wakes us at every write, which costs the writer more than the write itself. So during a flood the
//! stream rests: it is not watched, and output gathers in the pipe.

use super::process::PIPE_SIZE;
use super::utf8::Utf8Decoder;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::net::unix::pipe::Receiver;

/// Largest piece of text, in bytes.
const CHUNK: usize = 256 << 10;

/// A pipe that a child writes to.
pub(super) struct Output {
    pipe: Pipe,
    decoder: Utf8Decoder,
    buffer: Vec<u8>,
    /// Whether one read gives only a small part of what is there.
    is_piecemeal: bool,
}

enum Pipe {
    Watched(Receiver),
    Resting(OwnedFd),
    Closed,
}

impl Pipe {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Pipe::Watched(pipe) => Some(pipe.as_fd()),
            Pipe::Resting(pipe) => Some(pipe.as_fd()),
            Pipe::Closed => None,
        }
    }
}

impl Output {
    pub(super) fn new(pipe: Receiver) -> Self {
        Output {
            pipe: Pipe::Watched(pipe),
            decoder: Utf8Decoder::default(),
            buffer: vec![0; CHUNK],
            is_piecemeal: false,
        }
    }

    /// What a terminal gives, in small pieces.
    pub(super) fn of_terminal(pipe: Receiver) -> Self {
        Output { is_piecemeal: true, ..Output::new(pipe) }
    }

    /// A stream that nobody writes to.
    pub(super) fn none() -> Self {
        Output {
            pipe: Pipe::Closed,
            decoder: Utf8Decoder::default(),
            buffer: Vec::new(),
            is_piecemeal: false,
        }
    }

    /// Waits until there is output to read; for ever once all writers have closed the stream. Ends a rest.
    /// Cancel-safe.
    pub(super) async fn readable(&mut self) {
        if let Pipe::Resting(_) = self.pipe {
            self.change(|pipe| match pipe {
                Pipe::Resting(pipe) => Ok(Pipe::Watched(Receiver::from_owned_fd_unchecked(pipe)?)),
                other => Ok(other),
            });
        }
        match &self.pipe {
            Pipe::Watched(pipe) if pipe.readable().await.is_ok() => {}
            _ => std::future::pending().await,
        }
    }

    /// Stops watching the stream until [`Output::readable`] is called.
    pub(super) fn rest(&mut self) {
        self.change(|pipe| match pipe {
            Pipe::Watched(pipe) => Ok(Pipe::Resting(pipe.into_nonblocking_fd()?)),
            other => Ok(other),
        });
    }

    fn change(&mut self, change: impl FnOnce(Pipe) -> std::io::Result<Pipe>) {
        self.pipe = change(std::mem::replace(&mut self.pipe, Pipe::Closed)).unwrap_or_else(|error| {
            tracing::warn!(%error, "the system cannot watch a pipe; its output is lost from here on");
            Pipe::Closed
        });
    }

    /// One piece of the available output, or `None`. The text may be empty, for half a code point.
    pub(super) fn read(&mut self) -> Option<String> {
        let Pipe::Watched(pipe) = &self.pipe else { return None };
        let mut result = pipe.try_read(&mut self.buffer);
        while self.is_piecemeal
            && let Ok(count @ 1..) = result
            && let Some(rest) = self.buffer.get_mut(count..).filter(|rest| !rest.is_empty())
            && let Ok(more @ 1..) = pipe.try_read(rest)
        {
            result = Ok(count + more);
        }
        self.decode(result).map(|(text, _)| text)
    }

    /// What is there now, even when the runtime has not noticed it yet.
    pub(super) fn read_first(&mut self) -> Option<String> {
        self.read_now().map(|(text, _)| text)
    }

    /// One piece of the output in the pipe, even when the runtime has not noticed it yet, and its length in bytes. The text is
    /// longer if they are not UTF-8.
    fn read_now(&mut self) -> Option<(String, usize)> {
        let result =
            nix::unistd::read(self.pipe.descriptor()?, &mut self.buffer).map_err(std::io::Error::from);
        self.decode(result)
    }

    fn decode(&mut self, result: std::io::Result<usize>) -> Option<(String, usize)> {
        match result {
            Ok(0) => self.pipe = Pipe::Closed,
            Ok(count) => {
                let bytes = self.buffer.get(..count).unwrap_or_default().to_vec();
                return Some((self.decoder.decode(bytes), count));
            }
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.pipe = Pipe::Closed,
        }
        None
    }

    /// All output from before this call, piece by piece. It ends even with a writer that never stops, because a pipe
    /// holds a limited number of bytes.
    pub(super) fn drain(&mut self, mut take: impl FnMut(String)) {
        let mut total = 0;
        while total < PIPE_SIZE {
            let Some((text, count)) = self.read_now() else { break };
            total += count;
            take(text);
        }
    }

    /// Nobody reads it any more: a program that writes to it gets SIGPIPE or EPIPE.
    pub(super) fn close(&mut self) {
        // What it has written already is gone without an error, as in any pipe.
        self.drain(drop);
        self.pipe = Pipe::Closed;
    }

    /// Whether nothing will come any more.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.pipe, Pipe::Closed)
    }

    /// A code point that was cut off by the end of a cell.
    pub(super) fn finish(&mut self) -> Option<String> {
        self.decoder.finish()
    }
}

fn is_temporary(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::super::process;
    use super::*;

    #[tokio::test]
    async fn all_that_a_full_pipe_holds_is_drained_although_its_text_is_longer() {
        let (pipe, writer) = process::pipe_from_driver().unwrap();
        nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE_SIZE as i32)).unwrap();
        let mut output = Output::new(pipe);
        let bytes = vec![0xff; PIPE_SIZE];
        let mut held = 0;
        let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(&writer, flags).unwrap();
        while let Ok(count) = nix::unistd::write(&writer, &bytes) {
            held += count;
        }
        let mut drained = 0;
        output.drain(|text| drained += text.chars().count());
        assert_eq!(drained, held);
    }
}
