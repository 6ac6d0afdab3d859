//! Whose program is at the other end of a local connection: the user who owns the peer's socket. What a connection carries
//! is checked elsewhere.

use bai_private::tcp;
use std::io;
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
/// The system does not tell.
pub(super) async fn of(socket: &TcpStream) -> io::Result<Peer> {
    let (Ok(ours), Ok(theirs)) = (socket.local_addr(), socket.peer_addr()) else { return Ok(Peer::Unknown) };
    let user = tokio::task::spawn_blocking(move || tcp::user_of_peer(ours, theirs));
    let user = user.await.map_err(io::Error::other)??;
    // While the connection holds, no other program can have had its address when the system was asked.
    Ok(match user.filter(|_| socket.peer_addr().is_ok()) {
        Some(user) if bai_private::is_own_user(user) => Peer::Own,
        Some(user) => Peer::Other(user),
        None => Peer::Unknown,
    })
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
