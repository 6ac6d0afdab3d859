//! The places where an engine listens: a Unix socket that only its owner can reach, and a TCP address for other clients. Who
//! may connect is decided in `connections`.
//!
//! The file of a Unix socket can be removed or replaced while the engine listens, and no program reaches the engine any more. So
//! the engine watches it, and makes it again.

use super::folder_watch::FolderWatch;
use super::options::SocketFolder;
use super::server::EngineError;
use axum::serve::Listener;
use bai_private::TemporaryFolder;
use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

/// The name of a socket in a folder of its own.
const SOCKET: &str = "engine.sock";
/// The ending of a name in a folder with several sockets.
const ENDING: &str = ".sock";
/// The longest path of a Unix socket, in bytes: `sun_path` has 108 with a final NUL, 104 on some systems.
const LONGEST_PATH: usize = 103;
/// The size of a TCP socket's send buffer, in bytes. By default the system would hold several MiB. They would be lost with
/// the socket, and a reader would have to read them after an interrupt.
const SEND_BUFFER: u32 = 512 << 10;

/// The file of a Unix socket. It is removed with this value.
#[derive(Debug)]
pub(super) struct PrivateSocket {
    file: Arc<SocketFile>,
    /// The folder, if it was made for this socket only.
    _folder: Option<TemporaryFolder>,
}

impl PrivateSocket {
    /// Listens in a folder of which this process must be the owner. Must be called on a tokio runtime.
    pub(super) fn listen(folder: &SocketFolder) -> Result<(Self, PrivateListener), EngineError> {
        match folder {
            SocketFolder::At(folder) if fits(&folder.join(SOCKET)) => {
                prepare(folder).map_err(|source| EngineError::Socket { path: folder.clone(), source })?;
                Self::at(folder.join(SOCKET), None)
            }
            SocketFolder::Shared(folder) if fits(&folder.join(new_name())) && prepare(folder).is_ok() => {
                remove_dead(folder);
                Self::at(folder.join(new_name()), None)
            }
            // It needs no folder that outlives it, so one that cannot be trusted is no hindrance.
            _ => {
                let folder = temporary_folder().map_err(EngineError::TemporaryFolder)?;
                Self::at(folder.path().join(SOCKET), Some(folder))
            }
        }
    }

    /// Listens at `path`, and replaces the socket that an earlier engine left there.
    fn at(path: PathBuf, folder: Option<TemporaryFolder>) -> Result<(Self, PrivateListener), EngineError> {
        let watch = FolderWatch::of(path.parent().unwrap_or(&path));
        let file = Arc::new(SocketFile { path, made: Mutex::default() });
        match file.listen() {
            Ok(listener) => {
                let listener = PrivateListener { file: file.clone(), listener, watch };
                Ok((PrivateSocket { file, _folder: folder }, listener))
            }
            Err(source) => Err(EngineError::Socket { path: file.path.clone(), source }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        if self.file.is_ours() {
            // An error is ignored: the next engine replaces the socket.
            let _ = fs::remove_file(&self.file.path);
        }
    }
}

/// Listens at a Unix socket, and makes its file again when that is gone.
#[derive(Debug)]
pub(super) struct PrivateListener {
    file: Arc<SocketFile>,
    listener: UnixListener,
    watch: FolderWatch,
}

impl Listener for PrivateListener {
    type Io = UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                // A listener that is replaced has no connections that wait.
                biased;
                accepted = Listener::accept(&mut self.listener) => return accepted,
                () = self.watch.changed() => self.make_again(),
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl PrivateListener {
    /// Makes the file again if it is gone, or is another one at which no process listens.
    fn make_again(&mut self) {
        let is_free = || matches!(connect(&self.file.path), Err(Errno::ENOENT | Errno::ECONNREFUSED));
        if self.file.is_ours() || !is_free() {
            return;
        }
        match self.file.listen() {
            Ok(listener) => {
                tracing::warn!(socket = %self.file.path.display(), "the socket was removed, and is made again");
                self.listener = listener;
            }
            Err(error) => {
                tracing::warn!(socket = %self.file.path.display(), %error, "the socket was removed");
            }
        }
    }
}

/// The file of a Unix socket of this process.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode of the file that was made.
    made: Mutex<Option<(u64, u64)>>,
}

impl SocketFile {
    /// Makes the file, in place of another one, and its folder, and listens.
    fn listen(&self) -> io::Result<UnixListener> {
        if let Some(folder) = self.path.parent() {
            prepare(folder)?;
        }
        // A socket has its final name only once it listens.
        let unready = self.path.with_extension("new");
        match fs::remove_file(&unready) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&unready)?;
        fs::set_permissions(&unready, Permissions::from_mode(0o600))?;
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = identity(&unready);
        fs::rename(&unready, &self.path)?;
        Ok(listener)
    }

    /// Whether the file at the path is the one that was made.
    fn is_ours(&self) -> bool {
        let made = *self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.is_some() && identity(&self.path) == made
    }
}

/// Device and inode of a file; `None` if there is none. A socket keeps its inode as long as it is open.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Makes `folder` if it is missing, and closes it to other users.
///
/// # Errors
/// When it cannot be made, or belongs to another user.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    bai_private::create_folder(folder)?;
    bai_private::trust::check(&fs::metadata(folder)?).map_or(Ok(()), |distrust| Err(distrust.into()))
}

