//! The engine as its owner sees it: started with options, reached at an endpoint, ended.

use super::keypair::Keypair;
use super::leftover::{self, Claim};
use super::routes;
use super::sessions::Sessions;
use axum::serve::ListenerExt;
use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long connections may take to end by themselves.
const GOODBYE: Duration = Duration::from_secs(3);

/// What the system may hold of a reply, in bytes. The several MiB that it would take by itself are output that is lost
/// with a socket, and that a reader still has before it when it has interrupted.
const SEND_BUFFER: u32 = 512 << 10;

/// Where sessions work.
#[derive(Debug, Clone)]
pub enum Workdirs {
    /// All in this folder, which is the user's own: nothing is made or removed there, and uploads and downloads, which
    /// would be between a folder and itself, are refused.
    Shared(PathBuf),
    /// Each in a folder of its own below this one, named by the session's id and removed with it. Those that sessions of
    /// an engine that was killed have left there are removed when the next one starts.
    Own(PathBuf),
}

/// How an engine is to be.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Where to listen; only loopback addresses are taken, and port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Who may ask.
    pub keypair: Keypair,
    /// Where sessions work.
    pub workdirs: Workdirs,
    /// How long the engine stays when it has no session; `None` is for ever.
    pub idle_end: Option<Duration>,
}

impl EngineOptions {
    /// An engine for one process: any port of 127.0.0.1, a new key pair, no end of its own.
    pub fn new(workdirs: Workdirs) -> Self {
        EngineOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keypair: Keypair::random(),
            workdirs,
            idle_end: None,
        }
    }
}

/// Why an engine could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The address could be reached from other machines.
    #[error(
        "the engine does not listen on {0}: it runs code for whoever reaches it, so only loopback addresses such as 127.0.0.1 are taken"
    )]
    NotLoopback(SocketAddr),
    /// The system did not let us listen.
    #[error(
        "the engine cannot listen on {address}: {source}; choose another port, or 0 to let the system choose"
    )]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// What handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) keypair: Keypair,
    pub(super) sessions: Sessions,
    /// Turns for starting kernels.
    pub(super) starts: Semaphore,
    /// Cancelled when the engine ends.
    pub(super) stop: CancellationToken,
    /// Tells this engine from others that had its port.
    pub(super) instance: String,
    pub(super) workdirs: Workdirs,
    /// Images that were found to be startable here; the search costs tens of milliseconds.
    known_images: Mutex<HashSet<String>>,
}

impl Shared {
    /// Whether an image was found before.
    pub(super) fn knows_image(&self, image: &str) -> bool {
        self.known_images.lock().unwrap_or_else(PoisonError::into_inner).contains(image)
    }

    /// Remembers an image that was found.
    pub(super) fn learn_image(&self, image: &str) {
        self.known_images.lock().unwrap_or_else(PoisonError::into_inner).insert(image.to_owned());
    }

    /// The folder of a new session, and whether it is its own.
    pub(super) fn workdir_for(&self, id: &str) -> (PathBuf, bool) {
        match &self.workdirs {
            Workdirs::Shared(folder) => (folder.clone(), false),
            Workdirs::Own(root) => (root.join(id), true),
        }
    }
}

/// A running engine. Dropping it ends it, too, without waiting for that.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
    /// The removal of what an earlier engine left behind.
    cleaning: Option<JoinHandle<()>>,
    /// Held so that another engine does not take our sessions' folders for such.
    _claim: Option<Claim>,
}

impl Engine {
    /// Starts to listen. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the address is no loopback address, or the system does not let us listen there.
    pub async fn start(options: EngineOptions) -> Result<Engine, EngineError> {
        if !options.listen.ip().is_loopback() {
            return Err(EngineError::NotLoopback(options.listen));
        }
        let listen_error = |source| EngineError::Listen { address: options.listen, source };
        let listener = listen(options.listen).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let at_once = std::thread::available_parallelism().map_or(4, |n| n.get() * 2);
        let mut claim = claim(&options.workdirs).await;
        let cleaning = claim.as_mut().map(|claim| {
            let folders = std::mem::take(&mut claim.leftover);
            tokio::task::spawn_blocking(move || leftover::remove(&folders))
        });
        let shared = Arc::new(Shared {
            sessions: Sessions::new(options.keypair.access_key()),
            keypair: options.keypair,
            starts: Semaphore::new(at_once),
            stop: CancellationToken::new(),
            instance: uuid::Uuid::new_v4().to_string(),
            workdirs: options.workdirs,
            known_images: Mutex::default(),
        });
        if let Some(idle) = options.idle_end {
            tokio::spawn(end_when_idle(shared.clone(), idle));
        }
        let router = routes::router(&shared);
        // Small frames must not wait for the acknowledgement of earlier ones.
        let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
        let stop = shared.stop.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            // Only the listener's own failure could end this early, and axum retries those.
            let _ = axum::serve(listener, router).with_graceful_shutdown(stop).await;
        });
        tracing::info!(%address, "engine listens");
        Ok(Engine { shared, address, server: Some(server), cleaning, _claim: claim })
    }

    /// The URL that clients are given, such as `http://127.0.0.1:41234`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key pair that clients sign with.
    pub fn keypair(&self) -> &Keypair {
        &self.shared.keypair
    }

    /// A word that only this engine says in its hello, for knowing it again.
    pub fn instance(&self) -> &str {
        &self.shared.instance
    }

    /// What handlers see, for tests that look inside.
    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How many sessions have a kernel or are getting one.
    pub fn session_count(&self) -> usize {
        *self.shared.sessions.alive().borrow()
    }

    /// Waits until the engine ends: because it was idle for as long as its options say.
    pub async fn ended(&self) {
        self.shared.stop.cancelled().await;
    }

    /// Ends all sessions, waits until their processes are gone, and closes all connections.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        if let Some(cleaning) = self.cleaning.take() {
            let _ = tokio::time::timeout(GOODBYE, cleaning).await;
        }
        let mut alive = self.shared.sessions.alive();
        // An actor that hangs must not hang us; its kernel dies with its handle.
        let _ = tokio::time::timeout(GOODBYE, alive.wait_for(|count| *count == 0)).await;
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(GOODBYE, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

/// Takes over the folder of the sessions' own folders. An engine works without that, too: it removes nothing then.
async fn claim(workdirs: &Workdirs) -> Option<Claim> {
    let Workdirs::Own(root) = workdirs else { return None };
    let folder = root.clone();
    match tokio::task::spawn_blocking(move || leftover::claim(&folder)).await.ok()? {
        Ok(claim) => claim,
        Err(error) => {
            tracing::warn!(folder = %root.display(), %error, "the folder of sessions cannot be taken over");
            None
        }
    }
}

/// Connections inherit the listener's buffer size.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// Ends the engine once it has had no session for `idle`.
pub(super) async fn end_when_idle(shared: Arc<Shared>, idle: Duration) {
    let mut alive = shared.sessions.alive();
    loop {
        if alive.wait_for(|count| *count == 0).await.is_err() {
            return;
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(idle) => break,
            _ = alive.changed() => {}
        }
    }
    tracing::info!("engine ends: no session for {} s", idle.as_secs());
    shared.stop.cancel();
}
