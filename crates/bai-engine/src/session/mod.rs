//! A session: its identity, its status and status history, its runs by id, and the channel to its actor.

mod folder;

use super::command::SessionCommand;
use super::meter::Meter;
use super::run::Run;
use super::terminal::{Subscription, TerminalHandle};
use bai_protocol::environment::is_of_login;
use bai_protocol::execute::RunId;
use bai_protocol::status::SessionStatus;
use bai_runner::{KernelInfo, Services, TerminalSpec};
use jiff::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many finished runs stay known by their id, of those that were left and of the others.
const KEPT_RUNS: usize = 32;
/// How many uncollected bytes of finished runs are kept.
const KEPT_BYTES: usize = 16 << 20;
/// The size of the log, in bytes.
const LOG_BYTES: usize = 256 << 10;

/// The properties of a session that never change.
#[derive(Debug)]
pub(super) struct SessionSpec {
    pub(super) id: String,
    pub(super) image: String,
    /// Whether it is for one script alone.
    pub(super) is_for_script: bool,
    /// The environment of the creator, which takes the place of that of this process.
    pub(super) creator_environment: Option<BTreeMap<String, String>>,
    pub(super) environ: BTreeMap<String, String>,
    pub(super) tag: Option<String>,
    pub(super) created: Timestamp,
    pub(super) workdir: PathBuf,
    /// Whether the folder was made for this session and is removed with it.
    pub(super) owns_workdir: bool,
    pub(super) bootstrap_script: Option<String>,
    /// Ports on which the user's own programs will listen.
    pub(super) preopen_ports: Vec<u16>,
}

#[derive(Debug)]
struct SessionState {
    name: String,
    history: BTreeMap<String, Timestamp>,
    info: String,
    ended: Option<Timestamp>,
    runs: VecDeque<Arc<Run>>,
    current: Option<RunId>,
    log: VecDeque<u8>,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) spec: SessionSpec,
    state: Mutex<SessionState>,
    status: watch::Sender<SessionStatus>,
    commands: mpsc::Sender<SessionCommand>,
    /// Cancelled when the session is to end.
    pub(super) stop: CancellationToken,
    /// Tasks beside the kernel. The session's end waits for them.
    pub(super) tasks: TaskTracker,
    terminal: TerminalHandle,
    /// The kernel's interpreter, known once the kernel has started.
    pub(super) interpreter: OnceLock<KernelInfo>,
    pub(super) services: OnceLock<Services>,
    queries: AtomicU64,
    /// Whether somebody destroyed the session, so that its files are not kept.
    destroyed: AtomicBool,
    /// Why it could not start.
    pub(super) failure: OnceLock<String>,
    /// Cancelled when it has ended and nothing more happens to its folder.
    pub(super) over: CancellationToken,
    /// The last measurement of its use of resources.
    pub(super) meter: Meter,
    /// Notified of log text, and of a run's beginning and end.
    logged: Notify,
    /// Notified of new runs and log text, for tests.
    #[cfg(test)]
    changed: Notify,
}

impl Session {
    pub(super) fn new(
        spec: SessionSpec,
        name: String,
        stop: CancellationToken,
    ) -> (Arc<Self>, mpsc::Receiver<SessionCommand>) {
        let (commands, receiver) = mpsc::channel(64);
        let history = [("PENDING".to_owned(), spec.created)].into();
        let state = SessionState {
            name,
            history,
            info: String::new(),
            ended: None,
            runs: VecDeque::new(),
            current: None,
            log: VecDeque::new(),
        };
        let session = Session {
            spec,
            state: Mutex::new(state),
            status: watch::Sender::new(SessionStatus::Pending),
            commands,
            stop,
            tasks: TaskTracker::new(),
            terminal: TerminalHandle::default(),
            interpreter: OnceLock::new(),
            services: OnceLock::new(),
            queries: AtomicU64::new(0),
            destroyed: AtomicBool::new(false),
            failure: OnceLock::new(),
            over: CancellationToken::new(),
            meter: Meter::default(),
            logged: Notify::new(),
            #[cfg(test)]
            changed: Notify::new(),
        };
        (Arc::new(session), receiver)
    }

