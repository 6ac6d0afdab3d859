//! A running Jupyter kernel in the place of an interpreter under a driver. The worker's messages become Jupyter's, and
//! the kernel's messages become the worker's events.
//!
//! Output and replies come over different sockets. The kernel reports the status idle after the last output of a cell, so
//! a cell is over when both this status and the reply have arrived. If one of them is lost, the other one alone counts
//! after a while.

use super::cell::{Cell, question_about};
use super::connection::{post, send};
use super::messages::{KernelMessage, Payload};
use super::spec::Kernelspec;
use super::start::{self, KernelProcess};
use super::widgets::Widgets;
use super::window;
use crate::error::StartError;
use crate::interpreter::{EXIT_LIMIT, Event};
use crate::kernel_spec::KernelSpec;
use crate::language::Resolved;
use crate::outbox::Outbox;
use crate::wire::{FromDriver, ToDriver};
use bai_protocol::byte_text;
use bai_protocol::machine_limit::explain;
use bai_protocol::record::ConsoleRecord;
use jupyter_protocol::{
    CompleteRequest, ExecuteRequest, InputReply, InspectRequest, InterruptRequest, JupyterMessage,
    JupyterMessageContent, ShutdownRequest,
};
use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::Instant;

/// Output from before a question may arrive this long after the question.
const BEFORE_QUESTION: Duration = Duration::from_millis(30);
/// A cell can be interrupted this long after the kernel accepted it, if the kernel has not reported its start.
const SURELY_STARTED: Duration = Duration::from_millis(500);
/// How long to wait for the last output of a kernel that has ended.
const LAST_OUTPUT: Duration = Duration::from_millis(100);
/// The most bytes of a file that fill a prompt.
const LARGEST_INPUT: u64 = 1 << 20;
/// With this many unanswered completions, no more are requested.
const MOST_COMPLETIONS: usize = 4;

/// A running kernel.
pub(crate) struct JupyterKernel {
    kernel: KernelProcess,
    by_message: bool,
    language: String,
    ready: VecDeque<Event>,
    cell: Option<Cell>,
    /// The numbers of completions by the messages that asked for them.
    completions: HashMap<String, u64>,
    /// The question that waits for its answer, or for the output before it.
    question: Option<(KernelMessage, Option<Instant>)>,
    widgets: Widgets,
    ended: Option<(ExitStatus, Instant)>,
}

/// An event of the kernel.
enum JupyterEvent {
    Answer(KernelMessage),
    Output(KernelMessage),
    Ended(ExitStatus),
    /// The process has written directly: to standard output if true, else to standard error.
    Text(bool),
    Time,
}

impl JupyterKernel {
    /// Starts a kernel and waits until it takes cells.
    pub(crate) async fn start(resolved: &Resolved, spec: &KernelSpec) -> Result<Box<Self>, StartError> {
        let file = &resolved.info.executable;
        let unreadable = || StartError::Spawn {
            executable: file.clone(),
            source: std::io::Error::other("it does not describe a kernel"),
        };
        let kernel = Kernelspec::read(file).ok_or_else(unreadable)?;
        Ok(Box::new(JupyterKernel {
            kernel: start::start(&kernel, spec).await?,
            by_message: kernel.interrupted_by_message(),
            language: kernel.language(),
            ready: VecDeque::new(),
            cell: None,
            completions: HashMap::new(),
            question: None,
            widgets: Widgets::default(),
            ended: None,
        }))
    }

