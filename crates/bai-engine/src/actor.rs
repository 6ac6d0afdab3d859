//! The owner of one session. It starts the session's kernel, gives it one run after the other, and hands the kernel's
//! replies to the active run. Only completion talks to the kernel too: it has no order.

use super::buffer::{Buffer, OutputItem};
use super::command::{SessionCommand, Work};
use super::run::{End, Run};
use super::session::Session;
use super::state::ServerState;
use bai_protocol::byte_text;
use bai_protocol::execute::{RunId, RunStatus};
use bai_protocol::record::ConsoleRecord;
use bai_protocol::status::SessionStatus;
use bai_runner::{ImageName, Kernel, KernelSpec, Op, Reply, ScriptStreams, StartError, Step};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The engine keeps this many bytes of output that belongs to no run. The next run gets it.
const STRAY_BOUND: usize = 1 << 20;
/// How many replies are taken from the kernel in one step.
const REPLIES_AT_ONCE: usize = 16;
/// The exit code of waiting runs that a restart ended. The runner gives the same code to the active run.
const RESTARTED_EXIT_CODE: i32 = 137;

/// The exit code of a waiting run that was interrupted: that of an interrupted program.
const WITHDRAWN_EXIT_CODE: i32 = 130;
/// How many interrupts are kept for runs that have not come yet.
const EARLY_INTERRUPTS: usize = 16;

/// A kernel that was started, or the reason why not.
type StartedKernel = Result<(Kernel, mpsc::Receiver<Reply>), StartError>;

/// Starts the kernel of a session if it is not started yet, serves the session until it ends, and cleans up.
pub(super) async fn run_session(
    server: Arc<ServerState>,
    session: Arc<Session>,
    commands: mpsc::Receiver<SessionCommand>,
    started: Option<StartedKernel>,
) {
    let started = match started {
        Some(started) => Some(started),
        None => tokio::select! {
            biased;
            () = session.stop.cancelled() => None,
            started = start(&server, &session) => Some(started),
        },
    };
    let mut reason = "user-requested";
    match started {
        Some(Ok((kernel, replies))) => {
            session.tasks.spawn(session.clone().keep_log());
            session.log(start_message(&kernel));
            let _ = session.interpreter.set(kernel.describe());
            server.sessions.move_to(&session, SessionStatus::Running, "");
            let mut actor = Actor::new(session.clone(), kernel.clone(), replies, commands);
            if actor.serve().await == Exit::KernelGone {
                reason = "self-terminated";
            }
            server.sessions.move_to(&session, SessionStatus::Terminating, reason);
            actor.end_all(&server);
            kernel.shutdown().await;
            session.stop.cancel();
            session.tasks.close();
            session.tasks.wait().await;
            if let Some(services) = session.services.get() {
                services.end().await;
            }
        }
        Some(Err(error)) => {
            let words = format!("{error}; {}", error.hint());
            session.log(format!("{words}\n"));
            let _ = session.failure.set(words.clone());
            server.sessions.move_to(&session, SessionStatus::Error, &words);
        }
        None => server.sessions.move_to(&session, SessionStatus::Cancelled, reason),
    }
    for run in session.runs() {
        run.finish(End::Destroyed(format!("the session {} has ended", session.name())));
    }
    let left = leave_folder(&session).await;
    // A session that an error or a cancellation has ended can only become lost.
    match left {
        Ok(true) => server.sessions.move_to(&session, SessionStatus::Lost, &session.kept_files()),
        Ok(false) => server.sessions.move_to(&session, SessionStatus::Terminated, reason),
        Err(error) => {
            let why = format!("{}, as they cannot be removed: {error}", session.kept_files());
            server.sessions.move_to(&session, SessionStatus::Lost, &why);
        }
    }
    server.sessions.gone(&session);
}

/// Keeps or removes the folder of a session that is over. Returns whether files are kept.
async fn leave_folder(session: &Arc<Session>) -> std::io::Result<bool> {
    if !session.spec.owns_workdir {
        return Ok(false);
    }
    let leaving = session.clone();
    tokio::task::spawn_blocking(move || leaving.leave_folder()).await.unwrap_or(Ok(true))
}

fn start_message(kernel: &Kernel) -> String {
    let info = kernel.describe();
    let note = info.note.as_ref().map(|note| format!("{note}\n")).unwrap_or_default();
    let now = jiff::Timestamp::now();
    format!(
        "Kernel started at: {now}\n{note}Executing the main program: {} ({} {})\n",
        info.executable.display(),
        info.language,
        info.version
    )
}

