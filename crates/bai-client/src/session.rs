//! A compute session and its operations, except for files and for waiting until it runs.

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::run::{self, Activity, Cell, Delay, Listener, PartingRun, Run, RunOptions, Start, Turns};
use super::session_ref::SessionRef;
use super::stray::Stray;
use bai_protocol::capability::Capability;
use bai_protocol::complete::{Completion, CompletionRequest};
use bai_protocol::execute::RunId;
use bai_protocol::info::{Match, Matches, SessionInfo};
use bai_protocol::record::ConsoleRecord;
use bai_protocol::status::SessionStatus;
use reqwest::Method;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a completion may take. It follows a key press, so a late one is useless.
const COMPLETION_LIMIT: Duration = Duration::from_secs(3);
/// How long a restart may take: the server waits for the new container.
const RESTART_LIMIT: Duration = Duration::from_secs(120);

/// A compute session on a server. Cheap to clone; all clones share one turn, so that runs of one session follow
/// each other.
#[derive(Debug, Clone)]
pub struct ComputeSession {
    pub(super) at: SessionRef,
    pub(super) name: Arc<str>,
    id: Option<Arc<str>>,
    turns: Turns,
    stray: Arc<Stray>,
    /// The last run, which may be over.
    last: Arc<Mutex<Option<PartingRun>>>,
    /// What runs instead of a command of a transfer, and for how long it has been so.
    pub(super) delay: Arc<Delay>,
}

/// Options of [`ComputeSession::destroy`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DestroyOptions {
    /// Destroys it in any state; for sessions in ERROR, for example.
    pub forced: bool,
    /// Also destroys the sessions that depend on it.
    pub recursive: bool,
}

impl ComputeSession {
    pub(super) fn new(api: &Api, name: String, id: Option<String>) -> Self {
        let key = id.clone().unwrap_or_else(|| name.clone());
        let turns = Turns::new(api.turn(&key));
        ComputeSession {
            at: SessionRef { api: api.clone(), key },
            name: name.into(),
            id: id.map(Into::into),
            turns,
            stray: Arc::default(),
            last: Arc::default(),
            delay: Arc::default(),
        }
    }

    /// The session of that name or UUID, which must exist. It may not be running yet; see
    /// [`ComputeSession::wait_until_running`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Ambiguous`] if the server finds several.
    pub async fn attach(api: &Api, name_or_id: &str) -> Result<ComputeSession, ClientError> {
        Self::look_up(api, name_or_id, false).await
    }

    /// Finds the session by a name or UUID, or by its beginning, if only one session matches.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Ambiguous`], with the matching sessions.
    pub async fn find(api: &Api, reference: &str) -> Result<ComputeSession, ClientError> {
        Self::look_up(api, reference, true).await
    }

