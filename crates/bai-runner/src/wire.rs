//! The messages between the runner and a driver, and their frames.
//!
//! Messages to the driver are lines: of JSON, or of words for languages without a JSON parser. Messages from the driver
//! are frames that the system writes in one piece (`PIPE_BUF`), so a signal or a thread switch in the interpreter
//! cannot tear them. A frame has the message number (u32), the length of the payload (u16), whether it is the message's
//! last frame (u8), and the payload; all little endian. The joined payloads of a message are JSON.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tokio::net::unix::pipe::{Receiver, Sender};

/// A message to the driver.
#[derive(Debug, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum ToDriver<'a> {
    /// Run a cell. Answered with `Started`, then `Done`.
    Run { id: u64, code: &'a str },
    /// A line for the program that waits for input.
    Input { text: &'a str },
    /// Suggestions for the text at the cursor. Answered with `Completions`, also while a cell runs.
    Complete { id: u64, code: &'a str, post: &'a str },
    /// SIGINT was sent: make sure that the main thread notices it.
    Wake,
    /// No cell will follow: end normally, and run the exit handlers.
    Bye,
    /// All output from before this message has been read.
    Ack { id: u32 },
}

/// How messages to a driver are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A JSON object on a line.
    Json,
    /// The name of the message, its number if it has one, and the rest of the line: the text, in which a backslash
    /// precedes `n` for a newline, before `r` for a carriage return, and before a backslash.
    Words,
    /// As `Words`, with an empty line after each message: for a reader that returns a line only when it has seen the next one.
    Paragraphs,
}

impl ToDriver<'_> {
    /// The message as one line.
    fn line(&self, dialect: Dialect) -> Result<String, serde_json::Error> {
        Ok(match dialect {
            Dialect::Json => serde_json::to_string(self)? + "\n",
            Dialect::Words => self.words() + "\n",
            Dialect::Paragraphs => self.words() + "\n\n",
        })
    }

    fn words(&self) -> String {
        match self {
            ToDriver::Run { id, code } => format!("run {id} {}", escape(code)),
            ToDriver::Input { text } => format!("input {}", escape(text)),
            ToDriver::Complete { id, code, .. } => format!("complete {id} {}", escape(code)),
            ToDriver::Wake => "wake".to_owned(),
            ToDriver::Bye => "bye".to_owned(),
            ToDriver::Ack { id } => format!("ack {id}"),
        }
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            // Texts of these languages cannot contain it.
            '\0' => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A message from the driver. `Started`, `Heeded` and `Completions` come on the pipe that is read at once; the others
/// keep their place in the output and, except for `Ready` and `Done`, wait for an `Ack`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum FromDriver {
    /// The interpreter takes cells.
    Ready,
    /// The cell can be interrupted from now on.
    Started {
        id: u64,
    },
    /// The interrupt has reached the code of the cell.
    Heeded,
    /// Only asks for the `Ack`.
    Sync,
    Media {
        mime: String,
        data: String,
    },
    Html {
        data: String,
    },
    /// The program waits for a line.
    Ask {
        password: bool,
        /// The answer goes to the interpreter's standard input.
        #[serde(default)]
        stdin: bool,
    },
    /// The cell is over.
    Done {
        id: u64,
        code: i32,
    },
    Completions {
        id: u64,
        start: Option<usize>,
        suggestions: Vec<String>,
    },
}

const HEADER: usize = 7;
const READ_AT_ONCE: usize = 64 << 10;
/// The largest message, in bytes. No picture is larger, so a larger message has lost frames.
const LARGEST_MESSAGE: usize = 256 << 20;
/// How many messages may be incomplete at the same time: one for each thread that was interrupted within a message.
const MOST_PARTIAL: usize = 64;

/// Assembles messages from frames.
#[derive(Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// How many of the bytes were processed.
    taken: usize,
    partial: HashMap<u32, Vec<u8>>,
}

impl Frames {
    /// The next complete message with its number. A malformed message is logged and skipped.
    fn next(&mut self) -> Option<(u32, FromDriver)> {
        loop {
            let Some(Frame { id, last, payload }) = Frame::first_of(&self.bytes, self.taken) else {
                self.bytes.drain(..self.taken);
                self.taken = 0;
                return None;
            };
            if self.partial.len() >= MOST_PARTIAL {
                let oldest = self.partial.keys().min().copied();
                oldest.and_then(|id| self.partial.remove(&id));
            }
            let message = self.partial.entry(id).or_default();
            if message.len() + payload.len() <= LARGEST_MESSAGE {
                message.extend_from_slice(payload);
            }
            self.taken += HEADER + payload.len();
            if !last {
                continue;
            }
            let whole = self.partial.remove(&id).unwrap_or_default();
            match serde_json::from_slice(&whole) {
                Ok(message) => return Some((id, message)),
                Err(error) => tracing::warn!(%error, "a driver's message is malformed"),
            }
        }
    }
}

