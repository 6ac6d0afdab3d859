//! The messages between the runner and a driver.
//!
//! Messages to the driver are lines: of JSON, or of words for languages without a JSON parser. Messages from the driver
//! are JSON in frames, which `frames` describes. A driver waits for the answer to most of its messages. So every message
//! becomes a [`FromDriver`] with its number, also one that cannot be read.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;

use super::frames::{Frames, Whole};
use bai_protocol::execute::Script;
use bai_protocol::record::ConsoleRecord;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tokio::net::unix::pipe::{Receiver, Sender};

/// A message to the driver.
#[derive(Debug, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(super) enum ToDriver<'a> {
    /// Run a cell, or a script, whose value is not shown. Answered with `Started`, then `Done`. In words a script has the name
    /// `script`, and no more is said about it.
    Run {
        id: u64,
        code: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        script: Option<&'a Script>,
        /// Whether programs that it starts may have a terminal of their own: `Program` asks for that.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        terminal: bool,
    },
    /// The program that `Program` has asked for has ended: its exit code, or the negative number of the signal that has ended it.
    /// `None` if it was not started.
    Ended { code: Option<i32> },
    /// A line for the program that waits for input.
    Input { text: &'a str },
    /// The secret that the program waits for; `None` if there is none.
    Secret { text: Option<&'a str> },
    /// Suggestions for the text at the cursor. Answered with `Completions`, also while a cell runs.
    Complete { id: u64, code: &'a str, post: &'a str },
    /// The output is seen in a window of this size from now on, or in none. A driver tells its code so, also while a cell
    /// runs, and sets these variables of the environment or removes them, except those to which the user gave another value.
    Window {
        columns: Option<u16>,
        rows: Option<u16>,
        #[serde(serialize_with = "as_object")]
        variables: &'a [(&'static str, Option<String>)],
    },
    /// SIGINT, or to a script another signal that it can handle, was sent: make sure that the main thread notices it.
    Wake,
    /// An interrupt came and no cell runs: end code of an earlier cell that holds the interpreter, if there is such code. A
    /// driver that knows none passes over it.
    Free,
    /// Steps have installed packages into this environment: cells can use them. Only for languages that install.
    Environment { folder: &'a str },
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
            ToDriver::Run { id, code, script: None, .. } => format!("run {id} {}", escape(code)),
            ToDriver::Run { id, code, script: Some(_), .. } => format!("script {id} {}", escape(code)),
            ToDriver::Input { text } => format!("input {}", escape(text)),
            ToDriver::Secret { text } => format!("secret {}", escape(text.unwrap_or_default())),
            ToDriver::Complete { id, code, .. } => format!("complete {id} {}", escape(code)),
            ToDriver::Window { columns, rows, variables } => {
                let pairs = variables
                    .iter()
                    .map(|(name, value)| format!(" {name}={}", value.as_deref().unwrap_or("")));
                let [columns, rows] = [columns, rows].map(|side| side.unwrap_or(0));
                format!("window {columns} {rows}{}", pairs.collect::<String>())
            }
            ToDriver::Ended { code } => format!("ended {}", code.unwrap_or(-1)),
            ToDriver::Wake => "wake".to_owned(),
            ToDriver::Free => "free".to_owned(),
            ToDriver::Environment { folder } => format!("environment {}", escape(folder)),
            ToDriver::Bye => "bye".to_owned(),
            ToDriver::Ack { id } => format!("ack {id}"),
        }
    }
}