    async fn look_up(api: &Api, reference: &str, beginning: bool) -> Result<ComputeSession, ClientError> {
        let what = format!("find the session {reference}");
        if reference.is_empty() {
            return Err(ClientError::new(ErrorKind::BadRequest, "find the session", "its name is empty"));
        }
        let version = api.version().await.map_err(|error| error.with_what(&what))?;
        if version.major() >= 5 {
            let path = format!("/{}/_/match", version.noun());
            let request = api.request(&what, Method::GET, path).query("id", reference);
            let reply: Matches = request.send().await?.json()?;
            let mut fitting: Vec<_> =
                reply.matches.into_iter().filter(|m| m.name == reference || m.id == reference).collect();
            if fitting.is_empty() && beginning && uuid::Uuid::parse_str(reference).is_err() {
                fitting = begun(api, reference).await?;
            }
            leave_out_the_dead(&mut fitting, reference);
            match fitting.as_slice() {
                [] => {}
                [found] => {
                    return Ok(ComputeSession::new(api, found.name.clone(), Some(found.id.clone())));
                }
                several => return Err(ambiguous(&what, several)),
            }
        }
        // Servers do not match ids of sessions that are over, and old servers match no ids. The path may still work.
        let at = SessionRef { api: api.clone(), key: reference.to_owned() };
        at.info().await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let why = format!("no session is called {reference}");
                ClientError::new(ErrorKind::NotFound, &what, why).into_sentence().with_source(error)
            }
            _ => error.with_what(&what),
        })?;
        let id = uuid::Uuid::parse_str(reference).is_ok().then(|| reference.to_owned());
        Ok(ComputeSession::new(api, reference.to_owned(), id))
    }

    /// The session's name. For a session that was attached by UUID and is over, its UUID.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The session's UUID; `None` on servers before 20.03.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The server of the session.
    pub fn api(&self) -> &Api {
        &self.at.api
    }

    /// Runs code. One run at a time: a second call waits until the first run is over, read or dropped. The run begins with
    /// the output that was given to [`ComputeSession::keep_output`].
    ///
    /// # Errors
    /// What the server says to the attempt, such as [`ErrorKind::NotFound`]. Failures after that are
    /// [`super::RunEvent::Lost`].
    pub async fn execute(&self, cell: Cell, options: RunOptions) -> Result<Run, ClientError> {
        let wanted = options.clone();
        let mut run = match &cell {
            Cell::Batch(commands) if self.loses_between_steps().await => {
                run::steps::start(&self.at, &self.turns, commands, options).await?
            }
            _ => self.start(Start::Cell(cell), options).await?,
        };
        run.begin_with(self.stray.take(&wanted));
        self.is_last(&run);
        Ok(run)
    }

    /// This run was begun last.
    pub(super) fn is_last(&self, run: &Run) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(run.parting());
    }

    /// Opens the WebSocket of the next run now, and that of each later one as soon as the run before it has ended: the code is then sent
    /// without a handshake. A socket that the server closes is replaced, for half an hour after the last run. For a program whose
    /// user may run something at any time, at servers that can be reached by WebSocket. Dropping all handles of the session closes the socket.
    pub fn connect_ahead(&self) {
        self.turns.open_ahead(&self.at);
    }

    /// Whether the WebSocket of the next run is open.
    #[cfg(test)]
    pub(super) fn is_connected_ahead(&self) -> bool {
        self.turns.is_open_ahead()
    }

    /// Whether the kernel keeps the output of runs, so that a break of the connection costs none: it does with the prelude, on servers that
    /// do not keep it themselves.
    pub fn keeps_output(&self) -> bool {
        self.turns.keeps()
    }

    /// The kernel keeps the output of runs, or does not.
    pub(super) fn set_keeps_output(&self, keeps: bool) {
        self.turns.set_keeps(keeps);
    }

    /// Keeps output for the next run: a run of the caller's own, which is not shown, has received it with
    /// [`RunOptions::bytes`]. A session hands what its program prints between two runs to the next one.
    pub fn keep_output(&self, record: ConsoleRecord) {
        self.stray.keep(record);
    }

    /// Listens for output that no run owns. `None` on servers without [`Capability::IdleOutput`].
    ///
    /// # Errors
    /// As [`ComputeSession::execute`]; also where no WebSocket can be opened.
    pub async fn listen(&self, options: RunOptions) -> Result<Option<Listener>, ClientError> {
        if !self.api().has(Capability::IdleOutput).await {
            return Ok(None);
        }
        Listener::start(self.at.clone(), options).await.map(Some)
    }

    async fn loses_between_steps(&self) -> bool {
        let api = self.api();
        if api.has(Capability::WholeBatch).await {
            return false;
        }
        // A server that does not answer reports its error to the run.
        api.hello().await.is_ok_and(|hello| run::steps::are_lossy(hello.manager.as_deref()))
    }

    /// Runs code if no run of this process is active, else returns `None`.
    ///
    /// # Errors
    /// As [`ComputeSession::execute`].
    pub async fn execute_if_idle(&self, cell: Cell, options: RunOptions) -> Result<Option<Run>, ClientError> {
        let Some(turn) = self.turns.try_take() else { return Ok(None) };
        run::start(self.at.clone(), Start::Cell(cell), options, turn).await.map(Some)
    }

    /// Follows an existing run of the session by polling: the last part of what was read already, where the server remembers that, and what
    /// follows.
    ///
    /// The server must know the id: on a genuine server an unknown id is a run that never ends.
    /// [`ComputeSession::current_run`] returns one, if the server reports it.
    ///
    /// # Errors
    /// None at once; failures are [`super::RunEvent::Lost`].
    pub async fn resume(&self, run_id: RunId, options: RunOptions) -> Result<Run, ClientError> {
        self.start(Start::Resume(run_id), options).await
    }

    pub(super) async fn start(&self, start: Start, options: RunOptions) -> Result<Run, ClientError> {
        run::start_in_turn(self.at.clone(), &self.turns, start, options).await
    }

    /// Whether a run of this process is under way in the session, a dropped one that is being interrupted included. A run
    /// that was given up after [`RunOptions::drain_limit`] does not count, though its program may go on.
    pub fn is_busy(&self) -> bool {
        !self.turns.is_free()
    }

    /// Waits until no run of this process is under way (see [`ComputeSession::is_busy`]), for at most `limit`. Returns whether that is so. Call it before
    /// the process ends: a run that is cut off then leaves the session of a cluster stuck.
    pub async fn settle(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.turns.is_over()).await.is_ok()
    }

    /// Parts with the run that was begun last with [`ComputeSession::execute`] or [`ComputeSession::follow_left`], for a program that has to end while another part of it
    /// follows the run. A run that [`Run::can_be_left`] goes on, also when its handle is dropped then; another one is interrupted. Returns
    /// whether one was left. Without effect when it is over.
    pub fn part_with_run(&self) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(PartingRun::part)
    }

    /// The active run of the session, on servers with [`Capability::CurrentRun`]; `None` elsewhere.
    ///
    /// # Errors
    /// As [`ComputeSession::info`].
    pub async fn current_run(&self) -> Result<Option<RunId>, ClientError> {
        if !self.api().has(Capability::CurrentRun).await {
            return Ok(None);
        }
        Ok(self.at.info().await?.current_run())
    }

    /// Waits until a transfer waits for something else that the session runs, for some seconds. Returns what that is, if it is not what
    /// was `told` last, and the time.
    pub async fn delayed(&self, told: Option<Activity>) -> (Activity, Duration) {
        self.delay.news(told).await
    }

    /// For how long a transfer has been waiting for something else that the session runs; `None` if none waits for that now.
    pub fn delayed_for(&self) -> Option<Duration> {
        self.delay.lasts()
    }

    /// Asks the running program to stop. Best effort: success does not mean that a program runs. Takes 5 s at most.
    ///
    /// # Errors
    /// What the server says, or [`ErrorKind::Timeout`].
    pub async fn interrupt(&self) -> Result<(), ClientError> {
        self.at.interrupt(None).await
    }

    /// Interrupts what an earlier cell has left behind and holds the session, such as a task of asyncio that computes without end. A
    /// run is not interrupted. Without effect on servers that cannot tell them apart.
    ///
    /// # Errors
    /// As [`ComputeSession::interrupt`].
    pub async fn interrupt_idle(&self) -> Result<(), ClientError> {
        self.at.interrupt_idle().await
    }

    /// The completions at the cursor. Takes 3 s at most. Empty if the kernel has no completion.
    ///
    /// # Errors
    /// What the server says, or [`ErrorKind::Timeout`].
    pub async fn complete(&self, request: CompletionRequest) -> Result<Completion, ClientError> {
        let call = self.at.request("complete", Method::POST, "/complete").await?;
        let reply = call.json(&request)?.within(COMPLETION_LIMIT).send().await?;
        Ok(Completion::from_wire(&reply.json()?))
    }

    /// The server's information about the session.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is gone.
    pub async fn info(&self) -> Result<SessionInfo, ClientError> {
        self.at.info().await
    }

    /// The server's note about the session for the user, for example that it does not run the requested version. `None`
    /// from servers without notes, which are not asked.
    pub async fn note(&self) -> Option<String> {
        if !self.api().has(Capability::SessionNotes).await {
            return None;
        }
        self.info().await.ok()?.note
    }

    /// The log of the session's container, up to 64 MiB. Untrusted text.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is gone.
    pub async fn logs(&self) -> Result<String, ClientError> {
        self.at.logs(None).await
    }

    /// Restarts the kernel: variables are lost, files remain.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] on clusters from 26.4.4 on; use [`ComputeSession::recreate`] there.
    pub async fn restart(&self) -> Result<(), ClientError> {
        let call = self.at.request("restart the session", Method::PATCH, "").await?;
        call.within(RESTART_LIMIT).send().await.map(drop).map_err(|error| match error.kind() {
            ErrorKind::Unsupported => {
                error.with_hint("destroy the session and create it again; what is in its variables is lost")
            }
            _ => error,
        })
    }

    /// Ends the session. The server may go on ending it after this returns.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is gone already. While it is ending, another call may succeed.
    pub async fn destroy(&self, options: DestroyOptions) -> Result<(), ClientError> {
        let mut call = self.at.request("destroy the session", Method::DELETE, "").await?;
        if options.forced {
            call = call.query("forced", "true");
        }
        if options.recursive {
            call = call.query("recursive", "true");
        }
        call.send().await.map(drop)
    }
}

