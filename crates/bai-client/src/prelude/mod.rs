//! The kernel prelude: a piece of Python that is run once in an IPython kernel of a cluster, whose runner has no
//! completion and passes on neither HTML nor Markdown nor LaTeX (`docs/wire` §3.8, §5.1).
//!
//! [`Prelude`] installs it and asks it; the Python is `prelude.py`, which tells what it changes. What it sends is
//! unpacked for every run, by `bundle`. Kernels that are not IPython do not understand it and stay as they are.

mod bundle;

#[cfg(test)]
mod tests;

pub(super) use bundle::unpack;

use super::error::{ClientError, ErrorKind};
use super::run::{Cell, Run, RunEvent, RunOptions, Transport};
use super::session::ComputeSession;
use bai_protocol::complete::{Completion, CompletionRequest};
use bai_protocol::record::ConsoleRecord;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, watch};

const SOURCE: &str = include_str!("prelude.py");
/// How a cell begins that is a question.
const MARK: &str = "#bai-repl: ";
/// One request for a question, without the handshake of a socket; and a cut connection leaves no session stuck.
const TRANSPORT: Transport = Transport::Poll;
/// How long a cell waits for a question that the kernel works on; the prelude itself gives up earlier.
const WAY_LIMIT: Duration = Duration::from_secs(6);

/// What is known about the prelude in a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PreludeState {
    /// It was not installed yet, or the attempt broke off.
    Absent,
    /// It is on its way to the kernel.
    Installing,
    /// It is there.
    Present,
    /// The kernel is not IPython, or did not accept it.
    Refused,
}

/// The prelude of one session's kernel. One question is asked at a time, and none while the session runs something.
#[derive(Debug)]
pub struct Prelude {
    session: ComputeSession,
    state: watch::Sender<PreludeState>,
    /// The session did not answer a question for some seconds.
    unanswered: watch::Sender<bool>,
    asking: Mutex<()>,
    /// Counts completions: one that others have overtaken is not asked any more.
    latest: AtomicU64,
    /// The server has no completion, and the kernel has.
    server_is_mute: AtomicBool,
}

impl Prelude {
    /// For this session. No code runs yet.
    pub fn new(session: ComputeSession) -> Self {
        Prelude {
            session,
            state: watch::Sender::new(PreludeState::Absent),
            unanswered: watch::Sender::new(false),
            asking: Mutex::default(),
            latest: AtomicU64::new(0),
            server_is_mute: AtomicBool::new(false),
        }
    }

    /// What is known about it now.
    pub fn state(&self) -> PreludeState {
        *self.state.borrow()
    }

    /// Runs it in the kernel. Once is enough until the kernel is started anew; more often does no harm. Cells wait for it
    /// from this call on, before the future is polled.
    ///
    /// # Errors
    /// As [`ComputeSession::execute`], and why a run was lost. A kernel that does not understand it is not an error.
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
        let installed = async {
            let run = self.session.execute(Cell::Query(cell()), RunOptions::over(TRANSPORT)).await?;
            self.answer(run).await
        };
        let installed = installed.await;
        let state = match &installed {
            Ok(Some(_)) => PreludeState::Present,
            Ok(None) => PreludeState::Refused,
            Err(_) => PreludeState::Absent,
        };
        self.state.send_replace(state);
        installed.map(|_| state)
    }

    /// What could stand at the cursor: the server's answer when it has one, else the kernel's. Empty when neither
    /// can be asked now.
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

    /// Signature and documentation of a name, with its source when `detailed`; text with colours. `None` when the
    /// kernel does not know the name, or cannot be asked now.
    pub async fn describe(&self, name: &str, detailed: bool) -> Option<String> {
        let question = json!({"ask": "describe", "name": name, "detail": u8::from(detailed)});
        let answer = self.ask(&question, || true).await?;
        answer.get("text").and_then(Value::as_str).map(str::to_owned)
    }

    /// Waits until a cell can be run without a question before it, for a few seconds at most.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when the session does not even begin with a question: it is at something else, or stuck.
    pub async fn make_way(&self) -> Result<(), ClientError> {
        let mut unanswered = self.unanswered.subscribe();
        let mut state = self.state.subscribe();
        let free = async {
            // Neither can fail: what sends is `self`.
            let _ = state.wait_for(|state| *state != PreludeState::Installing).await;
            let _ = self.asking.lock().await;
        };
        tokio::select! {
            () = free => Ok(()),
            Ok(_) = unanswered.wait_for(|unanswered| *unanswered) => Err(unanswered_error()),
            () = tokio::time::sleep(WAY_LIMIT) => Ok(()),
        }
    }

    /// Waits until the session has left a question unanswered for some seconds. Never ends while the session answers.
    pub async fn unanswered(&self) -> ClientError {
        // It cannot fail: what sends is `self`.
        let _ = self.unanswered.subscribe().wait_for(|unanswered| *unanswered).await;
        unanswered_error()
    }

    /// Asks when nothing runs, unless it is not `wanted` any more by then.
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
                // A new kernel does not know the mark, and has taken a comment for a cell.
                self.install_alone().await.ok().filter(|state| *state == PreludeState::Present)?;
                match self.ask_alone(code).await.ok()?? {
                    Reply::Told(answer) => Some(answer),
                    Reply::Nothing => None,
                }
            }
        }
    }

    /// `None` when the session is busy.
    async fn ask_alone(&self, code: String) -> Result<Option<Reply>, ClientError> {
        let options = RunOptions::over(TRANSPORT);
        let Some(run) = self.session.execute_if_idle(Cell::Query(code), options).await? else {
            return Ok(None);
        };
        Ok(Some(self.answer(run).await?.map_or(Reply::Nothing, Reply::Told)))
    }

    /// Reads a run to its end, and gives the prelude's answer. Other output is discarded.
    async fn answer(&self, mut run: Run) -> Result<Option<Value>, ClientError> {
        let mut answer = None;
        while let Some(event) = run.next().await {
            match event {
                RunEvent::Console(ConsoleRecord::Media { mime, data }) if mime == bundle::ANSWER => {
                    answer = serde_json::from_str(&data).ok();
                }
                RunEvent::WaitingInput { .. } => {
                    run.send_input(String::new());
                }
                RunEvent::NotStarted { .. } => {
                    self.unanswered.send_replace(true);
                }
                RunEvent::Lost(lost) => {
                    self.unanswered.send_replace(false);
                    return Err(lost.error);
                }
                _ => {}
            }
        }
        self.unanswered.send_replace(false);
        Ok(answer)
    }
}

enum Reply {
    Told(Value),
    Nothing,
}

/// The cell that brings the prelude.
fn cell() -> String {
    bring(SOURCE)
}

/// A cell that runs this Python in a namespace of its own. One line and one expression: what does not speak Python
/// refuses it as a whole.
fn bring(source: &str) -> String {
    // A JSON string is a Python string.
    let source = Value::from(source);
    format!("exec(compile({source}, '<bai-repl>', 'exec'), {{'__name__': '__bai_repl__'}})")
}

fn completion(answer: &Value) -> Option<Completion> {
    let suggestions = answer.get("suggestions")?.as_array()?.iter();
    let start = answer.get("start").and_then(Value::as_u64).and_then(|start| usize::try_from(start).ok());
    Some(Completion {
        suggestions: suggestions.filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        start,
    })
}

fn unanswered_error() -> ClientError {
    let why = "it has not answered for 5 s: something else runs in it, or it is stuck";
    ClientError::new(ErrorKind::Busy, "use the session", why)
        .with_hint("wait, or :interrupt what runs in it; :restart starts it anew, and :replay runs your cells again then")
}
