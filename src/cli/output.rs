//! The writer of a run without a prompt: one thread that owns standard output, so that a reader who is slow, or
//! stopped, never keeps the run loop from hearing Ctrl-C.

use super::exit::Exit;
use super::failure::Failure;
use crate::protocol::record::ConsoleRecord;
use crate::render::{Console, ConsoleOptions, Flow};
use crate::terminal::Out;
use serde_json::{Value, json};
use std::io::Write;
use tokio::sync::{mpsc, oneshot};

/// Records that wait for the writer, at most; the server is held back by them.
const WAITING: usize = 16;

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Word {
    /// The program printed something.
    Record(ConsoleRecord),
    /// Something else happened, for programs that read us: an object with the key `event`.
    Event(Value),
    /// Everything so far is to be seen now, because a person is about to be asked.
    Flush(oneshot::Sender<()>),
}

/// The run loop's end of the writer.
pub(super) struct Output {
    words: mpsc::Sender<Word>,
    outcome: oneshot::Receiver<Result<Flow, Failure>>,
}

impl Output {
    /// Starts the writer: JSON lines or the program's own output.
    pub(super) fn start(json: bool, look: ConsoleOptions) -> Self {
        let (words, receiver) = mpsc::channel(WAITING);
        let (sender, outcome) = oneshot::channel();
        std::thread::spawn(move || {
            let result = if json { write_json(receiver) } else { write_plain(receiver, look) };
            // The run loop may have left already; then nobody asks.
            let _ = sender.send(result);
        });
        Output { words, outcome }
    }

    /// The channel to the writer. It is closed when nobody reads what is written, or writing failed.
    pub(super) fn words(&self) -> &mpsc::Sender<Word> {
        &self.words
    }

    /// Waits until all that was said so far is written.
    pub(super) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.words.send(Word::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// Ends the writer when it has written everything.
    pub(super) async fn finish(self) -> Result<Flow, Failure> {
        drop(self.words);
        self.outcome
            .await
            .unwrap_or_else(|_| Err(Failure::new(Exit::Failed, "the writer of the output ended early")))
    }
}

fn write_plain(mut words: mpsc::Receiver<Word>, look: ConsoleOptions) -> Result<Flow, Failure> {
    let mut console = Console::new(Out::stdout(), Out::stderr(), look);
    console.begin_cell();
    let failed = |error: crate::render::RenderError| Failure::new(Exit::Failed, error);
    while let Some(word) = words.blocking_recv() {
        let mut flow = take(&mut console, word).map_err(failed)?;
        while let Ok(word) = words.try_recv() {
            flow = take(&mut console, word).map_err(failed)?;
        }
        if flow == Flow::Closed || console.flush().map_err(failed)? == Flow::Closed {
            return Ok(Flow::Closed);
        }
    }
    console.end_cell().map_err(failed)
}

fn take(console: &mut Console<Out, Out>, word: Word) -> Result<Flow, crate::render::RenderError> {
    match word {
        Word::Record(record) => console.record(&record),
        Word::Event(_) => Ok(Flow::Open),
        Word::Flush(done) => {
            let flow = console.flush();
            let _ = done.send(());
            flow
        }
    }
}

fn write_json(mut words: mpsc::Receiver<Word>) -> Result<Flow, Failure> {
    let mut out = std::io::BufWriter::new(Out::stdout());
    let written = (|| {
        while let Some(word) = words.blocking_recv() {
            match word {
                Word::Record(record) => write_line(&mut out, &record_event(record))?,
                Word::Event(event) => write_line(&mut out, &event)?,
                Word::Flush(done) => drop(done.send(())),
            }
            if words.is_empty() {
                out.flush()?;
            }
        }
        out.flush()
    })();
    match written {
        Ok(()) => Ok(Flow::Open),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Flow::Closed),
        Err(error) => Err(Failure::new(Exit::Failed, format!("cannot write to standard output: {error}"))),
    }
}

fn write_line(out: &mut impl Write, event: &Value) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, event)?;
    out.write_all(b"\n")
}

/// A record as an event: `type` is the record's, `data` its content, `mime` that of a medium.
fn record_event(record: ConsoleRecord) -> Value {
    match record {
        ConsoleRecord::Stdout(data) => json!({"event": "console", "type": "stdout", "data": data}),
        ConsoleRecord::Stderr(data) => json!({"event": "console", "type": "stderr", "data": data}),
        ConsoleRecord::Html(data) => json!({"event": "console", "type": "html", "data": data}),
        ConsoleRecord::Log(data) => json!({"event": "console", "type": "log", "data": data}),
        ConsoleRecord::Media { mime, data } => {
            json!({"event": "console", "type": "media", "mime": mime, "data": data})
        }
        ConsoleRecord::Unknown { kind, payload } => {
            json!({"event": "console", "type": kind, "data": payload})
        }
    }
}
