//! The owner of one session: starts its kernel, gives it one run after the other, and hands what it says to the run
//! whose turn it is. Nothing else talks to the kernel but completion, which has no order.

use super::buffer::{Buffer, OutputItem};
use super::run::{End, Run};
use super::session::Session;
use super::state::ServerState;
use bai_protocol::execute::{BatchOptions, RunStatus};
use bai_protocol::record::ConsoleRecord;
use bai_protocol::status::SessionStatus;
use bai_runner::{ImageName, Kernel, KernelSpec, Op, Reply, StartError, Step};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Output that no run owns is kept up to this, in bytes, and given to the next run.
const STRAY_BOUND: usize = 1 << 20;
/// Replies that are taken from the kernel at once.
const REPLIES_AT_ONCE: usize = 16;
/// The exit code of runs that a restart ended, as the runner gives it to the one that it was busy with.
const RESTARTED_EXIT_CODE: i32 = 137;

/// What a run does.
#[derive(Debug)]
pub(super) enum Work {
    Query(String),
    Batch(BatchOptions),
}

impl Work {
    fn into_ops(self) -> Vec<Op> {
        let step = |text: &str| Step::from_wire(Some(text));
        match self {
            Work::Query(code) => vec![Op::Code(code)],
            Work::Batch(options) => vec![
                Op::Clean(step(&options.clean)),
                Op::Build(step(&options.build)),
                Op::Exec(step(&options.exec)),
            ],
        }
    }
}

/// What a session can be asked.
pub(super) enum Command {
    /// Queue a run.
    Begin(Arc<Run>, Work),
    /// A line for the run, which waits for it.
    Input(Arc<Run>, String),
    /// Stop the run whose turn it is.
    Interrupt,
    /// A fresh interpreter; runs that wait are ended.
    Restart(oneshot::Sender<Result<(), String>>),
    /// What serves completion.
    Kernel(oneshot::Sender<Kernel>),
}