fn as_object<S: Serializer>(pairs: &[(&'static str, Option<String>)], out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(pairs.iter().map(|(name, value)| (name, value)))
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
    Ready {
        /// What runs its cells, if it is not the language itself, such as `IPython 8.39.0`.
        #[serde(default)]
        shell: Option<String>,
    },
    /// The interpreter cannot do what was asked for: a clause, whose subject is the interpreter, and what the user can do.
    Unable {
        why: String,
        hint: String,
    },
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
    /// A value that is displayed, as a bundle of representations in Jupyter's form. `transient` may have its id, and an update
    /// takes the place of the displays with this id.
    Display {
        data: Map<String, Value>,
        #[serde(default)]
        metadata: Map<String, Value>,
        #[serde(default)]
        transient: Map<String, Value>,
        #[serde(default)]
        update: bool,
    },
    /// A record of a kernel that makes its own.
    #[serde(skip)]
    Record(ConsoleRecord),
    /// The output so far is to be removed from the screen, at once or before the next output.
    Clear {
        wait: bool,
    },
    /// Text for the next prompt of the user; with `replace` in the place of this cell.
    NextInput {
        text: String,
        #[serde(default)]
        replace: bool,
    },
    /// The user's prompt is to end.
    Leave,
    /// The program waits for a line.
    Ask {
        password: bool,
        /// The answer goes to the interpreter's standard input.
        #[serde(default)]
        stdin: bool,
    },
    /// The program waits for a secret, which the client asks for beside the input.
    AskSecret {
        prompt: String,
    },
    /// The program does not wait for the line any more.
    Unask,
    /// Start this program at a terminal of its own, in the driver's stead. Answered with `Ended`.
    Program(CellProgram),
    /// The cell is over.
    Done {
        id: u64,
        #[serde(deserialize_with = "exit_code")]
        code: i32,
    },
    Completions {
        id: u64,
        start: Option<usize>,
        suggestions: Vec<String>,
    },
    /// What could not be read, in a sentence for the user.
    #[serde(skip)]
    Unreadable {
        sentence: String,
    },
}

const READ_AT_ONCE: usize = 64 << 10;
/// The largest message, in bytes. A client takes frames of 256 MiB, and a message is only a part of one.
const LARGEST_MESSAGE: usize = 255 << 20;

/// The exit code of a cell: any number that a program can give. As a shell, it keeps the low byte of a large one.
fn exit_code<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let wide = number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)).unwrap_or(1);
    Ok(i32::try_from(wide).unwrap_or((wide & 0xff) as i32))
}

/// A program of a cell. Bytes that are not UTF-8 are written as [`bai_protocol::byte_text`] does.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct CellProgram {
    pub(super) args: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) folder: String,
    /// The path of a pipe that takes its standard output and standard error, if the code keeps them.
    #[serde(default)]
    pub(super) output: Option<String>,
}

impl FromDriver {
    fn read(whole: Whole) -> Self {
        match whole {
            Whole::Bytes(bytes) => bai_protocol::json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, "a driver's message is malformed");
                FromDriver::Unreadable {
                    sentence: format!(
                        "Something is not shown here: the driver's message cannot be read ({error})."
                    ),
                }
            }),
            Whole::TooLong(length) => {
                let [size, limit] = [length, LARGEST_MESSAGE].map(|bytes| bytes >> 20);
                FromDriver::Unreadable {
                    sentence: format!(
                        "A value of {size} MiB is not shown: the limit is {limit} MiB at a time."
                    ),
                }
            }
        }
    }
}

/// The receiving end of a driver's messages.
pub(super) struct MessageReader {
    pipe: Receiver,
    frames: Frames,
    /// The driver's end is closed, and that was reported.
    over: bool,
}

impl MessageReader {
    pub(super) fn new(pipe: Receiver) -> Self {
        MessageReader { pipe, frames: Frames::new(LARGEST_MESSAGE), over: false }
    }