/// The sessions whose name or UUID has this beginning, from the list: newer servers match only whole names.
async fn begun(api: &Api, beginning: &str) -> Result<Vec<Match>, ClientError> {
    let listed = api.live_and_lost_sessions().await?.into_iter();
    let matches = listed.map(|s| Match { id: s.id, name: s.name.unwrap_or_default(), status: s.status });
    Ok(matches.filter(|m| m.name.starts_with(beginning) || m.id.starts_with(beginning)).collect())
}

/// The error that lists the matching sessions, as many as fit into a sentence.
fn ambiguous(what: &str, several: &[Match]) -> ClientError {
    const TOLD: usize = 8;
    let tell = |m: &Match| format!("{} ({}, {})", m.name, m.status, m.id);
    let mut told: Vec<_> = several.iter().take(TOLD).map(tell).collect();
    if several.len() > TOLD {
        told.push(format!("{} more", several.len() - TOLD));
    }
    let why = format!("it fits {} sessions: {}", several.len(), told.join(", "));
    let error = ClientError::new(ErrorKind::Ambiguous, what, why);
    let mut names = several.iter().map(|m| &m.name);
    let first = names.next();
    let is_one_name = names.all(|name| Some(name) == first);
    if is_one_name { error.with_hint("they have the same name: give the id of one of them") } else { error }
}