    /// Waits for the next event. Without `room`, no output is read. Cancel-safe.
    pub(crate) async fn next(&mut self, room: bool) -> Event {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            match self.next_event(room).await {
                JupyterEvent::Answer(message) => self.on_answer(message),
                JupyterEvent::Output(message) => self.on_output(&message),
                JupyterEvent::Ended(status) => self.ended = Some((status, Instant::now() + LAST_OUTPUT)),
                JupyterEvent::Text(is_out) => self.on_text(is_out),
                JupyterEvent::Time => {
                    if let Some(event) = self.on_time() {
                        return event;
                    }
                }
            }
        }
    }

    async fn next_event(&mut self, room: bool) -> JupyterEvent {
        let due = self.due(room);
        let time = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let lives = self.ended.is_none();
        tokio::select! { biased;
            Some(message) = self.kernel.sockets.output.recv(), if room => JupyterEvent::Output(message),
            Some(message) = self.kernel.sockets.answers.recv() => JupyterEvent::Answer(message),
            () = self.kernel.out.readable(), if room => JupyterEvent::Text(true),
            () = self.kernel.err.readable(), if room => JupyterEvent::Text(false),
            Ok(status) = self.kernel.process.wait(), if lives => JupyterEvent::Ended(status),
            () = time => JupyterEvent::Time,
            else => std::future::pending().await,
        }
    }

    /// The next deadline. Output does not count as late while we do not read it.
    fn due(&self, room: bool) -> Option<Instant> {
        let asks = self.question.as_ref().and_then(|(_, due)| *due);
        let cell = self.cell.as_ref().and_then(Cell::due);
        let ended = self.ended.map(|(_, due)| due);
        [asks, cell, ended].into_iter().flatten().filter(|_| room).min()
    }

    fn on_time(&mut self) -> Option<Event> {
        let now = Instant::now();
        if let Some((status, due)) = self.ended
            && due <= now
        {
            self.ended = None;
            return Some(Event::Ended(status));
        }
        if let Some((question, due @ Some(_))) = &mut self.question
            && due.is_some_and(|due| due <= now)
        {
            *due = None;
            let (prompt, password) = question.question();
            self.text(ConsoleRecord::Stdout(prompt));
            self.say(FromDriver::Ask { password, stdin: false });
        }
        if let Some(cell) = &mut self.cell {
            if cell.starts_by(now) {
                let id = cell.id;
                self.ready.push_back(Event::Aside(FromDriver::Started { id }));
            } else if cell.is_late(now) {
                if cell.is_output_missing() {
                    let sentence = "The kernel has not reported the end of the output; some may be lost.\n";
                    self.text(ConsoleRecord::Stderr(sentence.to_owned()));
                }
                self.finish();
            }
        }
        None
    }

    /// The process has written directly, with or without a cell.
    fn on_text(&mut self, is_out: bool) {
        let text = if is_out { self.kernel.out.read() } else { self.kernel.err.read() };
        let Some(text) = text else { return };
        self.text(if is_out { ConsoleRecord::Stdout(text) } else { ConsoleRecord::Stderr(text) });
    }

    fn on_output(&mut self, message: &KernelMessage) {
        let is_ours = self.is_ours(message);
        if let Some((_, Some(due))) = &mut self.question {
            *due = Instant::now() + BEFORE_QUESTION;
        }
        match (message.kind.as_str(), message.state()) {
            ("status", "busy") if is_ours => {
                self.with_cell(|cell| cell.taken(Instant::now() + SURELY_STARTED))
            }
            ("status", "idle") if is_ours => self.with_cell(|cell| cell.idle(Instant::now())),
            ("execute_input", _) if is_ours => self.started(),
            ("clear_output", _) => self.text(ConsoleRecord::Clear { wait: message.waits() }),
            ("comm_open" | "comm_msg" | "comm_close", _) => {
                let changed = self.widgets.receive(&message.kind, message.content());
                changed.into_iter().for_each(|record| self.text(record));
            }
            _ => self.show(message, is_ours),
        }
        self.finish_if_over();
    }

    /// Whether a message is about the cell that runs.
    fn is_ours(&self, message: &KernelMessage) -> bool {
        self.cell.as_ref().is_some_and(|cell| cell.request == message.parent)
    }

    fn show(&mut self, message: &KernelMessage, is_ours: bool) {
        let widget = message.displayed().and_then(|bundle| self.widgets.display(bundle));
        let Some(reply) = widget.or_else(|| message.output()) else { return };
        let reply = reply.map_text(byte_text::of_utf8);
        if is_ours {
            self.started();
            if message.kind == "error" {
                self.with_cell(|cell| cell.failed(message.exit_code()));
            }
        }
        self.text(reply);
    }

    fn on_answer(&mut self, message: KernelMessage) {
        let is_ours = self.is_ours(&message);
        match message.kind.as_str() {
            "complete_reply" => {
                if let Some(id) = self.completions.remove(&message.parent) {
                    let (start, suggestions) = message.completions();
                    self.ready.push_back(Event::Aside(FromDriver::Completions { id, start, suggestions }));
                }
            }
            "input_request" => {
                self.started();
                self.question = Some((message, Some(Instant::now() + BEFORE_QUESTION)));
            }
            "execute_reply" if is_ours => {
                message.payloads().into_iter().for_each(|payload| self.payload(payload));
                self.with_cell(|cell| cell.replied(message.went_well(), Instant::now()));
            }
            "inspect_reply" if is_ours => {
                let (text, found) = message.inspection();
                self.text(text);
                self.with_cell(|cell| cell.replied(found, Instant::now()));
            }
            _ => {}
        }
        self.finish_if_over();
    }

    /// Passes on what a reply asks of the prompt.
    fn payload(&mut self, payload: Payload) {
        match payload {
            Payload::Page(text) => self.text(ConsoleRecord::Stdout(byte_text::of_utf8(text))),
            Payload::NextInput { text, replace } => self.say(FromDriver::NextInput { text, replace }),
            Payload::Edit(file) => match read_text(&file) {
                Ok(text) => self.say(FromDriver::NextInput { text, replace: false }),
                Err(error) => {
                    let sentence = format!("cannot read {}: {}\n", file.display(), explain(&error));
                    self.text(ConsoleRecord::Stderr(sentence));
                }
            },
            Payload::Leave => self.say(FromDriver::Leave),
        }
    }

    fn with_cell(&mut self, change: impl FnOnce(&mut Cell)) {
        if let Some(cell) = &mut self.cell {
            change(cell);
        }
    }

    fn started(&mut self) {
        if let Some(id) = self.cell.as_mut().and_then(Cell::start) {
            self.ready.push_back(Event::Aside(FromDriver::Started { id }));
        }
    }

    fn finish_if_over(&mut self) {
        if self.cell.as_ref().is_some_and(Cell::is_over) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let Some(cell) = self.cell.take() {
            self.question = None;
            self.say(FromDriver::Done { id: cell.id, code: cell.exit_code() });
        }
    }

    fn say(&mut self, message: FromDriver) {
        // No thread waits for an acknowledgement.
        self.ready.push_back(Event::Message(0, message));
    }

    /// Passes output on.
    fn text(&mut self, reply: ConsoleRecord) {
        match reply {
            text @ (ConsoleRecord::Stdout(_) | ConsoleRecord::Stderr(_)) => {
                self.ready.push_back(Event::Output(text));
            }
            record => self.say(FromDriver::Record(record)),
        }
    }

    /// Translates a message of the worker.
    pub(crate) fn send(&mut self, message: &ToDriver<'_>) {
        match *message {
            ToDriver::Run { id, code, .. } => {
                let (request, inspects) = match question_about(code, &self.language) {
                    Some((name, detail)) => (inspect(name, detail), true),
                    None => (execute(code), false),
                };
                let request = post(&self.kernel.sockets.shell, request);
                self.cell = Some(Cell::new(id, request));
                if inspects {
                    self.started();
                }
            }
            ToDriver::Complete { id, code, post: after } => {
                let (cursor_pos, code) = (code.chars().count(), format!("{code}{after}"));
                let request = CompleteRequest { code, cursor_pos };
                let request = post(&self.kernel.sockets.shell, request.into());
                self.completions.insert(request, id);
            }
            ToDriver::Input { text } => {
                let Some((question, _)) = self.question.take() else { return };
                let reply = InputReply { value: text.to_owned(), ..InputReply::default() };
                let mut message = JupyterMessage::new(reply, None);
                message.parent_header = question.header;
                send(&self.kernel.sockets.stdin, message);
            }
            ToDriver::Window { variables, .. } => {
                if let Some(code) = window::code(variables, &self.language) {
                    let request =
                        ExecuteRequest { silent: true, store_history: false, ..ExecuteRequest::new(code) };
                    post(&self.kernel.sockets.shell, request.into());
                }
            }
            ToDriver::Bye => {
                post(&self.kernel.sockets.control, ShutdownRequest { restart: false }.into());
            }
            ToDriver::Secret { .. }
            | ToDriver::Wake
            | ToDriver::Free
            | ToDriver::Environment { .. }
            | ToDriver::Ended { .. }
            | ToDriver::Ack { .. } => {}
        }
    }

    /// Whether the kernel is too busy to be asked for something optional.
    pub(crate) fn is_congested(&self) -> bool {
        self.completions.len() >= MOST_COMPLETIONS
    }

    /// Interrupts the cell in the way that its kernelspec asks for.
    pub(crate) fn interrupt(&mut self) {
        self.question = None;
        self.with_cell(Cell::interrupted);
        if self.by_message {
            post(&self.kernel.sockets.control, InterruptRequest {}.into());
        } else {
            self.kernel.process.interrupt();
        }
    }

    /// Takes the direct output of the process.
    pub(crate) fn drain(&mut self, take: impl FnMut(ConsoleRecord)) {
        self.kernel.drain(take);
    }

    /// Ends the process's own streams at the end of a cell.
    pub(crate) fn finish_streams(&mut self, outbox: &mut Outbox) {
        self.kernel.out.finish().into_iter().for_each(|text| outbox.push(ConsoleRecord::Stdout(text)));
        self.kernel.err.finish().into_iter().for_each(|text| outbox.push(ConsoleRecord::Stderr(text)));
    }

    /// Asks the kernel to end, and waits for that unless a cell keeps it busy.
    pub(crate) async fn shutdown(mut self: Box<Self>) {
        if self.cell.is_none() {
            self.send(&ToDriver::Bye);
            // A kernel that does not end is killed.
            let _ = tokio::time::timeout(EXIT_LIMIT, self.kernel.process.wait()).await;
        }
    }
}

/// The text of a file to edit, if a prompt can take it.
fn read_text(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(file)?.take(LARGEST_INPUT + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST_INPUT {
        return Err(std::io::Error::other("it is too large for a prompt"));
    }
    Ok(text)
}

fn execute(code: &str) -> JupyterMessageContent {
    let request =
        ExecuteRequest { allow_stdin: true, stop_on_error: false, ..ExecuteRequest::new(code.to_owned()) };
    request.into()
}

fn inspect(name: &str, detail: usize) -> JupyterMessageContent {
    let (code, cursor_pos) = (name.to_owned(), name.chars().count());
    InspectRequest { code, cursor_pos, detail_level: Some(detail) }.into()
}