/// The kernel of a session.
pub(super) fn kernel_spec(session: &Session) -> KernelSpec {
    let spec = &session.spec;
    KernelSpec {
        workdir: spec.workdir.clone(),
        env: session.environment(),
        image: ImageName::parse(&spec.image),
        is_for_script: spec.is_for_script,
        first_script: None,
        streams: ScriptStreams::default(),
        executable: None,
    }
}

async fn start(server: &ServerState, session: &Arc<Session>) -> StartedKernel {
    // Many starts at the same time would only delay each other.
    let _turn = server.starts.acquire().await;
    server.sessions.move_to(session, SessionStatus::Preparing, "");
    let spec = &session.spec;
    if spec.owns_workdir {
        let new = session.clone();
        let made = tokio::task::spawn_blocking(move || {
            new.record()?;
            bai_private::create_folder(&new.spec.workdir)
        });
        made.await
            .unwrap_or_else(|error| Err(error.into()))
            .map_err(|source| StartError::Workdir { path: spec.workdir.clone(), source })?;
    }
    Kernel::start(kernel_spec(session)).await
}

/// Why a session is no longer served.
#[derive(PartialEq)]
enum Exit {
    /// The session was asked to stop.
    Stopped,
    /// The kernel ended and does not come back.
    KernelGone,
}

/// A restart in progress, and the requests that wait for it.
struct PendingRestart {
    work: Pin<Box<dyn Future<Output = Result<(), StartError>> + Send>>,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
}

impl PendingRestart {
    fn report(self, result: &Result<(), String>) {
        for done in self.waiting {
            // The client may have left.
            let _ = done.send(result.clone());
        }
    }
}

struct Actor {
    session: Arc<Session>,
    kernel: Kernel,
    replies: mpsc::Receiver<Reply>,
    commands: mpsc::Receiver<SessionCommand>,
    queue: VecDeque<(Arc<Run>, Work)>,
    /// The ids of the last interrupts that no run had, and the exit codes of their runs. A run and its interrupt come over two
    /// connections, so the interrupt may overtake the run.
    early_interrupts: VecDeque<(RunId, i32)>,
    current: Option<Arc<Run>>,
    /// Whether its programs may have the terminal of its client.
    at_terminal: bool,
    /// Output that no run owns, while nobody listens.
    stray: Buffer,
    /// Clients that get it at once.
    listeners: Vec<Arc<Run>>,
    /// Whether the creator's bootstrap script still runs. Runs wait for its end.
    preparing: bool,
    restarting: Option<PendingRestart>,
}

impl Actor {
    fn new(
        session: Arc<Session>,
        kernel: Kernel,
        replies: mpsc::Receiver<Reply>,
        commands: mpsc::Receiver<SessionCommand>,
    ) -> Self {
        Actor {
            session,
            kernel,
            replies,
            commands,
            queue: VecDeque::new(),
            early_interrupts: VecDeque::new(),
            current: None,
            at_terminal: false,
            stray: Buffer::default(),
            listeners: Vec::new(),
            preparing: false,
            restarting: None,
        }
    }

    /// Serves the session until it is asked to stop, or until its kernel is gone.
    async fn serve(&mut self) -> Exit {
        if let Some(script) = self.session.spec.bootstrap_script.clone() {
            // Its output belongs to no run, so it goes to the log and to the first run.
            self.preparing = self.kernel.send(Op::Clean(Step::Command(script))).await.is_ok();
        }
        let mut replies = Vec::with_capacity(REPLIES_AT_ONCE);
        loop {
            self.start_next().await;
            let at_terminal = self.current.clone().filter(|_| self.at_terminal);
            let full = self.receivers().iter().find(|run| !run.has_room()).cloned();
            tokio::select! {
                biased;
                () = self.session.stop.cancelled() => return Exit::Stopped,
                command = self.commands.recv() => match command {
                    Some(command) => self.handle_command(command).await,
                    None => return Exit::Stopped,
                },
                result = restarted(&mut self.restarting) => self.after_restart(result),
                count = self.replies.recv_many(&mut replies, REPLIES_AT_ONCE), if full.is_none() => {
                    if count == 0 {
                        return Exit::KernelGone;
                    }
                    for reply in replies.drain(..) {
                        self.handle_reply(reply).await;
                    }
                }
                () = room(full.as_ref()), if full.is_some() => {}
                () = forsaken(at_terminal.as_ref()) => drop(self.kernel.send(Op::HangUp).await),
            }
        }
    }

