//! The engine's handle: start, endpoint, key pair, end.

use super::connections::Doors;
use super::keypair::Keypair;
use super::lifecycle;
use super::listeners::{PrivateSocket, listen_tcp};
use super::options::{EngineOptions, Workdirs};
use super::routes;
use super::session_folders::{self, FolderLock, Found, Record};
use super::state::ServerState;
use bai_private::TemporaryFolder;
use bai_protocol::create::{CreateRequest, IncomingCreate};
use bai_protocol::execute::Script;
use bai_protocol::machine_limit::explain_or;
use bai_protocol::version;
use bai_runner::ScriptStreams;
use secrecy::ExposeSecret;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long connections may take to end by themselves.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// The endpoint of an engine with a Unix socket only. No name is looked up for it.
const SOCKET_ENDPOINT: &str = "http://localhost";

/// Why an engine could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Other machines could reach the address.
    #[error(
        "the engine does not listen on {0}: it runs code for whoever reaches it, so only loopback addresses such as 127.0.0.1 are taken"
    )]
    NotLoopback(SocketAddr),
    /// The system refused to listen.
    #[error(
        "the engine cannot listen on {address}: {source}; choose another port, or 0 to let the system choose"
    )]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The Unix socket could not be made.
    #[error("the engine cannot listen in {}: {}", path.display(), explain_or(source, "check the folder's permissions"))]
    Socket {
        /// The socket, or its folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A temporary folder could not be made.
    #[error("no temporary folder can be made for the engine: {0}; check the folder in TMPDIR")]
    TemporaryFolder(io::Error),
}

/// What the first client of an engine is about to ask for. It may ask for something else: then it gets that.
#[derive(Debug, Clone, Copy)]
pub struct Expectation<'a> {
    /// The session that it creates.
    pub request: &'a CreateRequest,
    /// The script that it runs there first, with its code, if the session is for that alone. Where the language's own program runs
    /// scripts, it starts at once, and waits for the script.
    pub script: Option<(&'a str, &'a Script)>,
    /// The streams that the client lends to that script: those that it has itself, in the place of pipes between the two. A script that
    /// the language's own program does not run gets none.
    pub streams: &'a ScriptStreams,
}

/// A running engine. Dropping it ends the engine without waiting for the end.
#[derive(Debug)]
pub struct Engine {
    state: Arc<ServerState>,
    /// The Unix socket, if there is one.
    socket: Option<PrivateSocket>,
    server: Option<JoinHandle<()>>,
    /// Keeps other engines from treating our sessions' folders as those of lost sessions.
    _lock: Option<FolderLock>,
    /// The folder of an engine that was started by [`Engine::temporary`].
    _folder: Option<TemporaryFolder>,
}

impl Engine {
    /// Starts an engine for a test or for one process. It listens on a free port of 127.0.0.1, has a new key pair, and keeps
    /// its sessions in a temporary folder, which is removed with it.
    ///
    /// # Errors
    /// When the folder cannot be made, or the system does not let the engine listen.
    pub async fn temporary() -> Result<Engine, EngineError> {
        let folder = TemporaryFolder::new().map_err(EngineError::TemporaryFolder)?;
        let options = EngineOptions::on_loopback(Workdirs::Claimed(folder.path().to_owned()));
        let mut engine = Engine::start(options).await?;
        engine._folder = Some(folder);
        Ok(engine)
    }

    /// Starts an engine with these options. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the address is not a loopback address, the socket's folder belongs to another user, or the system refuses to
    /// listen there.
    pub async fn start(options: EngineOptions) -> Result<Engine, EngineError> {
        Self::start_expecting(options, None).await
    }

