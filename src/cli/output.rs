//! The writer of a run without a prompt: one thread that owns standard output, so that the run loop receives Ctrl-C even if
//! the reader of the output is slow or stopped.

use super::case_output::CaseOutput;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::json_lines;
use crate::render::{Console, ConsoleOptions, Flow, PassedTerminal, RenderError, Stream, sanitize};
use crate::terminal::{Out, OwnLines, PassthroughGuard, Size};
use bai_engine::ScriptStreams;
use bai_protocol::byte_text;
use bai_protocol::record::{ConsoleRecord, Display, TerminalChange};
use bai_protocol::signal::OutputStream;
use serde_json::{Value, json};
use std::io::Write;
use tokio::sync::{mpsc, oneshot};

/// Maximum number of messages that wait for the writer. More of them slow down the server.
const MAX_WAITING: usize = 16;

/// A message to the writer.
#[derive(Debug)]
pub(super) enum OutputMessage {
    /// Output of the program.
    Record(ConsoleRecord),
    /// Another event, for programs that read our output: an object with the key `event`.
    Event(Value),
    /// The start or end of a step or a case: an object for programs that read our output, and a sentence for people.
    Step(Value, String),
    /// The output of one case of a sweep, and its headline.
    Case(String, CaseOutput),
    /// The window has this size now.
    Resize(Size),
    /// The program has a terminal of its own: its standard output is what that gives.
    AtTerminal,
    /// A request to write everything now, because the user is about to be asked.
    Flush(oneshot::Sender<()>),
}

/// The run loop's end of the writer.
pub(super) struct Output {
    messages: mpsc::Sender<OutputMessage>,
    outcome: oneshot::Receiver<Result<Flow, CliError>>,
    unread: Option<mpsc::Receiver<OutputStream>>,
    /// The streams that the program writes itself.
    lent: ScriptStreams,
}

impl Output {
    /// Starts the writer of one program: JSON lines or its own output. It goes on when a reader has gone, and tells so.
    pub(super) fn start(json: bool, options: ConsoleOptions) -> Self {
        let (sender, unread) = mpsc::channel(2);
        let readers = Readers { tell: Some(sender), told: Vec::new() };
        let output = Self::start_with(move |messages| match json {
            true => write_json(messages, readers),
            false => write_plain(messages, options, readers, |write| write()),
        });
        Output { unread: Some(unread), ..output }
    }

    /// The program writes these streams itself.
    pub(super) fn beside(self, lent: ScriptStreams) -> Self {
        Output { lent, ..self }
    }

    /// A message that is to follow this record. With streams of its own, the program waits until the record is written.
    pub(super) fn after(&self, record: &ConsoleRecord) -> Option<OutputMessage> {
        (self.lent.are_lent() && ScriptStreams::wait_for(record)).then(|| {
            let (done, written) = oneshot::channel();
            let lent = self.lent.clone();
            tokio::spawn(async move {
                // An error means that nothing is written any more.
                let _ = written.await;
                lent.was_shown();
            });
            OutputMessage::Flush(done)
        })
    }

    /// Starts the writer of JSON lines that ends when its reader has gone.
    pub(super) fn start_json() -> Self {
        Self::start_with(|messages| write_json(messages, Readers::default()))
    }

    /// Starts a writer with another function for the messages.
    pub(super) fn start_with(
        write: impl FnOnce(mpsc::Receiver<OutputMessage>) -> Result<Flow, CliError> + Send + 'static,
    ) -> Self {
        let (messages, receiver) = mpsc::channel(MAX_WAITING);
        let (sender, outcome) = oneshot::channel();
        std::thread::spawn(move || {
            let result = write(receiver);
            // The run loop may have ended already and not wait for the result.
            let _ = sender.send(result);
        });
        Output { messages, outcome, unread: None, lent: ScriptStreams::default() }
    }

    /// Starts a writer that keeps the output of one case of a sweep, which is shown later.
    pub(super) fn for_case() -> Result<(Self, CaseOutput), CliError> {
        let failed =
            |error| CliError::new(ExitStatus::Failed, format!("cannot keep a case's output: {error}"));
        let (output, file) = CaseOutput::create().map_err(failed)?;
        let write = move |messages| write_case_records(messages, file).map(|()| Flow::Open).map_err(failed);
        Ok((Self::start_with(write), output))
    }

    /// Waits until the writer takes no more: writing failed, or the reader has gone and the program cannot be told.
    pub(super) async fn closed(&self) {
        self.messages.closed().await;
    }

    /// The streams that nobody reads any more, from now on. Only the first call has them.
    pub(super) fn unread_streams(&mut self) -> UnreadStreams {
        UnreadStreams(self.unread.take())
    }

    /// The channel to the writer. It is closed when the writer takes no more.
    pub(super) fn messages(&self) -> &mpsc::Sender<OutputMessage> {
        &self.messages
    }

