//! One execution, from its start to `finished`: the caller's handle and its events.
//!
//! [`Run`] is only a handle. A task of its own (`driver`) owns the connection, asks the pure state machine
//! (`machine`) what each frame means, and holds the session's turn until the run is over, so that a run is never
//! abandoned, even if the handle is dropped (`docs/wire` §3.6).

mod activity;
mod ahead;
mod answering;
mod beginning;
mod catch_up;
mod driver;
mod heuristics;
mod kept;
mod kernel_watch;
mod left;
mod link;
mod link_event;
mod listener;
mod lost_run;
mod machine;
mod poll;
mod ring;
mod socket;
mod step_end;
pub(super) mod steps;
mod turn;

pub(super) use activity::Delay;
pub use activity::{Activity, InterruptOutcome};
pub(super) use answering::until_it_answers;
pub(super) use driver::{Start, start, start_in_turn};
pub(super) use kept::Place;
pub use left::Occupation;
pub use listener::{IdleEvent, Listener};
pub(super) use turn::Turns;

use super::error::{ClientError, ErrorKind};
use super::prelude::KernelScript;
use bai_protocol::byte_text;
use bai_protocol::execute::{BatchOptions, InputPiece, RunId, Script, Window};
use bai_protocol::record::ConsoleRecord;
use bai_protocol::signal::RunSignal;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

/// How many signals and secrets may wait to be sent.
const BESIDE: usize = 8;

/// The code to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Source text, in the session's namespace.
    Query(String),
    /// Source text that runs as a program of its language. Servers without
    /// [`bai_protocol::capability::Capability::Scripts`] run it as [`Cell::Query`].
    Script(String, Script),
    /// A script in a kernel with the prelude, from [`Prelude::script`](crate::Prelude::script).
    Kernel(KernelScript),
    /// The three batch steps, as shell commands. Empty ones are skipped, and `*` depends on the files. On servers that
    /// lose output between the steps, each step is a run of its own; the caller sees no difference.
    Batch(BatchOptions),
}

impl Cell {
    /// Source text, in the session's namespace.
    pub fn query(code: impl Into<String>) -> Self {
        Cell::Query(code.into())
    }

    /// Whether its session ends with it, so that nobody needs the session when the cell is given up.
    pub fn ends_its_session(&self) -> bool {
        match self {
            Cell::Script(_, script) => script.last,
            Cell::Kernel(script) => script.last,
            Cell::Query(_) | Cell::Batch(_) => false,
        }
    }
}

/// The transport of a run.
///
/// A cluster cannot pass HTML over its WebSocket (`docs/wire` §5.1): such a run is lost, and with it the session, unless
/// [`Prelude`](crate::Prelude) is installed in it. Polling loses only the HTML and reports [`RunEvent::OutputLost`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// WebSocket, or polling if a proxy refuses the upgrade or the server is too old for it. On servers whose sessions a broken WebSocket
    /// would block, also polling for a session that is kept ([`RunOptions::keeps_session`]), and once a connection of a run has broken.
    #[default]
    Auto,
    /// WebSocket only.
    WebSocket,
    /// HTTP polling only. Slower to show output (the server answers every 2 s), but a run survives lost
    /// connections on every server.
    Poll,
}

/// Why [`Transport::Auto`] polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PollReason {
    /// The session is to be used after the run ([`RunOptions::keeps_session`]).
    SessionIsKept,
    /// The connection of a run has broken since this program began.
    HasBroken,
}