    async fn start_next(&mut self) {
        if self.current.is_some() || self.preparing || self.restarting.is_some() {
            return;
        }
        let Some((run, work)) = self.queue.pop_front() else { return };
        tracing::debug!(session = self.session.id(), run = %run.id(), "run starts");
        self.drop_listeners_that_left();
        for item in self.stray.take_all() {
            run.push(item);
        }
        for listener in &self.listeners {
            listener.push(OutputItem::Began(run.id().clone()));
        }
        self.session.set_current(Some(run.id().clone()));
        run.begin();
        self.current = Some(run);
        self.at_terminal = work.pty.is_some();
        for op in work.into_ops() {
            if self.kernel.send(op).await.is_err() {
                return;
            }
        }
    }

    /// Who gets the next output.
    fn receivers(&self) -> &[Arc<Run>] {
        self.current.as_ref().map_or(&self.listeners, std::slice::from_ref)
    }

    fn listen(&mut self, listener: Arc<Run>) {
        self.drop_listeners_that_left();
        listener.begin();
        self.stray.take_all().into_iter().for_each(|item| listener.push(item));
        if let Some(run) = &self.current {
            listener.push(OutputItem::Began(run.id().clone()));
        }
        self.listeners.push(listener);
    }

    /// What a client that has gone has not received waits for the next run or listener, if nobody else has got it.
    fn drop_listeners_that_left(&mut self) {
        let mut left = Vec::new();
        self.listeners.retain(|listener| match listener.reclaim() {
            Some(items) => {
                left.push(items);
                false
            }
            None => true,
        });
        if self.listeners.is_empty()
            && let Some(items) = left.into_iter().max_by_key(Vec::len)
        {
            items.into_iter().for_each(|item| self.stray.push(item));
            self.stray.shrink_to(STRAY_BOUND);
        }
    }

    async fn handle_command(&mut self, command: SessionCommand) {
        match command {
            SessionCommand::Begin(run, work) => self.begin(run, work),
            SessionCommand::Listen(listener) => self.listen(listener),
            SessionCommand::Input(run, input) => {
                if self.current.as_ref().is_some_and(|head| Arc::ptr_eq(head, &run)) {
                    let _ = self.kernel.send(input.into_op()).await;
                }
            }
            SessionCommand::Window(run, window) => {
                if self.current.as_ref().is_some_and(|head| Arc::ptr_eq(head, &run)) {
                    let _ = self.kernel.send(Op::Window(Some(window))).await;
                } else if let Some((_, work)) =
                    self.queue.iter_mut().find(|(waiting, _)| Arc::ptr_eq(waiting, &run))
                {
                    work.window = Some(window);
                }
            }
            SessionCommand::Interrupt(id) => self.interrupt(id, Op::Interrupt, WITHDRAWN_EXIT_CODE).await,
            SessionCommand::InterruptIdle => {
                if self.current.is_none() && self.queue.is_empty() && !self.preparing {
                    let _ = self.kernel.send(Op::Interrupt).await;
                }
            }
            SessionCommand::Signal(id, signal) if !signal.ends() => {
                if self.current.as_ref().is_some_and(|run| *run.id() == id) {
                    let _ = self.kernel.send(Op::Signal(signal)).await;
                }
            }
            SessionCommand::Signal(id, signal) => {
                self.interrupt(Some(id), Op::Signal(signal), signal.exit_code()).await;
            }
            SessionCommand::Secret(id, secret) => {
                if self.current.as_ref().is_some_and(|run| *run.id() == id) {
                    let _ = self.kernel.send(Op::Secret(secret)).await;
                }
            }
            SessionCommand::Keys(id, keys) => {
                if self.current.as_ref().is_some_and(|run| *run.id() == id) {
                    let _ = self.kernel.send(Op::Keys(keys)).await;
                }
            }
            SessionCommand::Restart(done) => self.restart(done),
            SessionCommand::Kernel(asker) => drop(asker.send(self.kernel.clone())),
        }
    }

    fn begin(&mut self, run: Arc<Run>, work: Work) {
        let early = self.early_interrupts.iter().position(|(id, _)| id == run.id());
        match early.and_then(|at| self.early_interrupts.remove(at)) {
            Some((_, exit_code)) => run.finish(End::Finished(exit_code)),
            None => self.queue.push_back((run, work)),
        }
    }

