//! The runner for a cluster's agent: a program in a container that takes operations over ZeroMQ and answers them
//! (`docs/wire` §9). It drives the same [`Kernel`] as the engine. This module has the sockets, the files that an
//! agent puts into the container, and the services on the ports that the agent names. Running code is the kernel's
//! task.
//!
//! | File | Its job |
//! |---|---|
//! | `messages` | the two parts of a message, read and written |
//! | `sockets` | ZeroMQ |
//! | `relay`, `frame_limit` | the ports in front of it, and how long a message may be |
//! | `container` | variables, ports and paths that an agent leaves |
//! | `task_log` | the logs of what batch steps print |
//! | `services` | services and models |

mod container;
mod frame_limit;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod messages;
mod relay;
mod services;
mod sockets;
mod task_log;
#[cfg(test)]
mod tests;

use super::error::{KernelGone, StartError};
use super::image::ImageName;
use super::kernel::Kernel;
use super::kernel_spec::KernelSpec;
use super::op::{Op, Step};
use super::reply::Reply;
use super::script_streams::ScriptStreams;
use super::services::Services;
use bai_protocol::complete::CompletionRequest;
use bai_protocol::execute::END_OF_INPUT;
use bytes::Bytes;
use container::IntrinsicPorts;
use messages::{Message, Request, Unreadable};
use services::AgentServices;
use sockets::{Operations, Replies};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use task_log::TaskLog;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// The ports that agents expect.
const PORTS: [u16; 2] = [2000, 2001];
/// How many messages wait for the socket of replies.
const REPLIES: usize = 16;
/// How many completion requests wait. Each may take seconds.
const COMPLETIONS: usize = 16;
/// How long the last replies may take when the runner ends.
const LAST_REPLIES: Duration = Duration::from_secs(1);
/// The runtime type without a language. It is used when the requested one does not start.
const NO_LANGUAGE: &str = "app";

/// How a runner is started.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// The language or runtime type, such as `python`. Any image name is accepted.
    pub language: String,
    /// The interpreter or compiler. `None` searches for it.
    pub runtime: Option<PathBuf>,
    /// The address to listen on. Every program that reaches the ports can run code here.
    pub host: IpAddr,
    /// Ports for operations and replies. For `None` the port comes from `intrinsic-ports.json`, else it is 2000 or
    /// 2001.
    pub ports: [Option<u16>; 2],
    /// The folder that code runs in: the user's home.
    pub workdir: PathBuf,
    /// The folder with the agent's files: `environ.txt` and `intrinsic-ports.json`.
    pub config: PathBuf,
    /// The folder with the definitions of services.
    pub definitions: PathBuf,
}

impl AgentOptions {
    /// A runner of this language in the folder `workdir`, on loopback, with the ports and folders that agents use.
    pub fn new(language: impl Into<String>, workdir: impl Into<PathBuf>) -> Self {
        AgentOptions {
            language: language.into(),
            runtime: None,
            host: Ipv4Addr::LOCALHOST.into(),
            ports: [None, None],
            workdir: workdir.into(),
            config: PathBuf::from("/home/config"),
            definitions: PathBuf::from("/etc/backend.ai/service-defs"),
        }
    }
}