/// Options of one run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The transport.
    pub transport: Transport,
    /// How long a server may be silent on a connection that has already delivered a frame and is not
    /// waiting for input, before the connection counts as dead. Default 60 s; genuine servers
    /// speak every 0.2 s (WebSocket) or 2 s (polling).
    pub silence_limit: Duration,
    /// How long a dropped run may take to end after its interrupt, before it is abandoned. Default 30 s.
    pub drain_limit: Duration,
    /// How long a program may be silent before the client looks whether its kernel still lives, where the server does not say
    /// when one ends. A program that lives may be silent for any time. Default 10 s.
    pub look_after: Duration,
    /// Whether texts of standard output and standard error keep bytes that are not UTF-8, as [`bai_protocol::byte_text`]
    /// writes them. Needs [`bai_protocol::capability::Capability::ByteOutput`]: other servers send U+FFFD. Without this
    /// option it is U+FFFD in any case.
    pub bytes: bool,
    /// Whether the records for a client that watches are events: [`ConsoleRecord::Display`], [`ConsoleRecord::Clear`],
    /// [`ConsoleRecord::NextInput`] and [`ConsoleRecord::Leave`]. Without this option there is the record of a display, and
    /// that of each update of it.
    pub live: bool,
    /// Whether the session is to be used after this run, so that a break of the connection must not cost it. Over a WebSocket a break
    /// costs the session of a cluster; [`Transport::Auto`] polls there then.
    pub keeps_session: bool,
    /// Whether the code may run twice without harm. Then it is sent again when a break of the connection may have cost its end. A
    /// [`Cell::Batch`] is not: it ends without an exit code then, and the caller may run it again.
    pub repeats: bool,
    /// The window in which a person sees the output; `None` if it goes to a file or a program. Needs
    /// [`bai_protocol::capability::Capability::Windows`]. [`Run::resize`] changes it.
    pub window: Option<Window>,
    /// The type of the terminal (`TERM`) whose keyboard and screen the programs may have that a line of a shell in a
    /// [`Cell::Query`] starts. Needs [`bai_protocol::capability::Capability::CellTerminals`]; whether a program has it is told by
    /// [`ConsoleRecord::Terminal`].
    pub pty: Option<String>,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            transport: Transport::Auto,
            silence_limit: Duration::from_secs(60),
            drain_limit: Duration::from_secs(30),
            look_after: Duration::from_secs(10),
            bytes: false,
            live: false,
            keeps_session: false,
            repeats: false,
            window: None,
            pty: None,
        }
    }
}

impl RunOptions {
    /// The defaults with this transport.
    pub fn over(transport: Transport) -> Self {
        RunOptions { transport, ..Default::default() }
    }
}

/// A batch step that ends before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The step `clean`.
    Clean,
    /// The step `build`.
    Build,
}

/// The events of a run, in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RunEvent {
    /// Output of the program. Untrusted text.
    Console(ConsoleRecord),
    /// The program waits for a line; its prompt was printed before. Answer with [`Run::send_input`].
    WaitingInput {
        /// Whether the input must not be shown.
        is_password: bool,
    },
    /// The program of [`Cell::Kernel`] waits for a piece of its input. Answer with [`Run::send_piece`].
    WaitingPiece,
    /// The program does not wait for that line any more, although none was sent: a time limit has ended its wait, for example.
    QuestionWithdrawn,
    /// A batch step ended; the run goes on.
    StepFinished {
        /// The step.
        step: Step,
        /// Its exit code, if the server knows it; 128 and the number of the signal that ended it, as in a shell.
        exit_code: Option<i32>,
    },
    /// The server has been silent about this run for some seconds. On a cluster another client may be running code in the
    /// session, or the session is stuck. Sent again only when more is known; the run goes on.
    NotStarted {
        /// The time since the start.
        waited: Duration,
        /// What the session does instead.
        activity: Activity,
        /// Whether an interrupt is for this run alone. Else it also ends what the session runs instead.
        interrupted_alone: bool,
    },
    /// The connection was lost and restored; no output is missing. Sent each time.
    Resumed,
    /// The line that was answered last has not arrived, as the connection broke. The question comes again.
    AnswerLost,
    /// The server failed to transmit some output; genuine servers fail with HTML, for example. That output is lost and
    /// the run goes on. The exit code is not known after this.
    OutputLost(ClientError),
    /// A listener's: this run has begun after the output so far, which belonged to none.
    #[doc(hidden)]
    Began(RunId),
    /// The run is over. The last event.
    Finished {
        /// Exit code, if the server knows it; 128 and the number of the signal that ended it, as in a shell.
        exit_code: Option<i32>,
    },
    /// The run cannot be followed any more; whether the program ran to its end is not known. The last event.
    Lost(LostRun),
}

/// Why and how a run was lost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LostRun {
    /// The error. Its kind is [`super::ErrorKind::Lost`] for a connection that ended, or that of the server's answer.
    pub error: ClientError,
    /// The state of the session.
    pub session: SessionState,
    /// The run's id, if the server uses the id that we made.
    pub run_id: Option<RunId>,
    /// The exit code, if the program has come to its end, and no output is missing.
    pub exit_code: Option<i32>,
}

/// Whether a session can be used after a run was lost in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// It takes the next run.
    Usable,
    /// It no longer answers executions. On clusters it must be destroyed and created again (`docs/wire` §3.6).
    Stuck,
    /// It no longer exists.
    Gone,
    /// The server does not answer.
    Unknown,
}