    /// Interrupts a run by this operation. One that waits for its turn ends with this exit code.
    async fn interrupt(&mut self, id: Option<RunId>, op: Op, exit_code: i32) {
        if let Some(id) = &id
            && let Some(at) = self.queue.iter().position(|(run, _)| run.id() == id)
            && let Some((run, _)) = self.queue.remove(at)
        {
            run.finish(End::Finished(exit_code));
        } else if let Some(run) = &self.current
            && id.as_ref().is_none_or(|id| run.id() == id)
        {
            run.interrupted();
            let _ = self.kernel.send(op).await;
        } else if let Some(id) = id
            && self.session.run(&id).is_none_or(|run| !run.is_over())
        {
            self.early_interrupts.truncate(EARLY_INTERRUPTS - 1);
            self.early_interrupts.push_front((id, exit_code));
        }
    }

    async fn handle_reply(&mut self, reply: Reply) {
        let item = match reply {
            Reply::Console(record) => {
                if let Some(text) = record.text() {
                    self.session.log(byte_text::bytes(text));
                }
                OutputItem::Console(record)
            }
            Reply::WaitingInput { is_password } => {
                let early = self.current.as_ref().and_then(|run| run.ask(is_password));
                if let Some(input) = early {
                    let _ = self.kernel.send(input.into_op()).await;
                }
                return;
            }
            Reply::InputWithdrawn => {
                self.current.iter().for_each(|run| run.withdraw_question());
                return;
            }
            Reply::CleanFinished { exit_code } => {
                OutputItem::Step { status: RunStatus::CleanFinished, exit_code }
            }
            Reply::BuildFinished { exit_code } => {
                OutputItem::Step { status: RunStatus::BuildFinished, exit_code }
            }
            Reply::Finished { exit_code } => {
                self.finish_current(End::Finished(exit_code));
                return;
            }
            _ => return,
        };
        self.add_output(item);
    }

    /// Hands an item to the active run, or else to those who listen, or keeps it for the next run.
    fn add_output(&mut self, item: OutputItem) {
        match &self.current {
            Some(run) => run.push(item),
            None if matches!(item, OutputItem::Step { .. }) => self.preparing = false,
            None if self.listeners.is_empty() => {
                self.stray.push(item);
                self.stray.shrink_to(STRAY_BOUND);
            }
            None => self.listeners.iter().for_each(|listener| listener.push(item.clone())),
        }
    }

    fn finish_current(&mut self, end: End) {
        if let Some(run) = self.current.take() {
            tracing::debug!(session = self.session.id(), run = %run.id(), ?end, "run ends");
            run.finish(end);
            self.session.set_current(None);
        }
    }

    fn restart(&mut self, done: oneshot::Sender<Result<(), String>>) {
        if let Some(restarting) = &mut self.restarting {
            restarting.waiting.push(done);
            return;
        }
        for (run, _) in self.queue.drain(..) {
            run.push(ConsoleRecord::Stderr("The session was restarted before this ran.\n".to_owned()));
            run.finish(End::Finished(RESTARTED_EXIT_CODE));
        }
        if let Some(run) = &self.current {
            // The run must reach its end even when no client collects its output.
            run.interrupted();
        }
        let kernel = self.kernel.clone();
        let work = Box::pin(async move { kernel.restart().await });
        self.restarting = Some(PendingRestart { work, waiting: vec![done] });
    }

    /// The active run of the old interpreter ends as every run does: with its own `finished` reply.
    fn after_restart(&mut self, result: Result<(), StartError>) {
        let result = result.map_err(|error| format!("{error}; {}", error.hint()));
        if result.is_ok() {
            self.session.log(start_message(&self.kernel));
        }
        if let Some(restarting) = self.restarting.take() {
            restarting.report(&result);
        }
    }

    /// Ends every run that is not over, and fails the restarts that wait.
    fn end_all(&mut self, server: &ServerState) {
        let end = if server.stop.is_cancelled() {
            End::Shutdown
        } else {
            End::Destroyed(format!("the session {} was destroyed", self.session.name()))
        };
        for run in self.session.runs() {
            run.finish(end.clone());
        }
        self.session.set_current(None);
        self.commands.close();
        if let Some(restarting) = self.restarting.take() {
            restarting.report(&Err("the session was destroyed".to_owned()));
        }
    }
}

async fn restarted(restarting: &mut Option<PendingRestart>) -> Result<(), StartError> {
    match restarting {
        Some(restarting) => restarting.work.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn forsaken(run: Option<&Arc<Run>>) {
    match run {
        Some(run) => run.forsaken().await,
        None => std::future::pending().await,
    }
}

async fn room(head: Option<&Arc<Run>>) {
    match head {
        Some(run) => run.room().await,
        None => std::future::pending().await,
    }
}
