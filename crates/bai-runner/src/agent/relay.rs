//! The door of a ZeroMQ socket: a TCP port whose bytes go to a Unix socket of the library, as far as [`FrameLimit`] lets
//! them pass.

use super::frame_limit::FrameLimit;
use bai_private::TemporaryFolder;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;

/// The name of the library's socket.
const SOCKET: &str = "zmq.sock";
/// The longest path of a Unix socket, in bytes: `sun_path` has 108 with a final NUL, 104 on some systems.
const LONGEST_PATH: usize = 103;
/// How much is read at once, in bytes.
const PIECE: usize = 64 << 10;
/// How long to wait when the system has no room for a connection.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Passes connections on until it is dropped.
#[derive(Debug)]
pub(super) struct Relay {
    _task: JoinSet<()>,
    _folder: TemporaryFolder,
}

/// A place where the library can listen, in a folder of its own.
pub(super) fn inner_socket() -> io::Result<(TemporaryFolder, PathBuf)> {
    let mut folder = TemporaryFolder::new()?;
    if folder.path().join(SOCKET).as_os_str().len() > LONGEST_PATH {
        folder = TemporaryFolder::with_short_path()?;
    }
    let path = folder.path().join(SOCKET);
    Ok((folder, path))
}

impl Relay {
    /// Listens at `address`, and passes on to the socket `inner` in `folder`. Also returns the address with its port.
    pub(super) async fn start(
        address: SocketAddr,
        folder: TemporaryFolder,
        inner: PathBuf,
    ) -> io::Result<(Relay, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut task = JoinSet::new();
        task.spawn(serve(listener, inner));
        Ok((Relay { _task: task, _folder: folder }, address))
    }
}

async fn serve(listener: TcpListener, inner: PathBuf) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((peer, _)) => drop(connections.spawn(pass(peer, inner.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            },
        }
    }
}

/// Passes one connection on until either side closes it.
async fn pass(peer: TcpStream, inner: PathBuf) {
    if let Err(error) = pass_all(peer, &inner).await {
        tracing::warn!(%error, "the connection of a peer has ended");
    }
}

async fn pass_all(peer: TcpStream, inner: &Path) -> io::Result<()> {
    peer.set_nodelay(true)?;
    let (mut from_peer, mut to_peer) = peer.into_split();
    let (mut from_library, mut to_library) = UnixStream::connect(inner).await?.into_split();
    tokio::select! {
        ended = limited(&mut from_peer, &mut to_library) => ended,
        ended = tokio::io::copy(&mut from_library, &mut to_peer) => ended.map(drop),
    }
}

async fn limited(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let (mut limit, mut buffer) = (FrameLimit::new(), vec![0; PIECE]);
    loop {
        let count = from.read(&mut buffer).await?;
        let piece = buffer.get(..count).unwrap_or_default();
        let accepted = limit.accepted(piece);
        to.write_all(piece.get(..accepted).unwrap_or_default()).await?;
        if accepted < count {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it has announced a message that is too long",
            ));
        }
        if count == 0 {
            return Ok(());
        }
    }
}
