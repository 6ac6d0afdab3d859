//! One output stream of a child: bytes in, text out, in few large pieces.

use super::process::PIPE_SIZE;
use super::utf8::Utf8Decoder;
use tokio::net::unix::pipe::Receiver;

/// Largest piece of text, in bytes.
const CHUNK: usize = 256 << 10;

/// A pipe that a child writes to.
pub(super) struct Output {
    pipe: Receiver,
    decoder: Utf8Decoder,
    buffer: Vec<u8>,
    closed: bool,
}

impl Output {
    pub(super) fn new(pipe: Receiver) -> Self {
        Output { pipe, decoder: Utf8Decoder::default(), buffer: vec![0; CHUNK], closed: false }
    }

    /// Waits until there is something to read; for ever once everybody has closed the stream. Cancel-safe.
    pub(super) async fn readable(&self) {
        if self.closed || self.pipe.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// One piece of what has woken us, or `None` when there is nothing. The text may be empty: the first half of a
    /// code point.
    pub(super) fn read(&mut self) -> Option<String> {
        let result = self.pipe.try_read(&mut self.buffer);
        self.decode(result)
    }

    /// One piece of what is there, whether the runtime has noticed it or not.
    fn read_now(&mut self) -> Option<String> {
        let result = nix::unistd::read(&self.pipe, &mut self.buffer).map_err(std::io::Error::from);
        self.decode(result)
    }

    fn decode(&mut self, result: std::io::Result<usize>) -> Option<String> {
        match result {
            Ok(0) => self.closed = true,
            Ok(count) => {
                let bytes = self.buffer.get(..count).unwrap_or_default().to_vec();
                return Some(self.decoder.decode(bytes));
            }
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.closed = true,
        }
        None
    }

    /// Everything that was written before this call, piece by piece. A writer that never stops cannot hold it:
    /// no more was in the pipe than the pipe can hold.
    pub(super) fn drain(&mut self, mut take: impl FnMut(String)) {
        let mut total = 0;
        while total < PIPE_SIZE {
            let Some(text) = self.read_now() else { break };
            total += text.len().max(1);
            take(text);
        }
    }

    /// A code point that was cut off by the end of a cell.
    pub(super) fn finish(&mut self) -> Option<String> {
        self.decoder.finish()
    }
}

fn is_temporary(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted)
}
