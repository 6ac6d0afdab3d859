//! The kernel prelude: Python code that runs once in an IPython kernel of a cluster. The cluster's runner has no
//! completion and does not transmit HTML, Markdown and LaTeX (`docs/wire` §3.8, §5.1).
//!
//! [`Prelude`] installs it and sends it questions. The Python code is `prelude.py`, which documents its changes. `script` runs
//! scripts in such a kernel, or as processes beside it. `bundle` unpacks its output, for every run. Kernels other than IPython do not understand it and are not changed.

mod bundle;
mod script;

#[cfg(test)]
mod tests;

pub(super) use bundle::{END, mark_in, unpack};
pub use script::KernelScript;
pub(super) use script::{PieceForKernel, new_mark, script_mark};

use super::error::{ClientError, ErrorKind};
use super::run::{Activity, Cell, Delay, Run, RunEvent, RunOptions, SessionState, Transport};
use super::session::ComputeSession;
use bai_protocol::capability::{Capabilities, Capability};
use bai_protocol::complete::{Completion, CompletionRequest};
use bai_protocol::execute::{RunId, Window};
use bai_protocol::record::ConsoleRecord;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, watch};

const SOURCE: &str = concat!(include_str!("keep.py"), "\n\n", include_str!("prelude.py"));
/// The beginning of a cell that is a question.
const MARK: &str = "#bai-repl: ";
/// What follows it in the first line of a cell whose output is kept.
const KEPT: &str = "run ";
/// The transport of questions: one request, without the handshake of a socket. A lost connection does not leave the session stuck.
const TRANSPORT: Transport = Transport::Poll;
/// How long the session may be silent before somebody looks what it does.
const LOOK_AFTER: Duration = Duration::from_secs(1);
/// How many records are kept that are not the answer.
const MOST_OTHERS: usize = 1000;
/// How long a cell waits for a question in the kernel. The prelude itself gives up earlier.
const WAY_LIMIT: Duration = Duration::from_secs(6);

/// Whether kernels of this server lack what the prelude adds.
pub(super) fn is_useful(capabilities: &Capabilities) -> bool {
    !(capabilities.has(Capability::RichOutput) && capabilities.has(Capability::Completion))
}

/// The state of the prelude in a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PreludeState {
    /// It is not installed yet, or the attempt failed.
    Absent,
    /// It is being installed.
    Installing,
    /// It is installed.
    Present,
    /// The kernel is not IPython, or did not accept it.
    Refused,
}

/// The prelude of one session's kernel. One question is asked at a time, and none while the session runs something.
#[derive(Debug)]
pub struct Prelude {
    session: ComputeSession,
    state: watch::Sender<PreludeState>,
    /// What the session does that leaves a question unanswered, and for how long it has been so.
    unanswered: Delay,
    asking: Mutex<()>,
    /// Why the session takes no more code, once that is known.
    ended: std::sync::Mutex<Option<ClientError>>,
    /// Counts completions: an outdated one is not sent any more.
    latest: AtomicU64,
    /// Whether the server has no completion, but the kernel has.
    server_is_mute: AtomicBool,
    /// The window that the kernel knows, if any.
    window: Mutex<Option<Option<Window>>>,
}

impl Prelude {
    /// Whether kernels of this server lack what it adds.
    pub fn is_useful(capabilities: &Capabilities) -> bool {
        is_useful(capabilities)
    }

    /// Makes the prelude of this session. It runs no code yet.
    pub fn new(session: ComputeSession) -> Self {
        Prelude {
            session,
            state: watch::Sender::new(PreludeState::Absent),
            unanswered: Delay::default(),
            asking: Mutex::default(),
            ended: std::sync::Mutex::default(),
            latest: AtomicU64::new(0),
            server_is_mute: AtomicBool::new(false),
            window: Mutex::default(),
        }
    }

    /// The current state.
    pub fn state(&self) -> PreludeState {
        *self.state.borrow()
    }

    /// Installs it in the kernel. Once is enough until the kernel restarts; a repetition is harmless. Cells wait for it
    /// from this call on, before the future is polled.
    ///
    /// # Errors
    /// As [`ComputeSession::execute`], and the reason why a run was lost. A kernel that does not understand it is not an error.
    pub fn install(self: &Arc<Self>) -> impl Future<Output = Result<PreludeState, ClientError>> + use<> {
        self.state.send_replace(PreludeState::Installing);
        let prelude = Arc::clone(self);
        async move {
            let _asking = prelude.asking.lock().await;
            prelude.install_alone().await
        }
    }

