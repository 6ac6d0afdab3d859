//! One service of a session: its start, the address at which it accepts connections, and its end.

use super::definition::Definition;
use super::prestart;
use super::template::Variables;
use super::token::Token;
use crate::free_ports::{self, Attempts};
use crate::port_owner;
use crate::process::{self, Process, Program};
use crate::process_tree::{Mark, ProcessTree};
use bai_private::TemporaryFolder;
use bai_protocol::service::ServiceParameters;
use serde_json::json;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe::Receiver;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often a connection is tried.
const TRY_EVERY: Duration = Duration::from_millis(50);
/// How long a service may take to end by itself when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How long to wait for the last output of a service that has ended.
const LAST_OUTPUT: Duration = Duration::from_millis(500);
/// How many bytes of a service's output are kept, for the error when it does not start.
const TAIL_BYTES: usize = 4096;

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
    /// An error of the system; `ConnectionRefused` when no process listens, `PermissionDenied` when one of another user
    /// listens at the port.
    pub async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        Ok(match self {
            ServiceAddress::Port(port) => {
                let socket = port_owner::connect(*port).await?;
                socket.set_nodelay(true)?;
                Box::new(socket)
            }
            ServiceAddress::Socket(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

/// A running service. Dropping it kills its processes.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    pub(super) address: ServiceAddress,
    process_tree: ProcessTree,
    /// The private folder with the socket and the files for the start.
    _scratch: TemporaryFolder,
}

impl Running {
    /// Whether its process runs.
    pub(super) fn is_alive(&mut self) -> bool {
        self.process.is_running()
    }

    /// Asks the service to end, and kills it when it does not.
    pub(super) async fn end(mut self) {
        if self.process_tree.terminate() {
            let _ = timeout(END_LIMIT, self.process.wait()).await;
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
pub(in super::super) enum Listen {
    /// At a private socket, or else at a free port of 127.0.0.1.
    Private,
    /// At these ports, which an agent has chosen.
    At(IpAddr, Vec<u16>),
}

/// The options of a start.
pub(in super::super) struct Launch<'a> {
    pub(in super::super) definition: &'a Definition,
    /// The value of `{runtime_path}`.
    pub(in super::super) program: &'a Path,
    /// The folder that it runs in.
    pub(in super::super) workdir: &'a Path,
    pub(in super::super) on_socket: bool,
    pub(in super::super) place: &'a Listen,
    pub(in super::super) asked: &'a ServiceParameters,
    /// How long it may take until it accepts connections. `None` means without limit, for a model that must be loaded.
    pub(in super::super) limit: Option<Duration>,
}

impl Launch<'_> {
    /// Starts the service and waits until it accepts connections. `env` are the variables of the session.
    pub(super) async fn start(&self, env: &[(String, String)], token: &Token) -> Result<Running, String> {
        if let Listen::At(host, ports) = self.place {
            return self.start_at(*host, ports, None, env, token).await;
        }
        let mut attempts = Attempts::default();
        loop {
            let (port, reserved) = free_ports::reserve().await.map_err(|error| error.to_string())?;
            match self.start_at(Ipv4Addr::LOCALHOST.into(), &[port], Some(reserved), env, token).await {
                Err(why) if attempts.go_on(&[port], &why).await => {}
                outcome => return outcome,
            }
        }
    }

    /// Starts the service at these ports. They are `reserved` until it is started.
    async fn start_at(
        &self,
        host: IpAddr,
        ports: &[u16],
        reserved: Option<TcpListener>,
        env: &[(String, String)],
        token: &Token,
    ) -> Result<Running, String> {
        let text = |error: io::Error| error.to_string();
        let scratch = TemporaryFolder::new().map_err(text)?;
        // ttyd recognises a socket by this ending; another name would be a network interface.
        let socket = scratch.path().join("service.sock");
        let port = ports.first().copied();
        let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
        let mut variables: Variables = [
            ("host".to_owned(), json!(host)),
            ("ports".to_owned(), json!(ports)),
            ("runtime_path".to_owned(), json!(self.program)),
            ("socket".to_owned(), json!(socket)),
            ("scratch".to_owned(), json!(scratch.path())),
            ("shell".to_owned(), json!(shell)),
            ("token".to_owned(), json!(token.expose())),
        ]
        .into();
        let Launch { definition, workdir, asked, .. } = self;
        let prestart_env = environment(env, &[]);
        prestart::run(&definition.prestart, workdir, scratch.path(), &prestart_env, &mut variables).await?;
        let words = if definition.noop {
            vec!["true".to_owned()]
        } else {
            definition.words(asked, &variables).map_err(|error| error.to_string())?
        };
        let mark = Mark::new();
        let mut more = definition.environment(asked, &variables).map_err(|error| error.to_string())?;
        more.push(mark.variable());
        // Some programs bind their port at once.
        drop(reserved);
        let (process, out, err) = spawn(&words, workdir, &environment(env, &more)).map_err(text)?;
        let tail = OutputTail::default();
        let out = tokio::spawn(tail.clone().follow(out));
        let err = tokio::spawn(tail.clone().follow(err));
        let last_words = async move { drop(tokio::join!(out, err)) };
        let address = match port {
            _ if self.on_socket => ServiceAddress::Socket(socket),
            Some(port) => ServiceAddress::Port(port),
            None => return Err("no port was named for it".to_owned()),
        };
        let process_tree = ProcessTree::new(process.leader(), mark);
        let mut running = Running { process, address, process_tree, _scratch: scratch };
        if !definition.noop {
            until_open(&mut running, self.place, &tail, last_words).await?;
        }
        Ok(running)
    }
}

/// The variables of a process of the session: our own without secrets, then `env`, then `more`.
pub(super) fn environment(env: &[(String, String)], more: &[(String, String)]) -> Vec<(OsString, OsString)> {
    let all: Vec<_> = env.iter().chain(more).cloned().collect();
    process::environment(&all, &[], &[])
}

fn spawn(
    words: &[String],
    workdir: &Path,
    env: &[(OsString, OsString)],
) -> io::Result<(Process, Receiver, Receiver)> {
    let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let executable = Path::new(program);
    Process::spawn(Program {
        executable,
        args: &args,
        workdir,
        env,
        pipes: &[],
        stdin: None,
        output: None,
        starter: None,
    })
    .map_err(|error| io::Error::new(error.kind(), format!("{program} cannot be run: {error}")))
}

/// Waits until the service accepts a connection or ends.
async fn until_open(
    running: &mut Running,
    place: &Listen,
    tail: &OutputTail,
    last_words: impl Future<Output = ()>,
) -> Result<(), String> {
    // The system does not report when another program begins to listen.
    let mut tries = interval(TRY_EVERY);
    tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            status = running.process.wait() => {
                let how = status.map_or_else(|error| error.to_string(), |status| process::describe_end(&status).1);
                // Its child processes may hold the pipes open for longer.
                let _ = timeout(LAST_OUTPUT, last_words).await;
                return Err(format!("it {how}{}", tail.clause()));
            }
            _ = tries.tick() => {
                let connected = match (place, &running.address) {
                    // All users of a container belong to its session.
                    (Listen::At(..), ServiceAddress::Port(port)) => {
                        TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await.map(drop)
                    }
                    (_, address) => address.connect().await.map(drop),
                };
                match connected {
                    Ok(()) => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error.to_string()),
                    // It does not listen yet.
                    Err(_) => {}
                }
            }
        }
    }
}

/// The last output of a service.
#[derive(Debug, Clone, Default)]
struct OutputTail(Arc<Mutex<Vec<u8>>>);

impl OutputTail {
    async fn follow(self, mut stream: Receiver) {
        let mut buffer = [0; 4096];
        while let Ok(count) = stream.read(&mut buffer).await
            && count > 0
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(buffer.iter().take(count));
            let excess = kept.len().saturating_sub(TAIL_BYTES);
            kept.drain(..excess);
        }
    }

    /// The last output as the end of a sentence; empty without output.
    fn clause(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept).trim().to_owned();
        if text.is_empty() { text } else { format!("; its last output: {text}") }
    }
}