    /// The environment of the creator, the variables that a cluster's agent would set (`docs/wire` §9.1), and those that the
    /// creator has named.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let spec = &self.spec;
        let ours = [
            ("BACKENDAI_SESSION_ID", spec.id.clone()),
            ("BACKENDAI_SESSION_NAME", self.name()),
            ("BACKENDAI_KERNEL_ID", spec.id.clone()),
            ("BACKENDAI_KERNEL_IMAGE", spec.image.clone()),
            ("BACKENDAI_CLUSTER_SIZE", "1".to_owned()),
            ("BACKENDAI_CLUSTER_ROLE", "main".to_owned()),
        ];
        let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
        let begin = spec.creator_environment.iter().flat_map(|begin| {
            let variables = begin.iter().filter(|(name, _)| !is_of_login(name));
            let variables = variables.map(|(name, value)| (name.clone(), value.clone()));
            std::iter::once(bai_runner::without_our_environment()).chain(variables)
        });
        begin.chain(ours).chain(spec.environ.clone()).collect()
    }

    /// Adds a viewer to the session's terminal. Starts the terminal if none runs.
    pub(super) async fn attach_terminal(&self, size: Option<(u16, u16)>) -> io::Result<Subscription> {
        let (rows, columns) = size.unwrap_or((24, 80));
        let spec =
            TerminalSpec { workdir: self.spec.workdir.clone(), env: self.environment(), rows, columns };
        self.terminal.attach(spec, size, &self.tasks, &self.stop).await
    }

    fn lock(&self) -> MutexGuard<'_, SessionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> &str {
        &self.spec.id
    }

    pub(super) fn name(&self) -> String {
        self.lock().name.clone()
    }

    pub(super) fn set_name(&self, name: &str) {
        self.lock().name = name.to_owned();
    }

    pub(super) fn status(&self) -> SessionStatus {
        self.status.borrow().clone()
    }

    /// A receiver to wait for a status.
    pub(super) fn watch(&self) -> watch::Receiver<SessionStatus> {
        self.status.subscribe()
    }

    /// Changes the status, unless the session is already over. Returns whether it changed.
    pub(super) fn set_status(&self, status: SessionStatus, info: &str) -> bool {
        use SessionStatus::{Cancelled, Error, Lost, Terminated};
        let mut state = self.lock();
        let now = Timestamp::now();
        let moved = self.status.send_if_modified(|current| {
            let over = matches!(current, Terminated)
                || (matches!(current, Cancelled | Error) && status != Lost)
                || (matches!(current, Lost) && status != Terminated);
            let leaves_the_end = matches!(current, SessionStatus::Terminating)
                && !matches!(status, Terminated | Cancelled | Lost);
            if over || leaves_the_end || *current == status {
                return false;
            }
            *current = status.clone();
            true
        });
        if moved {
            state.history.insert(status.name().to_owned(), now);
            state.info = info.to_owned();
            if matches!(status, Terminated | Cancelled | Error | Lost) {
                state.ended = Some(now);
            }
        }
        moved
    }

    /// Makes a session lost that ended at this time.
    fn set_lost(&self, info: &str, ended: Timestamp) {
        self.set_status(SessionStatus::Lost, info);
        let mut state = self.lock();
        state.history.insert(SessionStatus::Lost.name().to_owned(), ended);
        state.ended = Some(ended);
    }

    /// When each status was reached.
    pub(super) fn history(&self) -> BTreeMap<String, Timestamp> {
        self.lock().history.clone()
    }

    /// The reason for the status; may be empty.
    pub(super) fn status_info(&self) -> String {
        self.lock().info.clone()
    }

    pub(super) fn ended(&self) -> Option<Timestamp> {
        self.lock().ended
    }

    /// How many cells and batch runs there were.
    pub(super) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Sends a command to the actor. Returns false when the session is over.
    pub(super) async fn command(&self, command: SessionCommand) -> bool {
        self.commands.send(command).await.is_ok()
    }

    /// Adds a listener for output that no run owns. `None` when a run that is not over has this id.
    pub(super) fn enter_listener(&self, id: RunId) -> Option<Arc<Run>> {
        self.add(Run::listener(id))
    }

    /// Adds a new run. `None` when a run that is not over has this id.
    pub(super) fn enter(&self, id: RunId) -> Option<Arc<Run>> {
        let run = self.add(Run::new(id))?;
        self.queries.fetch_add(1, Ordering::Relaxed);
        Some(run)
    }

    fn add(&self, run: Arc<Run>) -> Option<Arc<Run>> {
        let mut state = self.lock();
        let id = run.id();
        if state.runs.iter().any(|known| known.id() == id && !known.is_over()) {
            return None;
        }
        state.runs.retain(|known| known.id() != id);
        state.runs.push_back(run.clone());
        forget_old(&mut state.runs);
        #[cfg(test)]
        self.changed.notify_waiters();
        Some(run)
    }

    /// The run with this id, if it is not over or ended recently.
    pub(super) fn run(&self, id: &RunId) -> Option<Arc<Run>> {
        self.lock().runs.iter().find(|run| run.id() == id).cloned()
    }

    /// All known runs.
    pub(super) fn runs(&self) -> Vec<Arc<Run>> {
        self.lock().runs.iter().cloned().collect()
    }

    /// The first run whose client has gone before it has got the end, and which has something to tell.
    pub(super) fn left(&self) -> Option<RunId> {
        self.lock().runs.iter().find(|run| run.is_left()).map(|run| run.id().clone())
    }

    pub(super) fn set_current(&self, id: Option<RunId>) {
        let mut state = self.lock();
        state.current = id;
        forget_old(&mut state.runs);
        // The time of the log on disk is the last at which the session is known to have lived.
        self.logged.notify_one();
    }

    /// The id of the active run.
    pub(super) fn current(&self) -> Option<RunId> {
        self.lock().current.clone()
    }

    /// Adds output to the log, and drops the oldest beyond its size.
    pub(super) fn log(&self, output: impl AsRef<[u8]>) {
        let bytes = output.as_ref();
        let tail = bytes.get(bytes.len().saturating_sub(LOG_BYTES)..).unwrap_or_default();
        let mut state = self.lock();
        let log = &mut state.log;
        let excess = (log.len() + tail.len()).saturating_sub(LOG_BYTES);
        log.drain(..excess.min(log.len()));
        log.extend(tail);
        self.logged.notify_one();
        #[cfg(test)]
        self.changed.notify_waiters();
    }

    /// Waits until `condition` holds.
    #[cfg(test)]
    pub(super) async fn until(&self, condition: impl Fn(&Session) -> bool) {
        super::until(&self.changed, || condition(self)).await;
    }

    /// The log: the end of the output of the session's programs.
    pub(super) fn logs(&self) -> String {
        String::from_utf8_lossy(&self.log_bytes()).into_owned()
    }

    fn log_bytes(&self) -> Vec<u8> {
        self.lock().log.iter().copied().collect()
    }
}