/// One execution. Dropping it does not abandon it: a background task interrupts the program and
/// reads on until it ends, with limits, and only then lets the next run of the session begin.
#[derive(Debug)]
#[must_use = "a run that is dropped is interrupted"]
pub struct Run {
    id: RunId,
    /// Output that comes before the first event.
    early: VecDeque<ConsoleRecord>,
    events: mpsc::Receiver<RunEvent>,
    input: mpsc::Sender<Answer>,
    interrupter: Interrupter,
    beside: mpsc::Sender<Beside>,
    window: watch::Sender<Option<Window>>,
    leave: watch::Sender<bool>,
    can_be_left: bool,
    over: bool,
}

/// An answer to a question.
#[derive(Debug, Clone)]
enum Answer {
    /// A line, without its newline.
    Line(Zeroizing<String>),
    /// A piece of the input. It can be large.
    Piece(Bytes, Rest),
}

impl Answer {
    /// A piece as it is sent.
    fn piece(bytes: &[u8], rest: Rest) -> InputPiece {
        InputPiece { input: byte_text::text(bytes), end: rest == Rest::None, ahead: rest == Rest::AtHand }
    }
}

/// What reaches the program beside its input.
#[derive(Debug)]
enum Beside {
    Signal(RunSignal),
    Secret(Option<Zeroizing<String>>),
    Keys(Vec<u8>),
}

/// What follows a piece of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// The input ends.
    None,
    /// More, when the program has read the piece and asks.
    WhenAsked,
    /// More, which is at hand: the server asks before the program has read the piece.
    AtHand,
}

/// Interrupts a run, from any task. It does not keep the run alive.
#[derive(Debug, Clone)]
pub struct Interrupter {
    interrupts: watch::Sender<u64>,
    /// Whether the last question that the caller has read is open.
    asked: Arc<AtomicBool>,
}

impl Interrupter {
    fn new(interrupts: watch::Sender<u64>) -> Self {
        Interrupter { interrupts, asked: Arc::default() }
    }

    /// Asks the program to stop, as [`Run::interrupt`] does. After the end of the run it has no effect.
    pub fn interrupt(&self) {
        self.asked.store(false, Ordering::Release);
        self.interrupts.send_modify(|count| *count += 1);
    }
}

/// Parts with a run in another task than the one that follows it. It does not keep the run alive.
#[derive(Debug)]
pub(super) struct PartingRun {
    interrupter: Interrupter,
    leave: watch::Sender<bool>,
    can_be_left: bool,
}

impl PartingRun {
    /// Lets the program run on if the session takes other code after that, else interrupts it. Returns whether it was left.
    pub(super) fn part(&self) -> bool {
        if !self.can_be_left {
            self.interrupter.interrupt();
            return false;
        }
        // An error means that it is over.
        self.leave.send(true).is_ok()
    }
}

impl LostRun {
    /// The task of the run has ended without a last event.
    fn without_runtime() -> Self {
        let why = "the runtime on which it was started has ended";
        let error = ClientError::new(ErrorKind::Lost, "follow the run", why);
        LostRun { error, session: SessionState::Unknown, run_id: None, exit_code: None }
    }
}

/// The ends of a run's handle that its task holds.
struct RunEnds {
    events: mpsc::Sender<RunEvent>,
    input: mpsc::Receiver<Answer>,
    interrupts: watch::Receiver<u64>,
    beside: mpsc::Receiver<Beside>,
    window: watch::Receiver<Option<Window>>,
    leave: watch::Receiver<bool>,
}

impl Run {
    /// A handle for which `queue` events may wait, and its other ends.
    fn new(id: RunId, queue: usize) -> (Self, RunEnds) {
        let (event_sender, events) = mpsc::channel(queue);
        let (input, input_receiver) = mpsc::channel(1);
        let (interrupts, interrupt_receiver) = watch::channel(0);
        let (beside, beside_receiver) = mpsc::channel(BESIDE);
        let (window, window_receiver) = watch::channel(None);
        let (leave, leave_receiver) = watch::channel(false);
        let interrupter = Interrupter::new(interrupts);
        let early = VecDeque::new();
        let run = Run {
            id,
            early,
            events,
            input,
            interrupter,
            beside,
            window,
            leave,
            can_be_left: false,
            over: false,
        };
        let ends = RunEnds {
            events: event_sender,
            input: input_receiver,
            interrupts: interrupt_receiver,
            beside: beside_receiver,
            window: window_receiver,
            leave: leave_receiver,
        };
        (run, ends)
    }

    /// Puts output before that of the run.
    pub(super) fn begin_with(&mut self, records: Vec<ConsoleRecord>) {
        self.early.extend(records);
    }

