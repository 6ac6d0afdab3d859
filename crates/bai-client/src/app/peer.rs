//! Whose program is at the other end of a local connection: the user who owns the peer's socket. Linux tells it in
//! `/proc/net/tcp`. What a connection carries is checked elsewhere.

use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// The user of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The user of this program.
    Own,
    /// Another user.
    Other(u32),
    /// The system does not tell: the peer has closed its socket, or it is on another machine.
    Unknown,
}

/// Finds the user of the peer. On systems other than Linux every peer counts as our own.
///
/// # Errors
/// The table of connections cannot be read.
pub(super) async fn of(socket: &TcpStream) -> io::Result<Peer> {
    let (Ok(ours), Ok(theirs)) = (socket.local_addr(), socket.peer_addr()) else { return Ok(Peer::Unknown) };
    let found =
        tokio::task::spawn_blocking(move || owner(ours, theirs)).await.map_err(io::Error::other)??;
    // While the connection holds, no other program can have had its address when the table was read.
    Ok(if socket.peer_addr().is_ok() { found } else { Peer::Unknown })
}

#[cfg(target_os = "linux")]
fn owner(ours: SocketAddr, theirs: SocketAddr) -> io::Result<Peer> {
    let same = |one: SocketAddr, other: SocketAddr| {
        one.ip().to_canonical() == other.ip().to_canonical() && one.port() == other.port()
    };
    // A socket of IPv6 may be connected to an address of IPv4. A machine without IPv6 has only the first table.
    let sockets = procfs::net::tcp().map_err(io::Error::other)?;
    let sockets = sockets.into_iter().chain(procfs::net::tcp6().unwrap_or_default());
    // A socket that its program has closed belongs to nobody; the table then shows root, and no inode.
    let found = sockets.into_iter().find(|socket| {
        socket.inode != 0 && same(socket.local_address, theirs) && same(socket.remote_address, ours)
    });
    Ok(match found {
        Some(socket) if socket.uid == nix::unistd::geteuid().as_raw() => Peer::Own,
        Some(socket) => Peer::Other(socket.uid),
        None => Peer::Unknown,
    })
}

#[cfg(not(target_os = "linux"))]
fn owner(_ours: SocketAddr, _theirs: SocketAddr) -> io::Result<Peer> {
    Ok(Peer::Own)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use tokio::net::TcpListener;

    /// Accepts a connection of a program that runs Python code after it is connected.
    async fn connected(mut program: Command, host: &str, code: &str) -> (TcpStream, std::process::Child) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let code = format!("import socket,sys\ns = socket.create_connection(({host:?}, {port}))\n{code}");
        let child = program.args(["-c", &code]).current_dir("/").stdin(Stdio::piped()).spawn().unwrap();
        (listener.accept().await.unwrap().0, child)
    }

    fn end(mut child: std::process::Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn the_own_user_is_recognised() {
        for host in ["127.0.0.1", "::ffff:127.0.0.1"] {
            let (socket, child) = connected(Command::new("python3"), host, "sys.stdin.read()").await;
            assert_eq!(of(&socket).await.unwrap(), Peer::Own, "{host}");
            end(child);
        }
    }

    #[tokio::test]
    async fn another_user_is_recognised() {
        let Some(mut program) = bai_testkit::as_another_user("env") else { return };
        program.args(["PATH=/usr/bin:/bin", "python3"]);
        let (socket, child) = connected(program, "127.0.0.1", "sys.stdin.read()").await;
        assert_eq!(of(&socket).await.unwrap(), Peer::Other(65534));
        end(child);
    }

    /// The system counts a closed socket as one of root.
    #[tokio::test]
    async fn a_peer_that_has_closed_its_socket_is_not_the_own_user() {
        let (socket, mut child) =
            connected(Command::new("python3"), "127.0.0.1", "s.sendall(b'x'); s.close()").await;
        tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert_eq!(of(&socket).await.unwrap(), Peer::Unknown);
        let reset = "import struct\n\
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()";
        let (socket, mut child) = connected(Command::new("python3"), "127.0.0.1", reset).await;
        tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert_eq!(of(&socket).await.unwrap(), Peer::Unknown);
    }
}