    async fn install_alone(&self) -> Result<PreludeState, ClientError> {
        self.state.send_replace(PreludeState::Installing);
        self.session.set_keeps_output(false);
        *self.window.lock().await = None;
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let installed = async {
            let run = self.session.execute(Cell::Query(cell()), options()).await?;
            self.answer(run).await
        };
        let installed = installed.await;
        let keeps = |answer: &Value| answer.get("keeps").and_then(Value::as_bool).unwrap_or(false);
        self.session.set_keeps_output(matches!(&installed, Ok(Some(answer)) if keeps(answer)));
        let state = match &installed {
            Ok(Some(_)) => PreludeState::Present,
            Ok(None) => PreludeState::Refused,
            Err(_) => PreludeState::Absent,
        };
        self.state.send_replace(state);
        installed.map(|_| state)
    }

    /// The completions at the cursor: from the server if it has them, else from the kernel. `None` if neither can answer
    /// now.
    pub async fn complete(&self, request: CompletionRequest) -> Option<Completion> {
        let number = self.latest.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.server_is_mute.load(Ordering::Relaxed) {
            let answer = self.session.complete(request.clone()).await;
            let answer = answer.inspect_err(|error| tracing::debug!(%error, "no completion")).ok();
            let is_empty = answer.as_ref().is_none_or(|completion| completion.suggestions.is_empty());
            if !is_empty || self.state() != PreludeState::Present {
                return answer;
            }
        }
        let at = request.code.chars().count();
        let question = json!({"ask": "complete", "code": request.code, "at": at});
        let answer = self.ask(&question, || self.latest.load(Ordering::Relaxed) == number).await?;
        let completion = completion(&answer)?;
        if !completion.suggestions.is_empty() {
            self.server_is_mute.store(true, Ordering::Relaxed);
        }
        Some(completion)
    }

    /// Signature and documentation of a name, with its source if `detailed`, as text with colours. `None` if the kernel
    /// does not know the name or cannot answer now.
    pub async fn describe(&self, name: &str, detailed: bool) -> Option<String> {
        let question = json!({"ask": "describe", "name": name, "detail": u8::from(detailed)});
        let answer = self.ask(&question, || true).await?;
        answer.get("text").and_then(Value::as_str).map(str::to_owned)
    }

    /// Tells the kernel the window in which the output of the next cell is shown, if it knows another one. Where a server tells its
    /// kernels ([`bai_protocol::capability::Capability::Windows`]), this is needless.
    pub async fn tell_window(&self, window: Option<Window>) {
        if *self.window.lock().await == Some(window) {
            return;
        }
        if self.ask(&window_question(window, false), || true).await.is_some() {
            *self.window.lock().await = Some(window);
        }
    }

    /// Tells the kernel the window of the next cell alone. Other clients of the session have windows of their own.
    pub async fn tell_window_once(&self, window: Option<Window>) {
        self.ask(&window_question(window, true), || true).await;
    }

    /// Waits until no question is in progress, so that a cell can run: for a few seconds at most, or as long as another client's cell runs.
    ///
    /// # Errors
    /// [`ErrorKind::NotAnswering`] if the session does not begin to answer a question although it runs no cell: it is stuck. The error of
    /// a question if its kernel has ended.
    pub async fn make_way(&self) -> Result<(), ClientError> {
        let ended = || self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err);
        let mut state = self.state.subscribe();
        let free = async {
            // Neither can fail: `self` owns the senders.
            let _ = state.wait_for(|state| *state != PreludeState::Installing).await;
            let _ = self.asking.lock().await;
        };
        tokio::select! {
            () = free => ended(),
            // A cell that waits begins when the one before it ends.
            _ = self.unanswered.news(Some(Activity::Cell)) => Err(self.delay()),
            () = self.patience() => Ok(()),
        }
    }

    /// Ends after a while in which the session runs no cell of another client.
    async fn patience(&self) {
        loop {
            tokio::time::sleep(WAY_LIMIT).await;
            if !self.waits_for_cell() {
                return;
            }
        }
    }

    /// Whether a question waits for the end of a cell of another client.
    pub fn waits_for_cell(&self) -> bool {
        matches!(self.unanswered.now(), Some((Activity::Cell, _)))
    }

    /// Waits until the session has left a question unanswered for some seconds. Never ends while the session answers, nor while what
    /// it does instead is what was `told` last.
    pub async fn unanswered(&self, told: Option<Activity>) -> (Activity, ClientError) {
        let (activity, _) = self.unanswered.news(told).await;
        (activity, self.delay())
    }

    /// Why a question is unanswered.
    fn delay(&self) -> ClientError {
        let (activity, waited) = self.unanswered.now().unwrap_or((Activity::Unknown, WAY_LIMIT));
        ClientError::new(ErrorKind::NotAnswering, "use the session", activity.delay(waited))
            .into_sentence()
            .with_hint("wait, or interrupt what runs in it; a restart starts it anew")
    }

    /// Sends a question when the session is idle, if it is still `wanted` then.
    async fn ask(&self, question: &Value, wanted: impl Fn() -> bool) -> Option<Value> {
        if self.state() != PreludeState::Present {
            return None;
        }
        let _asking = self.asking.lock().await;
        if !wanted() {
            return None;
        }
        let code = format!("{MARK}{question}");
        match self.ask_alone(code.clone()).await.ok()?? {
            Reply::Told(answer) => Some(answer),
            Reply::Nothing => {
                // A new kernel does not know the mark, and has run it as a cell with a comment.
                self.install_alone().await.ok().filter(|state| *state == PreludeState::Present)?;
                match self.ask_alone(code).await.ok()?? {
                    Reply::Told(answer) => Some(answer),
                    Reply::Nothing => None,
                }
            }
        }
    }

    /// Sends a question. `None` if the session is busy.
    async fn ask_alone(&self, code: String) -> Result<Option<Reply>, ClientError> {
        let Some(run) = self.session.execute_if_idle(Cell::Query(code), options()).await? else {
            return Ok(None);
        };
        Ok(Some(self.answer(run).await?.map_or(Reply::Nothing, Reply::Told)))
    }

    /// Reads a run to its end, and returns the prelude's answer. What the session's program has printed meanwhile is kept for
    /// the next cell. Without an answer it is the kernel's complaint about the question, and is discarded.
    async fn answer(&self, mut run: Run) -> Result<Option<Value>, ClientError> {
        let (mut answer, mut others) = (None, Vec::new());
        while let Some(event) = run.next().await {
            match event {
                RunEvent::Console(ConsoleRecord::Media { mime, data }) if mime == bundle::ANSWER => {
                    answer = bai_protocol::json::from_slice(data.as_bytes()).ok();
                }
                RunEvent::Console(record) if others.len() < MOST_OTHERS => others.push(record),
                RunEvent::WaitingInput { .. } => {
                    run.send_input(String::new());
                }
                RunEvent::NotStarted { waited, activity, .. } => {
                    self.unanswered.is(activity, waited);
                }
                RunEvent::Lost(lost) => {
                    self.unanswered.is_over();
                    if lost.session == SessionState::Stuck {
                        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
                        *ended = Some(lost.error.clone());
                    }
                    return Err(lost.error);
                }
                _ => {}
            }
        }
        self.unanswered.is_over();
        if answer.is_some() {
            others.into_iter().for_each(|record| self.session.keep_output(record));
        }
        Ok(answer)
    }
}