    /// The same for an engine whose first client is in this process and is about to ask for this. Its session begins before the
    /// engine listens. The first request for a session of this name gets it.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start_expecting(
        options: EngineOptions,
        expectation: Option<Expectation<'_>>,
    ) -> Result<Engine, EngineError> {
        let (tcp, address) = options.listen.map(listen_tcp).transpose()?.unzip();
        let at_once = std::thread::available_parallelism().map_or(4, |n| n.get() * 2);
        let (lock, lost, without_files) = take_over(&options.workdirs).await;
        let state = Arc::new(ServerState::new(options.keypair, address, options.workdirs, at_once));
        if let Some(Expectation { request, script, streams }) = expectation {
            let request = IncomingCreate::from_wire(&request.to_wire(version::NEWEST));
            lifecycle::expect(&state, request, script, streams).await;
        }
        bai_private::remove_abandoned();
        let (socket, unix) = options.socket.as_ref().map(PrivateSocket::listen).transpose()?.unzip();
        state.sessions.add_lost(lost, without_files);
        if let Some(idle) = options.idle_end {
            tokio::spawn(end_when_idle(state.clone(), idle));
        }
        let doors = Doors { socket: unix, tcp };
        let served = state.clone();
        // To make the routes takes a moment, in which the caller can go on.
        let server =
            tokio::spawn(async move { doors.serve(routes::router(&served), served.stop.clone()).await });
        tracing::info!(?address, socket = ?socket.as_ref().map(PrivateSocket::path), "engine listens");
        Ok(Engine { state, socket, server: Some(server), _lock: lock, _folder: None })
    }

    /// The URL that clients are given: of the TCP address, such as `http://127.0.0.1:41234`, or a name for the Unix socket.
    pub fn endpoint(&self) -> String {
        self.state.address.map_or_else(|| SOCKET_ENDPOINT.to_owned(), |address| format!("http://{address}"))
    }

    /// The Unix socket through which programs of the same user reach the engine, if there is one.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(PrivateSocket::path)
    }

    /// The key pair that clients sign with.
    pub fn keypair(&self) -> &Keypair {
        &self.state.keypair
    }

    /// The variables that give clients a server: its endpoint, the access key and the secret key. Give them to the
    /// program that is to use this engine.
    pub fn client_environment(&self) -> [(&'static str, String); 3] {
        let keypair = self.keypair();
        [
            ("BACKEND_ENDPOINT", self.endpoint()),
            ("BACKEND_ACCESS_KEY", keypair.access_key().to_owned()),
            ("BACKEND_SECRET_KEY", keypair.secret_key().expose_secret().to_owned()),
        ]
    }

    /// A random text that only this engine has in its hello. It identifies this engine.
    pub fn instance(&self) -> &str {
        &self.state.instance
    }

    /// The handlers' state, for tests.
    #[cfg(test)]
    pub(super) fn state(&self) -> &Arc<ServerState> {
        &self.state
    }

    /// How many sessions have a kernel or start one.
    pub fn session_count(&self) -> usize {
        *self.state.sessions.alive().borrow()
    }

    /// Waits until the engine ends because it was idle for the time in its options.
    pub async fn ended(&self) {
        self.state.stop.cancelled().await;
    }

    /// Ends all sessions, waits until their processes are gone, and closes all connections.
    pub async fn shutdown(mut self) {
        self.state.stop.cancel();
        // Its file is removed while the sessions end.
        self.socket = None;
        let mut alive = self.state.sessions.alive();
        // An actor that hangs must not block the shutdown. Its kernel dies with its handle.
        let _ = tokio::time::timeout(CLOSE_LIMIT, alive.wait_for(|count| *count == 0)).await;
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(CLOSE_LIMIT, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.state.stop.cancel();
    }
}

/// Takes over the folder that holds the sessions' folders, with the lost sessions in it: those with files, and the records of
/// the others. Without its lock the engine works too, but finds none.
async fn take_over(workdirs: &Workdirs) -> (Option<FolderLock>, Vec<Found>, Vec<Record>) {
    let (root, is_claimed) = match workdirs {
        Workdirs::Shared(_) => return Default::default(),
        Workdirs::Own(root) => (root.clone(), false),
        Workdirs::Claimed(root) => (root.clone(), true),
    };
    let folder = root.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let lock = if is_claimed { None } else { session_folders::lock(&folder)? };
        if !is_claimed && lock.is_none() {
            return Ok::<_, io::Error>(Default::default());
        }
        let without_files = session_folders::records_without_files(&folder);
        Ok((lock, session_folders::find(&folder)?, without_files))
    });
    taken.await.unwrap_or_else(|error| Err(error.into())).unwrap_or_else(|error| {
        tracing::warn!(folder = %root.display(), %error, "the folder of sessions cannot be taken over");
        Default::default()
    })
}

/// Ends the engine once it has had no session for `idle`.
pub(super) async fn end_when_idle(state: Arc<ServerState>, idle: Duration) {
    let mut alive = state.sessions.alive();
    loop {
        if alive.wait_for(|count| *count == 0).await.is_err() {
            return;
        }
        tokio::select! {
            () = state.stop.cancelled() => return,
            () = tokio::time::sleep(idle) => break,
            _ = alive.changed() => {}
        }
    }
    tracing::info!("engine ends: no session for {} s", idle.as_secs());
    state.stop.cancel();
}