    /// Waits until all messages so far are written.
    pub(super) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.messages.send(OutputMessage::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// Waits until the writer has written everything, and ends it.
    pub(super) async fn finish(self) -> Result<Flow, CliError> {
        drop(self.messages);
        self.outcome.await.unwrap_or_else(|_| {
            Err(CliError::new(ExitStatus::Failed, "the writer of the output ended early"))
        })
    }
}

/// The streams that nobody reads any more, as they become known.
pub(super) struct UnreadStreams(Option<mpsc::Receiver<OutputStream>>);

impl UnreadStreams {
    /// Waits for the next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> OutputStream {
        let stream = match &mut self.0 {
            Some(streams) => streams.recv().await,
            None => None,
        };
        match stream {
            Some(stream) => stream,
            None => std::future::pending().await,
        }
    }
}

/// The readers of the output.
#[derive(Debug, Default)]
pub(super) struct Readers {
    /// Who wants to know that one has gone.
    tell: Option<mpsc::Sender<OutputStream>>,
    told: Vec<OutputStream>,
}

impl Readers {
    /// The reader of this stream has gone. Returns whether the writer goes on.
    fn gone(&mut self, stream: OutputStream) -> bool {
        let Some(tell) = &self.tell else { return stream == OutputStream::Stderr };
        if !self.told.contains(&stream) {
            self.told.push(stream);
            // An error means that the run is over.
            let _ = tell.try_send(stream);
        }
        true
    }
}

/// Writes messages for people. Each write runs inside of `around`, which can hide other things on the terminal.
pub(super) fn write_plain(
    mut messages: mpsc::Receiver<OutputMessage>,
    options: ConsoleOptions,
    mut readers: Readers,
    around: impl Fn(&mut dyn FnMut()),
) -> Result<Flow, CliError> {
    let mut console = Console::new(Out::stdout(), Out::stderr(), options);
    console.begin_cell();
    let (mut passing, mut screen) = (None, None);
    let failed = |error: RenderError| CliError::new(ExitStatus::Failed, error);
    let mut failure = None;
    while let Some(message) = messages.blocking_recv() {
        let mut waiting = Some(message);
        let mut written = Ok(());
        around(&mut || {
            written = write_waiting(&mut console, &mut messages, waiting.take(), (&mut passing, &mut screen))
        });
        if let Err(error) = written {
            // A full disk is to the program as a reader that has gone; what it says about that is shown.
            console.close(error.stream());
            failure.get_or_insert(error);
        }
        for (stream, name) in [(Stream::Stdout, OutputStream::Stdout), (Stream::Stderr, OutputStream::Stderr)]
        {
            if console.flow(stream) == Flow::Closed && !readers.gone(name) {
                return failure.map_or(Ok(Flow::Closed), |error| Err(failed(error)));
            }
        }
    }
    let ended = console.end_cell();
    failure.map_or(ended, Err).map_err(failed)
}

/// Writes a message and those that wait after it.
fn write_waiting(
    console: &mut Console<Out, Out>,
    messages: &mut mpsc::Receiver<OutputMessage>,
    first: Option<OutputMessage>,
    (passing, screen): (&mut Option<PassthroughGuard>, &mut Option<PassedTerminal>),
) -> Result<(), RenderError> {
    let mut next = first;
    while let Some(message) = next {
        // What has no reader is not written.
        let _ = match (&passing, &message) {
            (_, OutputMessage::AtTerminal) => {
                console.pass_output()?;
                *passing = Some(PassthroughGuard::enter());
                Flow::Open
            }
            (_, OutputMessage::Record(ConsoleRecord::Terminal(TerminalChange::Output(text)))) => {
                let flow = console.flush()?;
                if screen.is_none() {
                    *screen = PassedTerminal::open().ok();
                }
                screen.iter_mut().for_each(|screen| screen.write(&byte_text::bytes(text)));
                flow
            }
            (Some(_), OutputMessage::Record(record)) if !matches!(record, ConsoleRecord::Stdout(_)) => {
                let _ = console.flush()?;
                let _lines = OwnLines::begin();
                let _ = take(console, message)?;
                console.flush()?
            }
            _ => take(console, message)?,
        };
        if let Some(passing) = passing {
            passing.update(console.passed());
        }
        next = messages.try_recv().ok();
    }
    console.flush().map(drop)
}

fn take(console: &mut Console<Out, Out>, message: OutputMessage) -> Result<Flow, RenderError> {
    match message {
        OutputMessage::Record(record) => write_record(console, &record),
        OutputMessage::Event(_) | OutputMessage::AtTerminal => Ok(Flow::Open),
        OutputMessage::Step(_, sentence) if sentence.is_empty() => Ok(Flow::Open),
        OutputMessage::Step(_, sentence) => console.note(&sanitize::sentence(&sentence)),
        OutputMessage::Case(headline, case_output) => write_case(console, &headline, case_output),
        OutputMessage::Resize(size) => {
            console.resize(size);
            Ok(Flow::Open)
        }
        OutputMessage::Flush(done) => {
            let flow = console.flush();
            let _ = done.send(());
            flow
        }
    }
}