enum Reply {
    Told(Value),
    Nothing,
}

/// The cell with a first line that lets the kernel keep its output under this id. `marks` says whether the output is to have marks, by which
/// the place of a connection is found. `None` for a question of the prelude, and for what is not run by the kernel.
pub(super) fn kept(cell: &Cell, id: &RunId, marks: bool) -> Option<Cell> {
    let line = |code: &str| {
        let run = json!({"id": id.as_str(), "marks": marks});
        format!("{MARK}{KEPT}{run}\n{code}")
    };
    match cell {
        Cell::Query(code) if code.starts_with(MARK) => None,
        Cell::Query(code) | Cell::Script(code, _) => Some(Cell::Query(line(code))),
        Cell::Kernel(script) if script.asks => {
            Some(Cell::Kernel(KernelScript { code: line(&script.code), ..script.clone() }))
        }
        Cell::Kernel(_) | Cell::Batch(_) => None,
    }
}

/// A question whose answer only says that the prelude is there.
pub(super) fn knock() -> Cell {
    Cell::Query(format!("{MARK}{}", json!({"ask": "knock"})))
}

/// The cell that installs the prelude.
fn cell() -> String {
    bring(SOURCE)
}

/// A cell that runs this Python code in a namespace of its own. It is one line and one expression, so a kernel of another
/// language refuses all of it.
fn bring(source: &str) -> String {
    // A JSON string is a Python string.
    let source = Value::from(source);
    format!("exec(compile({source}, '<bai-repl>', 'exec'), {{'__name__': '__bai_repl__'}})")
}

/// Width and height of a window, as the variables that tell them.
fn sides(window: Option<Window>) -> [Option<String>; 2] {
    [window.map(|window| window.columns.to_string()), window.map(|window| window.rows.to_string())]
}

/// Output without a window has no colours.
fn window_question(window: Option<Window>, once: bool) -> Value {
    let [columns, lines] = sides(window);
    let colors = window.is_some_and(|window| window.colors);
    json!({"ask": "window", "COLUMNS": columns, "LINES": lines, "colors": colors, "once": once})
}

fn completion(answer: &Value) -> Option<Completion> {
    let suggestions = answer.get("suggestions")?.as_array()?.iter();
    let start = answer.get("start").and_then(Value::as_u64).and_then(|start| usize::try_from(start).ok());
    Some(Completion {
        suggestions: suggestions.filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        start,
    })
}

/// The options of a question. An answer comes soon, so a silent session is looked at soon.
fn options() -> RunOptions {
    RunOptions { bytes: true, look_after: LOOK_AFTER, repeats: true, ..RunOptions::over(TRANSPORT) }
}
