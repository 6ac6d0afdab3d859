//! The services of a session: daemons that are started when a client connects to them, and that end with the session
//! (`docs/wire` §7.2, §7.6, §7.7).

mod catalog;
mod definition;
mod prestart;
mod template;

use super::dispositions;
use super::process;
use super::process_tree::{self, ProcessTree};
use bai_protocol::service::{App, ServiceParameters};
use catalog::KnownService;
pub(super) use definition::Definition;
use nix::unistd::Pid;
use serde_json::json;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use template::Variables;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How long a service may take until it accepts connections.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How often a connection is tried.
const TRY_EVERY: Duration = Duration::from_millis(50);
/// How long a service may take to end by itself when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How long to wait for the last output of a service that has ended.
const LAST_OUTPUT: Duration = Duration::from_millis(500);
/// How many bytes of a service's output are kept, for the error when it does not start.
const SAID: usize = 4096;
/// The protocol of ports that the user serves.
const PREOPEN: &str = "preopen";

/// Why a service could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// There is no such service.
    #[error("there is no service {0} here")]
    Unknown(String),
    /// The service has no such port.
    #[error("the service {name} does not open the port number {port}")]
    Port {
        /// The service.
        name: String,
        /// The requested port.
        port: u16,
    },
    /// The request is not allowed, or the program does not start.
    #[error("the service {name} could not be started: {why}")]
    Start {
        /// The service.
        name: String,
        /// The reason, as a clause. It may contain the last lines of the program's output.
        why: String,
    },
}

/// The address at which a service accepts connections.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceAddress {
    /// A port of this machine.
    Port(u16),
    /// A socket in a folder of its own.
    Socket(PathBuf),
}

/// A connection to a service.
pub trait Connection: AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Connection for T {}