/// Whether a socket can have this path.
fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= LONGEST_PATH
}

/// A name among several sockets.
fn new_name() -> String {
    format!("{:08x}{ENDING}", fastrand::u32(..))
}

/// Removes the sockets on which no process listens. Errors are ignored: a socket that stays harms nobody.
fn remove_dead(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_socket = entry.file_name().to_string_lossy().ends_with(ENDING);
        if is_socket && matches!(connect(&entry.path()), Err(Errno::ECONNREFUSED)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Connects and disconnects. Does not wait for an engine that is slow: it answers EAGAIN then.
fn connect(path: &Path) -> nix::Result<()> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new(path)?)
}

/// A new folder for a socket. `/tmp` is the last resort, because the path in `TMPDIR` may be too long.
fn temporary_folder() -> io::Result<TemporaryFolder> {
    let folder = TemporaryFolder::new()?;
    if fits(&folder.path().join(SOCKET)) {
        return Ok(folder);
    }
    TemporaryFolder::with_short_path()
}

/// Listens at a loopback address, and returns the address with its port. Connections inherit the listener's buffer size.
pub(super) fn listen_tcp(address: SocketAddr) -> Result<(TcpListener, SocketAddr), EngineError> {
    if !address.ip().is_loopback() {
        return Err(EngineError::NotLoopback(address));
    }
    let listen = || {
        let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
        socket.set_reuseaddr(true)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(address)?;
        let listener = socket.listen(1024)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|source| EngineError::Listen { address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_closed_to_others_and_removed_at_the_end() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        fs::write(folder.join(SOCKET), "stale").unwrap();
        let (socket, _listener) = PrivateSocket::listen(&SocketFolder::At(folder.clone())).unwrap();
        assert_eq!((mode(&folder), mode(socket.path())), (0o700, 0o600));
        let path = socket.path().to_owned();
        assert_eq!(path, folder.join(SOCKET));
        drop(socket);
        assert!(!path.exists() && folder.exists());
    }

    #[tokio::test]
    async fn engines_share_a_folder_and_sockets_of_killed_ones_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let shared = SocketFolder::Shared(folder.path().to_owned());
        let (one, _listens) = PrivateSocket::listen(&shared).unwrap();
        let (killed, listener) = PrivateSocket::listen(&shared).unwrap();
        drop(listener);
        fs::write(folder.path().join("notes"), "").unwrap();
        let (other, _listens_too) = PrivateSocket::listen(&shared).unwrap();
        assert!(one.path().exists() && other.path().exists() && !killed.path().exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_used_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a file");
        fs::write(&file, "").unwrap();
        let (socket, _listener) = PrivateSocket::listen(&SocketFolder::Shared(file.join("x"))).unwrap();
        assert!(!socket.path().starts_with(&folder));
    }

    #[tokio::test]
    async fn a_path_that_is_too_long_is_replaced_by_a_temporary_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("long".repeat(30));
        let (socket, _listener) = PrivateSocket::listen(&SocketFolder::At(folder.clone())).unwrap();
        let made = socket.path().parent().unwrap().to_owned();
        assert!(!folder.exists());
        assert_eq!(mode(&made), 0o700);
        drop(socket);
        assert!(!made.exists());
    }

    #[tokio::test]
    async fn a_socket_that_was_removed_or_replaced_is_made_again() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("engine");
        let (socket, mut listener) = PrivateSocket::listen(&SocketFolder::At(folder.clone())).unwrap();
        let path = socket.path().to_owned();
        tokio::spawn(async move {
            loop {
                listener.accept().await;
            }
        });
        let again = || async {
            while connect(&path).is_err() {
                tokio::task::yield_now().await;
            }
            assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        };
        fs::remove_file(&path).unwrap();
        again().await;
        fs::remove_dir_all(&folder).unwrap();
        again().await;
        fs::write(folder.join("other"), "").unwrap();
        fs::rename(folder.join("other"), &path).unwrap();
        again().await;
        // Another engine listens there.
        let other = PrivateSocket::at(path.clone(), None).unwrap();
        drop(socket);
        assert!(path.exists() && connect(&path).is_ok());
        drop(other);
        assert!(!path.exists());
    }
}