/// Why a runner could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// A port cannot be opened. The message says which one and why.
    #[error("{0}")]
    Listen(String),
    /// A file of the agent cannot be read.
    #[error("cannot read the agent's files in {}: {source}", folder.display())]
    Config {
        /// The folder with the file.
        folder: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Neither the language nor the runtime type without one starts.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system lacks something.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// A runner that listens.
pub struct AgentRunner {
    operations: Operations,
    answers: mpsc::Sender<Message>,
    sending: JoinHandle<()>,
    addresses: [SocketAddr; 2],
    kernel: Kernel,
    replies: mpsc::Receiver<Reply>,
    services: Arc<AgentServices>,
    completions: mpsc::Sender<CompletionRequest>,
    task_log: TaskLog,
    /// For each task that has not ended, whether it is a batch step.
    tasks: VecDeque<bool>,
    workdir: PathBuf,
    start_error: Option<StartError>,
}

impl std::fmt::Debug for AgentRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentRunner").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl AgentRunner {
    /// Opens the sockets and starts the interpreter. When the interpreter does not start, the runner still serves batch
    /// steps and services; [`AgentRunner::start_error`] says why.
    ///
    /// # Errors
    /// As [`AgentError`] says.
    pub async fn start(options: AgentOptions) -> Result<AgentRunner, AgentError> {
        let AgentOptions { language, runtime, host, ports, workdir, config, definitions } = options;
        let intrinsic = IntrinsicPorts::read(&config)
            .map_err(|source| AgentError::Config { folder: config.clone(), source })?;
        let [operations, replies] = [(ports[0], intrinsic.replin), (ports[1], intrinsic.replout)];
        let ports =
            [operations.0.or(operations.1).unwrap_or(PORTS[0]), replies.0.or(replies.1).unwrap_or(PORTS[1])];
        let opened = sockets::open(host, ports).await;
        let (operations, sockets) = opened.map_err(|error| AgentError::Listen(error.to_string()))?;
        let env = container::environment(&config, &workdir);
        let kernel_id = variable(&env, "BACKENDAI_KERNEL_ID");
        let task_log = TaskLog::start(workdir.clone(), kernel_id)?;
        let addresses = [operations.address, sockets.address];
        let spec = |image, executable| KernelSpec {
            workdir: workdir.clone(),
            env: env.clone(),
            image,
            is_for_script: false,
            first_script: None,
            streams: ScriptStreams::default(),
            executable,
        };
        let started = Kernel::start(spec(ImageName::parse(&language), runtime.clone())).await;
        let (start_error, (kernel, replies)) = match started {
            Ok(started) => (None, started),
            Err(error @ StartError::Workdir { .. }) => return Err(error.into()),
            Err(error) => (Some(error), Kernel::start(spec(ImageName::parse(NO_LANGUAGE), None)).await?),
        };
        let (answers, sending) = start_sending(sockets);
        let services = Services::new(workdir.clone(), env, Vec::new()).with_definitions(definitions);
        let services = Arc::new(AgentServices::new(services, host, runtime, answers.clone()));
        if config.is_dir() {
            services.start_intrinsic(intrinsic.sshd, intrinsic.ttyd).await;
        }
        let completions = start_completing(kernel.clone(), answers.clone());
        let tasks = VecDeque::new();
        Ok(AgentRunner {
            operations,
            answers,
            sending,
            addresses,
            kernel,
            replies,
            services,
            completions,
            task_log,
            tasks,
            workdir,
            start_error,
        })
    }

    /// The addresses of the sockets for operations and for replies.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// Why code cannot be run; `None` when it can.
    pub fn start_error(&self) -> Option<&StartError> {
        self.start_error.as_ref()
    }

    /// Runs the user's `bootstrap.sh`, then serves until `stop` is cancelled or the kernel is gone. Then it ends
    /// everything that it has started.
    pub async fn serve(mut self, stop: &CancellationToken) {
        let serve = async {
            self.bootstrap().await?;
            loop {
                self.step().await?;
            }
        };
        let _: Option<Result<(), KernelGone>> = stop.run_until_cancelled(serve).await;
        let AgentRunner { operations, answers, sending, kernel, services, completions, .. } = self;
        drop((operations, completions));
        tokio::join!(kernel.shutdown(), services.end());
        drop((answers, services));
        let _ = timeout(LAST_REPLIES, sending).await;
    }

    /// Handles one operation or one reply.
    async fn step(&mut self) -> Result<(), KernelGone> {
        match self.next_event().await {
            AgentEvent::Operation(parts) => self.on_operation(&parts).await,
            AgentEvent::Reply(place, reply) => {
                if self.tasks.front() == Some(&true) {
                    self.task_log.note(&reply).await;
                }
                if is_end(&reply) {
                    self.tasks.pop_front();
                    self.task_log.end().await;
                }
                if let Some(message) = messages::reply(reply) {
                    place.send(message);
                }
                Ok(())
            }
            AgentEvent::Over => Err(KernelGone),
        }
    }

    async fn next_event(&mut self) -> AgentEvent {
        let reply = async {
            // When the agent does not read, the program waits too.
            let place = self.answers.clone().reserve_owned().await.ok()?;
            Some(AgentEvent::Reply(place, self.replies.recv().await?))
        };
        tokio::select! { biased;
            parts = self.operations.next() => AgentEvent::Operation(parts),
            reply = reply => reply.unwrap_or(AgentEvent::Over),
        }
    }

    async fn on_operation(&mut self, parts: &[Bytes]) -> Result<(), KernelGone> {
        let [name, payload] = parts else {
            tracing::warn!(parts = parts.len(), "a malformed message is skipped");
            return Ok(());
        };
        match Request::read(name, payload) {
            Ok(request) => self.take(request).await,
            Err(Unreadable { why, answer }) => {
                tracing::warn!(why, "an operation is skipped");
                answer.into_iter().for_each(|answer| self.services.say(answer));
                Ok(())
            }
        }
    }
}