impl ServiceAddress {
    /// Connects to it.
    ///
    /// # Errors
    /// An error of the system; `ConnectionRefused` when no process listens.
    pub async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        Ok(match self {
            ServiceAddress::Port(port) => {
                let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
                socket.set_nodelay(true)?;
                Box::new(socket)
            }
            ServiceAddress::Socket(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

/// The services of one session. Dropping it ends all running services.
#[derive(Debug)]
pub struct Services {
    workdir: PathBuf,
    env: Vec<(String, String)>,
    preopen: Vec<u16>,
    /// The folder with definition files.
    definitions: PathBuf,
    running: StdMutex<HashMap<String, Slot>>,
    /// Cancelled when no service may run any more.
    over: CancellationToken,
}

/// One service, which may run. Locked while it starts.
type Slot = Arc<Mutex<Option<Running>>>;

#[derive(Debug)]
struct Running {
    child: Child,
    address: ServiceAddress,
    process_tree: ProcessTree,
    /// The private folder with the socket and the files for the start.
    _scratch: TempDir,
}

impl Running {
    /// Asks the service to end, and kills it when it does not.
    async fn end(mut self) {
        if self.process_tree.terminate() {
            let _ = timeout(END_LIMIT, self.child.wait()).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process_tree.kill();
    }
}

/// The address at which a service must accept connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listen {
    /// At a private socket, or else at a free port of 127.0.0.1.
    Private,
    /// At these ports, which an agent has chosen.
    At(IpAddr, Vec<u16>),
}

/// The options of a start.
pub(super) struct Launch<'a> {
    pub(super) definition: &'a Definition,
    /// The value of `{runtime_path}`.
    pub(super) program: &'a Path,
    /// The folder that it runs in.
    pub(super) workdir: &'a Path,
    pub(super) on_socket: bool,
    pub(super) place: &'a Listen,
    pub(super) asked: &'a ServiceParameters,
    /// How long it may take until it accepts connections. `None` means without limit, for a model that must be loaded.
    pub(super) limit: Option<Duration>,
}

impl Services {
    /// The services of a session; none runs yet. `env` comes on top of our own environment, which services get without
    /// its secrets; `preopen` are ports on which the user's own programs will listen.
    pub fn new(workdir: PathBuf, env: Vec<(String, String)>, preopen: Vec<u16>) -> Self {
        let (definitions, running, over) =
            (catalog::FOLDER.into(), StdMutex::default(), CancellationToken::new());
        Services { workdir, env, preopen, definitions, running, over }
    }

    /// Uses definition files from this folder instead of `/etc/backend.ai/service-defs`.
    #[must_use]
    pub fn with_definitions(self, folder: PathBuf) -> Self {
        Services { definitions: folder, ..self }
    }

    /// All apps to which clients can connect. Reads files.
    pub fn apps(&self) -> Vec<App> {
        let preopen = self.preopen.iter().map(|port| App {
            name: port.to_string(),
            protocol: PREOPEN.to_owned(),
            ports: vec![*port],
            ..App::default()
        });
        let known = catalog::find(&self.definitions, &self.environment(&[]), true)
            .into_iter()
            .map(|(known, _)| known.app);
        preopen.chain(known).collect()
    }

    /// Starts a service if it does not run, waits until it accepts connections, and returns its address. `port` is one of
    /// its ports in the list of apps.
    ///
    /// # Errors
    /// As [`ServiceError`] says.
    pub async fn start(
        &self,
        name: &str,
        port: Option<u16>,
        asked: &ServiceParameters,
    ) -> Result<ServiceAddress, ServiceError> {
        if let Some(open) = self.preopen.iter().find(|open| open.to_string() == name) {
            return check_port(name, port, &[*open]).map(|()| ServiceAddress::Port(*open));
        }
        let env = self.environment(&[]);
        let found = catalog::find(&self.definitions, &env, true)
            .into_iter()
            .find(|(known, _)| known.app.name == name);
        let (known, program) = found.ok_or_else(|| ServiceError::Unknown(name.to_owned()))?;
        check_port(name, port, &known.app.ports)?;
        let KnownService { definition, on_socket, .. } = &known;
        let launch = Launch {
            definition,
            program: &program,
            workdir: &self.workdir,
            on_socket: *on_socket,
            place: &Listen::Private,
            asked,
            limit: Some(START_LIMIT),
        };
        self.run(name, &launch).await.map(|(address, _)| address)
    }

    /// Starts a service at ports that an agent has chosen. Returns whether it ran before. `{runtime_path}` of definition files
    /// is `runtime`.
    ///
    /// # Errors
    /// As [`ServiceError`] says.
    pub(super) async fn start_at(
        &self,
        name: &str,
        place: &Listen,
        runtime: &Path,
        asked: &ServiceParameters,
    ) -> Result<bool, ServiceError> {
        let env = self.environment(&[]);
        let found = catalog::find(&self.definitions, &env, false)
            .into_iter()
            .find(|(known, _)| known.app.name == name);
        let (known, program) = found.ok_or_else(|| ServiceError::Unknown(name.to_owned()))?;
        let program = if program.as_os_str().is_empty() { runtime } else { &program };
        let KnownService { definition, on_socket, .. } = &known;
        let (workdir, limit) = (self.workdir.as_path(), Some(START_LIMIT));
        let launch = Launch { definition, program, workdir, on_socket: *on_socket, place, asked, limit };
        self.run(name, &launch).await.map(|(_, ran)| ran)
    }

    /// Starts a service that is not in the catalog, under its own name.
    ///
    /// # Errors
    /// As [`ServiceError`] says.
    pub(super) async fn run(
        &self,
        name: &str,
        launch: &Launch<'_>,
    ) -> Result<(ServiceAddress, bool), ServiceError> {
        let failed = |why: String| ServiceError::Start { name: name.to_owned(), why };
        let env = self.environment(&[]);
        launch.definition.check(launch.asked, &env).map_err(|error| failed(error.to_string()))?;
        let slot = self.slot(name);
        // One start at a time. A later request finds the service running.
        let mut slot = slot.lock().await;
        if let Some(service) = slot.as_mut()
            && matches!(service.child.try_wait(), Ok(None))
        {
            return Ok((service.address.clone(), true));
        }
        *slot = None;
        let limit = launch.limit.unwrap_or(Duration::MAX);
        let started = timeout(limit, self.launch(launch));
        let service = match self.over.run_until_cancelled(started).await {
            Some(Ok(started)) => started.map_err(failed)?,
            Some(Err(_)) => {
                return Err(failed(format!("it accepted no connection within {} s", limit.as_secs())));
            }
            None => return Err(failed("the session has ended".to_owned())),
        };
        let address = service.address.clone();
        *slot = Some(service);
        Ok((address, false))
    }

    fn slot(&self, name: &str) -> Slot {
        let mut slots = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(name.to_owned()).or_default().clone()
    }

    /// Ends a service. Returns whether it ran.
    pub async fn stop(&self, name: &str) -> bool {
        let service = self.slot(name).lock().await.take();
        let ran = service.is_some();
        if let Some(service) = service {
            service.end().await;
        }
        ran
    }

    /// Ends all services; none starts after that.
    pub async fn end(&self) {
        self.over.cancel();
        let slots: Vec<Slot> = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain()
            .map(|(_, slot)| slot)
            .collect();
        let end = |slot: Slot| async move {
            let service = slot.lock().await.take();
            if let Some(service) = service {
                service.end().await;
            }
        };
        futures_util::future::join_all(slots.into_iter().map(end)).await;
    }

    fn environment(&self, more: &[(String, String)]) -> Vec<(OsString, OsString)> {
        let all: Vec<_> = self.env.iter().chain(more).cloned().collect();
        process::environment(&all, &[], &[])
    }

    async fn launch(&self, launch: &Launch<'_>) -> Result<Running, String> {
        let said = |error: io::Error| error.to_string();
        // Only its owner has access.
        let scratch = tempfile::Builder::new().prefix("bai-service-").tempdir().map_err(said)?;
        // ttyd recognises a socket by this ending; another name would be a network interface.
        let socket = scratch.path().join("service.sock");
        let (host, ports) = match launch.place {
            Listen::Private => (IpAddr::from(Ipv4Addr::LOCALHOST), vec![free_port().await.map_err(said)?]),
            Listen::At(host, ports) => (*host, ports.clone()),
        };
        let port = ports.first().copied();
        let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
        let mut variables: Variables = [
            ("host".to_owned(), json!(host)),
            ("ports".to_owned(), json!(ports)),
            ("runtime_path".to_owned(), json!(launch.program)),
            ("socket".to_owned(), json!(socket)),
            ("scratch".to_owned(), json!(scratch.path())),
            ("shell".to_owned(), json!(shell)),
        ]
        .into();
        let Launch { definition, workdir, asked, .. } = launch;
        let env = self.environment(&[]);
        prestart::run(&definition.prestart, workdir, scratch.path(), &env, &mut variables).await?;
        let words = if definition.noop {
            vec!["true".to_owned()]
        } else {
            definition.words(asked, &variables).map_err(|error| error.to_string())?
        };
        let mark = process_tree::mark();
        let mut more = definition.environment(asked, &variables).map_err(|error| error.to_string())?;
        more.push(mark.clone());
        let mut child = spawn(&words, workdir, self.environment(&more)).map_err(said)?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or("it ended at once")?;
        let tail = OutputTail::default();
        let out = tokio::spawn(tail.clone().follow(child.stdout.take()));
        let err = tokio::spawn(tail.clone().follow(child.stderr.take()));
        let last_words = async move { drop(tokio::join!(out, err)) };
        let address = match port {
            _ if launch.on_socket => ServiceAddress::Socket(socket),
            Some(port) => ServiceAddress::Port(port),
            None => return Err("no port was named for it".to_owned()),
        };
        let process_tree = ProcessTree::new(Pid::from_raw(pid), &mark);
        let mut running = Running { child, address, process_tree, _scratch: scratch };
        if !definition.noop {
            until_open(&mut running, &tail, last_words).await?;
        }
        Ok(running)
    }
}

fn check_port(name: &str, port: Option<u16>, open: &[u16]) -> Result<(), ServiceError> {
    match port {
        Some(port) if !open.contains(&port) => Err(ServiceError::Port { name: name.to_owned(), port }),
        _ => Ok(()),
    }
}

/// A free port. Another program may take it first; then the service reports that.
async fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port())
}

#[allow(unsafe_code)]
fn spawn(words: &[String], workdir: &Path, env: Vec<(OsString, OsString)>) -> io::Result<Child> {
    let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(args).current_dir(workdir).env_clear().envs(env);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    dispositions::by_default(command.as_std_mut());
    // SAFETY: the closure makes one system call, which is safe after fork; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from)) };
    command.spawn().map_err(|error| io::Error::new(error.kind(), format!("{program} cannot be run: {error}")))
}

/// Waits until the service accepts a connection or ends.
async fn until_open(
    running: &mut Running,
    tail: &OutputTail,
    last_words: impl Future<Output = ()>,
) -> Result<(), String> {
    // The system does not report when another program begins to listen.
    let mut tries = interval(TRY_EVERY);
    tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            status = running.child.wait() => {
                let how = status.map_or_else(|error| error.to_string(), |status| process::describe_end(&status).1);
                // Its child processes may hold the pipes open for longer.
                let _ = timeout(LAST_OUTPUT, last_words).await;
                return Err(format!("it {how}{}", tail.said()));
            }
            _ = tries.tick() => {
                if running.address.connect().await.is_ok() {
                    return Ok(());
                }
            }
        }
    }
}

/// The last output of a service.
#[derive(Debug, Clone, Default)]
struct OutputTail(Arc<StdMutex<Vec<u8>>>);

impl OutputTail {
    async fn follow(self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        let mut buffer = [0; 4096];
        while let Ok(count) = stream.read(&mut buffer).await
            && count > 0
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(buffer.iter().take(count));
            let excess = kept.len().saturating_sub(SAID);
            kept.drain(..excess);
        }
    }

    fn said(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept).trim().to_owned();
        if text.is_empty() { text } else { format!("; it said: {text}") }
    }
}

#[cfg(test)]
mod tests;
