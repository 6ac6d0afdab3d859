//! Unbuffered standard output and standard error. The callers batch their output.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// An unbuffered standard stream. It repeats interrupted calls, and waits for a stream that another program has made
/// non-blocking.
#[derive(Debug)]
pub struct Out {
    stream: Stream,
}

#[derive(Debug)]
enum Stream {
    Output(io::Stdout),
    Error(io::Stderr),
    Terminal(File),
}

impl Out {
    /// Standard output.
    pub fn stdout() -> Self {
        Self { stream: Stream::Output(io::stdout()) }
    }

    /// Standard error.
    pub fn stderr() -> Self {
        Self { stream: Stream::Error(io::stderr()) }
    }

    /// The terminal, by standard error or by its own name.
    ///
    /// # Errors
    /// When there is none.
    pub fn terminal() -> io::Result<Self> {
        if io::stderr().is_terminal() {
            return Ok(Self::stderr());
        }
        let terminal = File::options().write(true).open("/dev/tty")?;
        Ok(Self { stream: Stream::Terminal(terminal) })
    }
}

impl AsFd for Out {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Output(stream) => stream.as_fd(),
            Stream::Error(stream) => stream.as_fd(),
            Stream::Terminal(file) => file.as_fd(),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_waiting(self.as_fd(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_waiting(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match nix::unistd::write(fd, bytes) {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => match poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            },
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_full_non_blocking_pipe_is_waited_for() {
        let (mut reader, writer) = io::pipe().unwrap();
        nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
        let sent = vec![b'x'; 1 << 20];
        let total = sent.len();
        let writing = std::thread::spawn(move || {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let written = write_waiting(writer.as_fd(), rest).unwrap();
                rest = &rest[written..];
            }
        });
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        writing.join().unwrap();
        assert_eq!(got.len(), total);
    }
}
