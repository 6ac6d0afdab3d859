//! Whose program listens at a port of this machine. Any user may take a port that is free, and would then receive what is
//! meant for a program of the session.

use bai_private::tcp;
use std::io;
use std::net::Ipv4Addr;
use tokio::net::TcpStream;

/// Connects to a port of 127.0.0.1 at which a program of this user listens, or one of root. On systems other than Linux
/// every program counts as one of this user.
///
/// # Errors
/// `ConnectionRefused` when no program listens; `PermissionDenied` when one of another user does; others as the system
/// reports them.
pub(crate) async fn connect(port: u16) -> io::Result<TcpStream> {
    check(port).await?;
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    // Another user may have taken the port in between.
    check(port).await?;
    Ok(socket)
}

/// Checks that a program of this user, or one of root, listens at a port of 127.0.0.1.
///
/// # Errors
/// As for [`connect`].
pub(crate) async fn check(port: u16) -> io::Result<()> {
    tokio::task::spawn_blocking(move || check_owner(port)).await.map_err(io::Error::other)?
}

fn check_owner(port: u16) -> io::Result<()> {
    let user = tcp::user_of_listener((Ipv4Addr::LOCALHOST, port).into())?;
    match user.ok_or(io::ErrorKind::ConnectionRefused)? {
        0 => Ok(()),
        user if bai_private::is_own_user(user) => Ok(()),
        user => {
            let why = format!("the port {port} belongs to another user, uid {user}");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    #[tokio::test]
    async fn only_the_own_listener_is_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(connect(port).await.is_ok());
        drop(listener);
        assert_eq!(connect(port).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn the_listener_of_another_user_is_not_connected_to() {
        for host in ["127.0.0.1", "0.0.0.0"] {
            let code = format!(
                "import socket,sys\ns = socket.create_server(({host:?}, 0))\nprint(s.getsockname()[1], flush=True)\n\
                 sys.stdin.read()"
            );
            let Some(mut command) = bai_testkit::as_another_user("env") else { return };
            command.args(["PATH=/usr/bin:/bin", "python3", "-c", &code]).current_dir("/");
            let mut squatter = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(squatter.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let error = connect(line.trim().parse().unwrap()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains("another user, uid 65534"), "{error}");
            squatter.kill().unwrap();
            squatter.wait().unwrap();
        }
    }
}