    /// Waits for the next message. `None` once, when the driver's end is closed; after that it never returns. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<(u32, FromDriver)> {
        loop {
            if let Some(message) = self.next_read() {
                return Some(message);
            }
            if self.over {
                std::future::pending::<()>().await;
            }
            if self.pipe.readable().await.is_err() || !self.fill() {
                self.over = true;
                return None;
            }
        }
    }

    /// A message that has already arrived, even when the runtime has not noticed it. For use after the end of the
    /// process.
    pub(super) fn next_now(&mut self) -> Option<(u32, FromDriver)> {
        let mut piece = [0; 4096];
        loop {
            if let Some(message) = self.next_read() {
                return Some(message);
            }
            let count = nix::unistd::read(&self.pipe, &mut piece).ok().filter(|&count| count > 0)?;
            self.frames.extend(piece.get(..count)?);
        }
    }

    /// A message that has been read already.
    fn next_read(&mut self) -> Option<(u32, FromDriver)> {
        self.frames.next().map(|(id, whole)| (id, FromDriver::read(whole)))
    }

    /// Reads the available bytes. Returns false at the end of the stream.
    fn fill(&mut self) -> bool {
        match self.pipe.try_read_buf(self.frames.space(READ_AT_ONCE)) {
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
    /// The driver's end is closed.
    over: bool,
}

impl MessageWriter {
    /// `first` is sent before any message: the driver's source.
    pub(super) fn new(pipe: Sender, dialect: Dialect, first: Vec<u8>) -> Self {
        MessageWriter { pipe, dialect, pending: first, over: false }
    }

    /// Adds a message; [`MessageWriter::flush`] sends it.
    pub(super) fn push(&mut self, message: &ToDriver<'_>) {
        match message.line(self.dialect) {
            Ok(line) => self.pending.extend_from_slice(line.as_bytes()),
            Err(error) => tracing::warn!(%error, "a message could not be written as JSON"),
        }
        self.write_now();
    }

    /// Whether the driver's end is closed.
    pub(super) fn is_over(&self) -> bool {
        self.over
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
                Err(_) => {
                    self.pending.clear();
                    self.over = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_dialect_escapes_line_feeds() {
        let run = ToDriver::Run { id: 7, code: "a\\n\n\r\0é ", script: None, terminal: false };
        assert_eq!(run.line(Dialect::Words).unwrap(), "run 7 a\\\\n\\n\\ré \n");
        let script = ToDriver::Run { id: 8, code: "a b", script: Some(&Script::default()), terminal: false };
        assert_eq!(script.line(Dialect::Words).unwrap(), "script 8 a b\n");
        assert_eq!(ToDriver::Input { text: "" }.line(Dialect::Words).unwrap(), "input \n");
        let variables = [("COLUMNS", Some("90".to_owned())), ("FORCE_COLOR", None)];
        let window = ToDriver::Window { columns: Some(90), rows: None, variables: &variables };
        assert_eq!(window.line(Dialect::Words).unwrap(), "window 90 0 COLUMNS=90 FORCE_COLOR=\n");
        let json =
            r#"{"do":"window","columns":90,"rows":null,"variables":{"COLUMNS":"90","FORCE_COLOR":null}}"#;
        assert_eq!(window.line(Dialect::Json).unwrap(), format!("{json}\n"));
        assert_eq!(ToDriver::Wake.line(Dialect::Paragraphs).unwrap(), "wake\n\n");
        assert_eq!(ToDriver::Wake.line(Dialect::Json).unwrap(), "{\"do\":\"wake\"}\n");
    }

    #[test]
    fn a_message_that_cannot_be_read_becomes_a_sentence() {
        let read = |text: &[u8]| FromDriver::read(Whole::Bytes(text.to_vec()));
        assert_eq!(
            read(br#"{"say":"html","data":"a\ud83d"}"#),
            FromDriver::Html { data: "a\u{fffd}".into() }
        );
        assert_eq!(
            read(b"{\"say\":\"html\",\"data\":\"\xff\"}"),
            FromDriver::Html { data: "\u{fffd}".into() }
        );
        for (whole, said) in [
            (Whole::Bytes(br#"{"say":"dance"}"#.to_vec()), "cannot be read (unknown variant `dance`"),
            (Whole::Bytes(br#"{"say":"html"}"#.to_vec()), "cannot be read (missing field `data`"),
            (Whole::TooLong(300 << 20), "A value of 300 MiB is not shown: the limit is 255 MiB at a time."),
        ] {
            let message = FromDriver::read(whole);
            let FromDriver::Unreadable { sentence } = &message else { panic!("{message:?}") };
            assert!(sentence.contains(said), "{sentence}");
        }
    }
}