/// Writes a record of a run that keeps bytes ([`bai_client::RunOptions::bytes`]).
fn write_record(console: &mut Console<Out, Out>, record: &ConsoleRecord) -> Result<Flow, RenderError> {
    match record {
        ConsoleRecord::Stdout(text) => console.bytes(Stream::Stdout, &byte_text::bytes(text)),
        ConsoleRecord::Stderr(text) => console.bytes(Stream::Stderr, &byte_text::bytes(text)),
        ConsoleRecord::Display(_) if record.text().is_some_and(|text| !byte_text::is_utf8(text)) => {
            console.record(&record.clone().map_text(|text| byte_text::replaced(&text).into_owned()))
        }
        other => console.record(other),
    }
}

fn write_case(
    console: &mut Console<Out, Out>,
    headline: &str,
    case_output: CaseOutput,
) -> Result<Flow, RenderError> {
    console.begin_cell();
    if !headline.is_empty() {
        let _ = console.note(&sanitize::sentence(headline))?;
    }
    for record in case_output.records() {
        if write_record(console, &record)? == Flow::Closed {
            return Ok(Flow::Closed);
        }
    }
    let _ = console.end_cell()?;
    console.fresh_line()
}

fn write_json(mut messages: mpsc::Receiver<OutputMessage>, mut readers: Readers) -> Result<Flow, CliError> {
    let mut out = std::io::BufWriter::new(Out::stdout());
    let written = (|| {
        while let Some(message) = messages.blocking_recv() {
            match message {
                OutputMessage::Record(record) => json_lines::write(&mut out, &record_event(record))?,
                OutputMessage::Event(event) | OutputMessage::Step(event, _) => {
                    json_lines::write(&mut out, &event)?
                }
                OutputMessage::Case(..) | OutputMessage::Resize(_) | OutputMessage::AtTerminal => {}
                OutputMessage::Flush(done) => drop(done.send(())),
            }
            if messages.is_empty() {
                out.flush()?;
            }
        }
        out.flush()
    })();
    match written {
        Ok(()) => Ok(Flow::Open),
        Err(error) => {
            // Both streams of the program are in it.
            if readers.gone(OutputStream::Stderr) && readers.gone(OutputStream::Stdout) {
                while messages.blocking_recv().is_some() {}
            }
            match error.kind() {
                std::io::ErrorKind::BrokenPipe => Ok(Flow::Closed),
                _ => Err(CliError::new(ExitStatus::Failed, RenderError::Output(error))),
            }
        }
    }
}

/// A record as an event: `type` is the type of the record, `data` its content, `mime` the type of a medium.
pub(super) fn record_event(record: ConsoleRecord) -> Value {
    match record {
        ConsoleRecord::Stdout(data) => json!({"event": "console", "type": "stdout", "data": data}),
        ConsoleRecord::Stderr(data) => json!({"event": "console", "type": "stderr", "data": data}),
        ConsoleRecord::Html(data) => json!({"event": "console", "type": "html", "data": data}),
        ConsoleRecord::Log(data) => json!({"event": "console", "type": "log", "data": data}),
        ConsoleRecord::Media { mime, data } => {
            json!({"event": "console", "type": "media", "mime": mime, "data": data})
        }
        ConsoleRecord::Display(Display { id, update, size, record }) => {
            let mut event = record_event(*record);
            if let Value::Object(fields) = &mut event {
                let display = json!({"id": id, "update": update, "width": size.width, "height": size.height});
                fields.insert("display".to_owned(), display);
            }
            event
        }
        ConsoleRecord::Clear { wait } => json!({"event": "console", "type": "clear", "wait": wait}),
        ConsoleRecord::NextInput { text, replace } => {
            json!({"event": "console", "type": "next-input", "data": text, "replace": replace})
        }
        ConsoleRecord::Leave => json!({"event": "console", "type": "leave"}),
        ConsoleRecord::AskSecret { prompt } => {
            json!({"event": "console", "type": "ask-secret", "data": prompt})
        }
        ConsoleRecord::Terminal(_) => json!({"event": "console", "type": "terminal"}),
        ConsoleRecord::Unknown { kind, payload } => {
            json!({"event": "console", "type": kind, "data": payload})
        }
    }
}

fn write_case_records(
    mut messages: mpsc::Receiver<OutputMessage>,
    file: std::fs::File,
) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(file);
    while let Some(message) = messages.blocking_recv() {
        let record = match message {
            OutputMessage::Record(record) => record,
            // The headline of the case replaces the messages about steps that succeeded.
            OutputMessage::Step(_, sentence) if !sentence.is_empty() => {
                ConsoleRecord::Stderr(format!("{sentence}\n"))
            }
            OutputMessage::Flush(done) => {
                // The output is shown later, so the caller need not wait.
                let _ = done.send(());
                continue;
            }
            _ => continue,
        };
        serde_json::to_writer(&mut file, &record)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}