/// What woke the runner.
enum AgentEvent {
    Operation(Vec<Bytes>),
    /// A reply, with its place in the queue to the agent.
    Reply(mpsc::OwnedPermit<Message>, Reply),
    /// The kernel is gone.
    Over,
}

impl AgentRunner {
    /// Carries out a request, or hands it on.
    async fn take(&mut self, request: Request) -> Result<(), KernelGone> {
        match request {
            Request::Op(op) => {
                if let Some(is_step) = is_task(&op) {
                    self.tasks.push_back(is_step);
                }
                return self.kernel.send(op).await;
            }
            Request::Complete(request) => {
                // An agent that asks this often no longer needs the first answer, but it still waits for one.
                if self.completions.try_send(request).is_err() {
                    self.services.say(messages::completion(&[]));
                }
            }
            Request::StartService(start) => self.services.start(start),
            Request::ShutdownService(name) => self.services.shut_down(name),
            Request::StartModelService(model) => self.services.start_model(*model),
            Request::Apps(name) => self.services.list(name),
            Request::Event(what) => tracing::info!(what, "an event of the agent"),
        }
        Ok(())
    }

    /// Runs the user's bootstrap script. Its output goes to the log, and to the agent if one is connected.
    async fn bootstrap(&mut self) -> Result<(), KernelGone> {
        if !self.workdir.join("bootstrap.sh").is_file() {
            return Ok(());
        }
        let command = Step::Command("/bin/sh ./bootstrap.sh".to_owned());
        self.kernel.send(Op::Clean(command)).await?;
        loop {
            match self.replies.recv().await.ok_or(KernelGone)? {
                Reply::CleanFinished { exit_code } => {
                    tracing::info!(exit_code, "bootstrap.sh has ended");
                    self.task_log.end().await;
                    return Ok(());
                }
                // No user is there to answer.
                Reply::WaitingInput { .. } => self.kernel.send(Op::Input(END_OF_INPUT.to_owned())).await?,
                reply => {
                    self.task_log.note(&reply).await;
                    if let Some(message) = messages::reply(reply) {
                        let _ = self.answers.try_send(message);
                    }
                }
            }
        }
    }
}

/// Whether an operation is queued as a task, and then whether it is a batch step.
fn is_task(op: &Op) -> Option<bool> {
    match op {
        Op::Code(_) | Op::Script(..) => Some(false),
        Op::Clean(_) | Op::Build(_) | Op::Exec(_) => Some(true),
        _ => None,
    }
}

fn is_end(reply: &Reply) -> bool {
    matches!(reply, Reply::Finished { .. } | Reply::CleanFinished { .. } | Reply::BuildFinished { .. })
}

fn variable(env: &[(String, String)], name: &str) -> String {
    let own = env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    own.or_else(|| std::env::var(name).ok()).unwrap_or_default()
}

fn start_sending(sockets: Replies) -> (mpsc::Sender<Message>, JoinHandle<()>) {
    let (answers, messages) = mpsc::channel(REPLIES);
    (answers, tokio::spawn(sockets.send_all(messages)))
}

/// Completion requests are answered one after the other, because an answer does not name its request.
fn start_completing(kernel: Kernel, answers: mpsc::Sender<Message>) -> mpsc::Sender<CompletionRequest> {
    let (questions, mut waiting) = mpsc::channel(COMPLETIONS);
    tokio::spawn(async move {
        while let Some(question) = waiting.recv().await {
            let found = kernel.complete(question).await;
            if answers.send(messages::completion(&found.suggestions)).await.is_err() {
                return;
            }
        }
    });
    questions
}