    /// The id that we made for it. Servers with [`bai_protocol::capability::Capability::RunIds`] use it.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The next event; `None` only after [`RunEvent::Finished`] or [`RunEvent::Lost`], one of which always comes. If the
    /// runtime on which the run was started ends, the run is lost with it. Cancel-safe.
    ///
    /// Events wait in a bounded queue. A caller that does not read them slows down the server, and finally the program.
    pub async fn next(&mut self) -> Option<RunEvent> {
        if let Some(record) = self.early.pop_front() {
            return Some(RunEvent::Console(record));
        }
        if self.over {
            return None;
        }
        let event = self.events.recv().await.unwrap_or_else(|| RunEvent::Lost(LostRun::without_runtime()));
        self.over = matches!(event, RunEvent::Finished { .. } | RunEvent::Lost(_));
        match event {
            RunEvent::WaitingInput { .. } | RunEvent::WaitingPiece => {
                self.interrupter.asked.store(true, Ordering::Release)
            }
            RunEvent::QuestionWithdrawn => self.interrupter.asked.store(false, Ordering::Release),
            _ if self.over => self.interrupter.asked.store(false, Ordering::Release),
            _ => {}
        }
        Some(event)
    }

    /// Answers the [`RunEvent::WaitingInput`] that was read last, without a newline. Returns whether the answer was
    /// accepted. A line without a question is not: servers would give it to the next question, even that of a later run
    /// (`docs/wire` §4). So a second answer to one question is not accepted, and one after an interrupt waits for a new
    /// question. An accepted answer is dropped if the question has ended meanwhile. One newline at the end of `text` is
    /// not sent, because servers add it. Of several lines, a program may read the first as the answer to this question,
    /// and the others as answers to its next ones.
    pub fn send_input(&self, text: impl Into<Zeroizing<String>>) -> bool {
        let mut text = text.into();
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        self.answer(Answer::Line(text))
    }

    /// Answers the [`RunEvent::WaitingInput`] that was read last with a piece of the input, byte for byte. The program
    /// asks again as `rest` says. Only for servers with
    /// [`bai_protocol::capability::Capability::Scripts`], and as the answer to [`RunEvent::WaitingPiece`]. Returns whether the answer was accepted, as [`Run::send_input`] does.
    pub fn send_piece(&self, bytes: impl Into<Bytes>, rest: Rest) -> bool {
        self.answer(Answer::Piece(bytes.into(), rest))
    }

    fn answer(&self, answer: Answer) -> bool {
        self.interrupter.asked.swap(false, Ordering::AcqRel) && self.input.try_send(answer).is_ok()
    }

    /// Asks the program to stop, as Ctrl-C does. The run still ends with [`RunEvent::Finished`], unless the program
    /// goes on. A program that waits for input is answered with an empty line where the server
    /// needs that (`docs/wire` §3.10).
    pub fn interrupt(&self) {
        self.interrupter.interrupt();
    }

    /// Lets a signal reach the program. Only for servers with [`bai_protocol::capability::Capability::Signals`]. The run still ends
    /// with [`RunEvent::Finished`]. Of many signals at once, some are dropped, as the system does.
    pub fn signal(&self, signal: RunSignal) {
        // An error means that enough of them wait, or that the run is over.
        let _ = self.beside.try_send(Beside::Signal(signal));
    }

    /// Sends a piece of what was typed for a script that wants keys ([`bai_protocol::record::TerminalChange::Keys`]).
    pub fn send_keys(&self, keys: Vec<u8>) {
        let _ = self.beside.try_send(Beside::Keys(keys));
    }

    /// Answers [`ConsoleRecord::AskSecret`]; `None` if there is no answer.
    pub fn send_secret(&self, secret: Option<Zeroizing<String>>) {
        let _ = self.beside.try_send(Beside::Secret(secret));
    }

    /// Tells the program that the window of [`RunOptions::window`] has another size now.
    pub fn resize(&self, window: Window) {
        self.window.send_replace(Some(window));
    }

    /// A handle that interrupts the run from another task.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Parts with the run, from another task.
    pub(super) fn parting(&self) -> PartingRun {
        let (interrupter, leave) = (self.interrupter(), self.leave.clone());
        PartingRun { interrupter, leave, can_be_left: self.can_be_left }
    }

    /// Whether the session takes other code after [`Self::leave`], once the program has ended.
    pub fn can_be_left(&self) -> bool {
        self.can_be_left
    }

    /// Lets the program run on without an interrupt. A server with [`bai_protocol::capability::Capability::KeptOutput`]
    /// keeps the rest of the output for the client that resumes the run. Elsewhere that output is read and discarded
    /// while this process lives.
    pub fn leave(self) {
        self.leave.send_replace(true);
    }
}