struct Frame<'a> {
    id: u32,
    last: bool,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame that begins here, if it is complete.
    fn first_of(bytes: &'a [u8], from: usize) -> Option<Self> {
        let (header, rest) = bytes.get(from..)?.split_first_chunk::<HEADER>()?;
        let [a, b, c, d, low, high, last] = *header;
        let payload = rest.get(..usize::from(u16::from_le_bytes([low, high])))?;
        Some(Frame { id: u32::from_le_bytes([a, b, c, d]), last: last != 0, payload })
    }
}

/// The receiving end of a driver's messages.
pub(super) struct MessageReader {
    pipe: Receiver,
    frames: Frames,
}

impl MessageReader {
    pub(super) fn new(pipe: Receiver) -> Self {
        MessageReader { pipe, frames: Frames::default() }
    }

    /// Waits for the next message. Cancel-safe. It never returns after the driver has closed its end: the end of the
    /// process is reported elsewhere.
    pub(super) async fn next(&mut self) -> (u32, FromDriver) {
        loop {
            if let Some(message) = self.frames.next() {
                return message;
            }
            if self.pipe.readable().await.is_err() || !self.fill() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// A message that has already arrived, even when the runtime has not noticed it. For use after the end of the
    /// process.
    pub(super) fn next_now(&mut self) -> Option<(u32, FromDriver)> {
        let mut piece = [0; 4096];
        loop {
            if let Some(message) = self.frames.next() {
                return Some(message);
            }
            let count = nix::unistd::read(&self.pipe, &mut piece).ok().filter(|&count| count > 0)?;
            self.frames.bytes.extend_from_slice(piece.get(..count)?);
        }
    }

    /// Reads the available bytes. Returns false at the end of the stream.
    fn fill(&mut self) -> bool {
        self.frames.bytes.reserve(READ_AT_ONCE);
        match self.pipe.try_read_buf(&mut self.frames.bytes) {
            Ok(count) => count > 0,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
}

/// The sending end. Keeps bytes for which the pipe has no space yet.
pub(super) struct MessageWriter {
    pipe: Sender,
    dialect: Dialect,
    pending: Vec<u8>,
}

impl MessageWriter {
    /// `first` is sent before any message: the driver's source.
    pub(super) fn new(pipe: Sender, dialect: Dialect, first: Vec<u8>) -> Self {
        MessageWriter { pipe, dialect, pending: first }
    }

    /// Adds a message; [`MessageWriter::flush`] sends it.
    pub(super) fn push(&mut self, message: &ToDriver<'_>) {
        match message.line(self.dialect) {
            Ok(line) => self.pending.extend_from_slice(line.as_bytes()),
            Err(error) => tracing::warn!(%error, "a message could not be written as JSON"),
        }
        self.write_now();
    }

    /// How many bytes the driver has not read.
    pub(super) fn backlog(&self) -> usize {
        self.pending.len()
    }

    /// Waits until bytes have been sent. Never returns when there are none. Cancel-safe.
    pub(super) async fn flush(&mut self) {
        if self.pending.is_empty() || self.pipe.writable().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.write_now();
    }

    fn write_now(&mut self) {
        while !self.pending.is_empty() {
            match self.pipe.try_write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // The driver is gone; the end of its process is reported elsewhere.
                Err(_) => self.pending.clear(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: u32, last: bool, payload: &[u8]) -> Vec<u8> {
        let mut bytes = id.to_le_bytes().to_vec();
        bytes.extend(u16::try_from(payload.len()).unwrap().to_le_bytes());
        bytes.push(u8::from(last));
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn interleaved_messages_of_threads_are_separated() {
        let mut frames = Frames::default();
        for bytes in [
            frame(1, false, br#"{"say":"html","#),
            frame(2, true, br#"{"say":"sync"}"#),
            frame(3, true, b"nonsense"),
            frame(1, true, br#""data":"x"}"#),
        ] {
            for byte in bytes {
                frames.bytes.push(byte);
            }
        }
        assert_eq!(frames.next(), Some((2, FromDriver::Sync)));
        assert_eq!(frames.next(), Some((1, FromDriver::Html { data: "x".into() })));
        assert_eq!(frames.next(), None);
    }

    #[test]
    fn the_word_dialect_escapes_line_feeds() {
        let run = ToDriver::Run { id: 7, code: "a\\n\n\r\0é " };
        assert_eq!(run.line(Dialect::Words).unwrap(), "run 7 a\\\\n\\n\\ré \n");
        assert_eq!(ToDriver::Input { text: "" }.line(Dialect::Words).unwrap(), "input \n");
        assert_eq!(ToDriver::Wake.line(Dialect::Paragraphs).unwrap(), "wake\n\n");
        assert_eq!(ToDriver::Wake.line(Dialect::Json).unwrap(), "{\"do\":\"wake\"}\n");
    }

    #[test]
    fn endless_messages_are_bounded() {
        let mut frames = Frames::default();
        for id in 0..1000 {
            frames.bytes.extend(frame(id, false, b"{"));
        }
        assert_eq!(frames.next(), None);
        assert!(frames.partial.len() <= MOST_PARTIAL);
    }
}