/// Removes the sessions that are further gone than others of the same name, since servers list all of them: those that end beside a live
/// one, those that are over beside one that still ends.
fn leave_out_the_dead(fitting: &mut Vec<Match>, reference: &str) {
    let is_over = |m: &Match| m.status.is_dead() && m.status != SessionStatus::Terminating;
    for is_gone in [is_over, |m: &Match| m.status.is_dead()] {
        if fitting.iter().any(|m| !is_gone(m)) {
            fitting.retain(|m| m.id == reference || !is_gone(m));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminated_session_does_not_make_a_name_ambiguous() {
        let matched = |id: &str, status| Match { id: id.into(), name: "work".into(), status };
        let all = [matched("1", SessionStatus::Terminated), matched("2", SessionStatus::Running)];
        let left = |fitting: &[Match]| {
            let mut fitting = fitting.to_vec();
            leave_out_the_dead(&mut fitting, "work");
            fitting.into_iter().map(|m| m.id).collect::<Vec<_>>()
        };
        assert_eq!(left(&all), ["2"]);
        assert_eq!(left(&all[..1]), ["1"]);
        assert_eq!(left(&[all[1].clone(), all[1].clone()]), ["2", "2"]);
        let ending = matched("3", SessionStatus::Terminating);
        let cancelled = matched("4", SessionStatus::Cancelled);
        assert_eq!(
            left(&[all[0].clone(), ending.clone(), cancelled.clone()]),
            ["3"],
            "it still has the name"
        );
        assert_eq!(left(&[all[0].clone(), ending.clone(), all[1].clone()]), ["2"]);
        assert_eq!(left(&[all[0].clone(), cancelled]), ["1", "4"]);
    }
}