/// Drops finished runs beyond the limits, oldest first. Those that were collected since make no place for what nobody has seen yet.
fn forget_old(runs: &mut VecDeque<Arc<Run>>) {
    let (mut left, mut others) = (0, 0);
    let mut bytes = 0;
    let mut keep: Vec<bool> = runs
        .iter()
        .rev()
        .map(|run| {
            if !run.is_over() {
                return true;
            }
            let is_newest = left + others == 0;
            let count = if run.is_left() { &mut left } else { &mut others };
            *count += 1;
            bytes += run.uncollected();
            *count <= KEPT_RUNS && (bytes <= KEPT_BYTES || is_newest)
        })
        .collect();
    runs.retain(|_| keep.pop().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use super::super::run::End;
    use super::*;
    use bai_protocol::record::ConsoleRecord;

    fn session() -> Arc<Session> {
        let spec = SessionSpec {
            id: "u".into(),
            image: "python".into(),
            is_for_script: false,
            creator_environment: None,
            environ: BTreeMap::new(),
            tag: None,
            created: Timestamp::now(),
            workdir: PathBuf::from("/"),
            owns_workdir: false,
            bootstrap_script: None,
            preopen_ports: Vec::new(),
        };
        Session::new(spec, "work".into(), CancellationToken::new()).0
    }

    fn id(number: usize) -> RunId {
        RunId::from_wire(format!("r{number}"))
    }

    #[test]
    fn a_terminating_session_can_only_terminate() {
        use SessionStatus::*;
        let session = session();
        assert!(session.set_status(Running, "") && !session.set_status(Running, ""));
        assert!(session.set_status(Terminating, "user-requested"));
        assert!(!session.set_status(Running, "") && !session.set_status(Error, "late"));
        assert!(session.set_status(Terminated, "") && !session.set_status(Terminating, ""));
        let history: Vec<_> = session.history().into_keys().collect();
        assert_eq!(history, ["PENDING", "RUNNING", "TERMINATED", "TERMINATING"]);
        assert!(session.ended().is_some());
    }

    #[test]
    fn the_id_of_a_finished_run_can_be_used_again() {
        let session = session();
        let run = session.enter(id(1)).unwrap();
        assert!(session.enter(id(1)).is_none());
        run.finish(End::Finished(0));
        let again = session.enter(id(1)).unwrap();
        assert!(!again.is_over() && session.runs().len() == 1);
    }

    #[test]
    fn finished_runs_are_kept_up_to_a_limit_and_active_runs_always() {
        let session = session();
        let active = session.enter(id(0)).unwrap();
        for number in 1..=100 {
            session.enter(id(number)).unwrap().finish(End::Finished(0));
        }
        session.set_current(None);
        assert_eq!(session.runs().len(), KEPT_RUNS + 1);
        assert!(session.run(&id(100)).is_some() && session.run(&id(1)).is_none());
        assert!(Arc::ptr_eq(&session.run(&id(0)).unwrap(), &active));
        for number in 200..204 {
            let run = session.enter(id(number)).unwrap();
            run.push(ConsoleRecord::Stdout("x".repeat(6 << 20)));
            run.finish(End::Finished(0));
        }
        session.set_current(None);
        let bytes: usize = session.runs().iter().map(|run| run.uncollected()).sum();
        assert!(bytes <= KEPT_BYTES && session.run(&id(203)).is_some(), "{bytes}");
    }

    #[tokio::test]
    async fn runs_that_were_collected_do_not_drop_one_that_was_left() {
        let session = session();
        let begin = |number| {
            let run = session.enter(id(number)).unwrap();
            run.begin();
            run
        };
        for number in 0..=KEPT_RUNS {
            let left = begin(number);
            left.push(ConsoleRecord::Stdout("unseen".to_owned()));
            drop(left.attach(Some(0)).steady());
            left.finish(End::Finished(0));
        }
        for number in 100..200 {
            begin(number).finish(End::Finished(0));
        }
        session.set_current(None);
        assert!(session.run(&id(100)).is_none() && session.run(&id(0)).is_none());
        assert_eq!(session.left(), Some(id(1)));
        assert_eq!(session.runs().len(), 2 * KEPT_RUNS);
    }

    #[test]
    fn the_log_keeps_the_newest_output() {
        let session = session();
        session.log("a".repeat(LOG_BYTES));
        session.log("the end ä");
        let log = session.logs();
        assert_eq!(log.len(), LOG_BYTES);
        assert!(log.starts_with('a') && log.ends_with("the end ä"));
    }
}