/// Starts the kernel of a session, serves it until it is to end, and cleans up.
pub(super) async fn own(server: Arc<ServerState>, session: Arc<Session>, commands: mpsc::Receiver<Command>) {
    let started = tokio::select! {
        biased;
        () = session.stop.cancelled() => None,
        started = start(&server, &session) => Some(started),
    };
    let mut reason = "user-requested";
    match started {
        Some(Ok((kernel, replies))) => {
            session.log(&opening_words(&kernel));
            let _ = session.interpreter.set(kernel.describe());
            server.sessions.move_to(&session, SessionStatus::Running, "");
            let mut actor = Actor::new(session.clone(), kernel.clone(), replies, commands);
            if actor.serve().await == Served::KernelGone {
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
            session.log(&format!("{words}\n"));
            server.sessions.move_to(&session, SessionStatus::Error, &words);
        }
        None => server.sessions.move_to(&session, SessionStatus::Cancelled, reason),
    }
    for run in session.runs() {
        run.finish(End::Destroyed(format!("the session {} has ended", session.name())));
    }
    if session.fixed.owns_workdir {
        let folder = session.fixed.workdir.clone();
        // What cannot be removed is left; the session is over all the same.
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
    }
    // Nothing happens to one that is over already, by an error or before it ran.
    server.sessions.move_to(&session, SessionStatus::Terminated, reason);
    server.sessions.gone(&session);
}

fn opening_words(kernel: &Kernel) -> String {
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

async fn start(
    server: &ServerState,
    session: &Session,
) -> Result<(Kernel, mpsc::Receiver<Reply>), StartError> {
    // Many at once would only make each of them late.
    let _turn = server.starts.acquire().await;
    server.sessions.move_to(session, SessionStatus::Preparing, "");
    let fixed = &session.fixed;
    if fixed.owns_workdir {
        tokio::fs::create_dir_all(&fixed.workdir)
            .await
            .map_err(|source| StartError::Workdir { path: fixed.workdir.clone(), source })?;
    }
    Kernel::start(KernelSpec {
        workdir: fixed.workdir.clone(),
        env: environment(session),
        image: ImageName::parse(&fixed.image),
        executable: None,
    })
    .await
}

/// What a cluster's agent would set (`protocol.md` §9.1), and what the creator asked for.
pub(super) fn environment(session: &Session) -> Vec<(String, String)> {
    let fixed = &session.fixed;
    let ours = [
        ("BACKENDAI_SESSION_ID", fixed.id.clone()),
        ("BACKENDAI_SESSION_NAME", session.name()),
        ("BACKENDAI_KERNEL_ID", fixed.id.clone()),
        ("BACKENDAI_KERNEL_IMAGE", fixed.image.clone()),
        ("BACKENDAI_CLUSTER_SIZE", "1".to_owned()),
        ("BACKENDAI_CLUSTER_ROLE", "main".to_owned()),
    ];
    let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
    ours.chain(fixed.environ.clone()).collect()
}

/// Why a session is no longer served.
#[derive(PartialEq)]
enum Served {
    /// It was told to stop.
    Told,
    /// Its kernel ended for good.
    KernelGone,
}

/// A restart that is under way, and who waits for it.
struct Restarting {
    work: Pin<Box<dyn Future<Output = Result<(), StartError>> + Send>>,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
}

impl Restarting {
    fn tell(self, result: &Result<(), String>) {
        for done in self.waiting {
            // Who waited may have left.
            let _ = done.send(result.clone());
        }
    }
}

struct Actor {
    session: Arc<Session>,
    kernel: Kernel,
    replies: mpsc::Receiver<Reply>,
    commands: mpsc::Receiver<Command>,
    queue: VecDeque<(Arc<Run>, Work)>,
    head: Option<Arc<Run>>,
    stray: Buffer,
    /// Whether the creator's script still runs; no run starts before it is over.
    preparing: bool,
    restarting: Option<Restarting>,
}

impl Actor {
    fn new(
        session: Arc<Session>,
        kernel: Kernel,
        replies: mpsc::Receiver<Reply>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Actor {
            session,
            kernel,
            replies,
            commands,
            queue: VecDeque::new(),
            head: None,
            stray: Buffer::default(),
            preparing: false,
            restarting: None,
        }
    }

    /// Until the session is told to stop, or its kernel is gone.
    async fn serve(&mut self) -> Served {
        if let Some(script) = self.session.fixed.bootstrap_script.clone() {
            // Its output goes to the log and, as nobody's, to the first run.
            self.preparing = self.kernel.send(Op::Clean(Step::Command(script))).await.is_ok();
        }
        let mut replies = Vec::with_capacity(REPLIES_AT_ONCE);
        loop {
            self.start_next().await;
            let has_room = self.head.as_ref().is_none_or(|run| run.has_room());
            tokio::select! {
                biased;
                () = self.session.stop.cancelled() => return Served::Told,
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return Served::Told,
                },
                result = restarted(&mut self.restarting) => self.after_restart(result),
                count = self.replies.recv_many(&mut replies, REPLIES_AT_ONCE), if has_room => {
                    if count == 0 {
                        return Served::KernelGone;
                    }
                    for reply in replies.drain(..) {
                        self.hear(reply).await;
                    }
                }
                () = room(self.head.as_ref()), if !has_room => {}
            }
        }
    }

    async fn start_next(&mut self) {
        if self.head.is_some() || self.preparing || self.restarting.is_some() {
            return;
        }
        let Some((run, work)) = self.queue.pop_front() else { return };
        tracing::debug!(session = self.session.id(), run = %run.id(), "run starts");
        if !self.stray.is_empty() {
            for item in self.stray.take(usize::MAX) {
                run.push(item);
            }
        }
        self.session.set_current(Some(run.id().clone()));
        run.begin();
        self.head = Some(run);
        for op in work.into_ops() {
            if self.kernel.send(op).await.is_err() {
                return;
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Begin(run, work) => self.queue.push_back((run, work)),
            Command::Input(run, text) => {
                if self.head.as_ref().is_some_and(|head| Arc::ptr_eq(head, &run)) {
                    let _ = self.kernel.send(Op::Input(text)).await;
                }
            }
            Command::Interrupt => {
                if let Some(run) = &self.head {
                    run.interrupted();
                    let _ = self.kernel.send(Op::Interrupt).await;
                }
            }
            Command::Restart(done) => self.restart(done),
            Command::Kernel(asker) => drop(asker.send(self.kernel.clone())),
        }
    }

    async fn hear(&mut self, reply: Reply) {
        let item = match reply {
            Reply::Console(record) => {
                if let ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text) = &record {
                    self.session.log(text);
                }
                OutputItem::Console(record)
            }
            Reply::WaitingInput { is_password } => {
                let early = self.head.as_ref().and_then(|run| run.ask(is_password));
                if let Some(text) = early {
                    let _ = self.kernel.send(Op::Input(text)).await;
                }
                return;
            }
            Reply::CleanFinished { exit_code } => {
                OutputItem::Step { status: RunStatus::CleanFinished, exit_code }
            }
            Reply::BuildFinished { exit_code } => {
                OutputItem::Step { status: RunStatus::BuildFinished, exit_code }
            }
            Reply::Finished { exit_code } => {
                self.finish_head(End::Finished(exit_code));
                return;
            }
            _ => return,
        };
        self.keep(item);
    }

    /// Hands an item to the run whose turn it is, or keeps it for the next one.
    fn keep(&mut self, item: OutputItem) {
        match &self.head {
            Some(run) => run.push(item),
            None if matches!(item, OutputItem::Step { .. }) => self.preparing = false,
            None => {
                self.stray.push(item);
                self.stray.shrink_to(STRAY_BOUND);
            }
        }
    }

    fn finish_head(&mut self, end: End) {
        if let Some(run) = self.head.take() {
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
        if let Some(run) = &self.head {
            // Its end must come through, even if nobody collects.
            run.interrupted();
        }
        let kernel = self.kernel.clone();
        let work = Box::pin(async move { kernel.restart().await });
        self.restarting = Some(Restarting { work, waiting: vec![done] });
    }

    /// The run that the old interpreter was busy with still ends as every run does, by its own finished reply.
    fn after_restart(&mut self, result: Result<(), StartError>) {
        let result = result.map_err(|error| format!("{error}; {}", error.hint()));
        if result.is_ok() {
            self.session.log(&opening_words(&self.kernel));
        }
        if let Some(restarting) = self.restarting.take() {
            restarting.tell(&result);
        }
    }

    /// Ends every run that is not over, and tells restarts that they will not be.
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
            restarting.tell(&Err("the session was destroyed".to_owned()));
        }
    }
}

async fn restarted(restarting: &mut Option<Restarting>) -> Result<(), StartError> {
    match restarting {
        Some(restarting) => restarting.work.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn room(head: Option<&Arc<Run>>) {
    match head {
        Some(run) => run.room().await,
        None => std::future::pending().await,
    }
}
