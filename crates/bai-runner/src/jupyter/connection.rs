//! The sockets of a Jupyter kernel, and the tasks that carry messages. This module does not know what the messages mean.

use super::messages::KernelMessage;
use crate::port_owner;
use jupyter_protocol::{ConnectionInfo, JupyterMessage, JupyterMessageContent, connection_info::Transport};
use jupyter_zmq_client::{
    ClientShellConnection, Connection, RawMessage, RuntimeError, create_client_control_connection,
    create_client_iopub_connection, create_client_shell_connection_with_identity,
    create_client_stdin_connection_with_identity, peer_identity_for_session,
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How many output messages wait here. Further ones wait in the kernel, which keeps some and drops the rest.
const OUTPUT: usize = 4096;
/// How many other messages wait. Each of them answers a request.
const ANSWERS: usize = 256;
const REQUESTS: usize = 64;
/// How soon a broken connection is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// A connection to a kernel. It ends when this is dropped.
pub(super) struct Sockets {
    /// Requests that the kernel answers in order.
    pub(super) shell: mpsc::Sender<JupyterMessage>,
    /// Requests that the kernel answers at once.
    pub(super) control: mpsc::Sender<JupyterMessage>,
    /// Lines for the kernel that asked for one.
    pub(super) stdin: mpsc::Sender<JupyterMessage>,
    /// Messages to all clients: output and status.
    pub(super) output: mpsc::Receiver<KernelMessage>,
    /// Replies, and questions for lines.
    pub(super) answers: mpsc::Receiver<KernelMessage>,
    _tasks: JoinSet<()>,
}

impl Sockets {
    /// Connects. Waits without limit until the kernel listens, and no program of another user in its place.
    pub(super) async fn connect(info: &ConnectionInfo) -> Result<Self, RuntimeError> {
        let session = uuid::Uuid::new_v4().to_string();
        let identity = peer_identity_for_session(&session)?;
        let output = || create_client_iopub_connection(info, "", &session);
        let output = until_made(info, info.iopub_port, output).await?;
        let control = || create_client_control_connection(info, &session);
        let control = until_made(info, info.control_port, control).await?;
        let stdin = || create_client_stdin_connection_with_identity(info, &session, identity.clone());
        let stdin = until_made(info, info.stdin_port, stdin).await?;
        let shell = || create_client_shell_connection_with_identity(info, &session, identity.clone());
        let shell = until_made(info, info.shell_port, shell).await?;
        let mut tasks = JoinSet::new();
        let (output_in, output_out) = mpsc::channel(OUTPUT);
        let (answers_in, answers_out) = mpsc::channel(ANSWERS);
        tasks.spawn(read(output, output_in));
        let mut both_ways = |socket: ClientShellConnection| {
            let (sender, receiver) = socket.split();
            let (requests, waiting) = mpsc::channel(REQUESTS);
            tasks.spawn(write(sender, waiting));
            tasks.spawn(read(receiver, answers_in.clone()));
            requests
        };
        let (shell, control, stdin) = (both_ways(shell), both_ways(control), both_ways(stdin));
        Ok(Sockets { shell, control, stdin, output: output_out, answers: answers_out, _tasks: tasks })
    }
}

/// Sends a request. Returns its id, which the reply names.
pub(super) fn post(to: &mpsc::Sender<JupyterMessage>, content: JupyterMessageContent) -> String {
    let message = JupyterMessage::new(content, None);
    let id = message.header.msg_id.clone();
    send(to, message);
    id
}

/// Sends a message.
pub(super) fn send(to: &mpsc::Sender<JupyterMessage>, message: JupyterMessage) {
    // Only a dead kernel leaves so many requests waiting.
    if let Err(error) = to.try_send(message) {
        tracing::warn!(%error, "a Jupyter kernel accepts no requests");
    }
}

/// Connects to one socket, and tries again when the connection breaks at once: then the peer was not the kernel. A process that
/// was forked from ours just before the ports were freed holds them for a moment. While a program of another user has the
/// port, no connection is made; a kernel ends when it cannot have its port.
async fn until_made<T, F>(info: &ConnectionInfo, port: u16, make: impl Fn() -> F) -> Result<T, RuntimeError>
where
    F: Future<Output = Result<T, RuntimeError>>,
{
    loop {
        // No other user can enter the folder of Unix sockets.
        if info.transport == Transport::TCP
            && let Err(error) = port_owner::check(port).await
        {
            tracing::debug!(%error, port, "no kernel listens there yet");
            tokio::time::sleep(TRY_AGAIN).await;
            continue;
        }
        match make().await {
            Err(error @ RuntimeError::ZmqError(_)) => {
                tracing::debug!(%error, "a connection to a Jupyter kernel is tried again");
                tokio::time::sleep(TRY_AGAIN).await;
            }
            made => return made,
        }
    }
}

async fn read<S: zeromq::SocketRecv>(mut from: Connection<S>, to: mpsc::Sender<KernelMessage>) {
    loop {
        let received = match from.socket.recv().await {
            Ok(received) => RawMessage::from_multipart(received, &from.mac),
            Err(error) => return tracing::warn!(%error, "a connection to a Jupyter kernel is lost"),
        };
        match received.map(|message| KernelMessage::read(&message.jparts)) {
            Ok(Some(message)) => {
                if to.send(message).await.is_err() {
                    return;
                }
            }
            Ok(None) => tracing::warn!("a message of a Jupyter kernel is malformed"),
            Err(error) => tracing::warn!(%error, "a message of a Jupyter kernel is refused"),
        }
    }
}

async fn write<S: zeromq::SocketSend>(mut to: Connection<S>, mut waiting: mpsc::Receiver<JupyterMessage>) {
    while let Some(message) = waiting.recv().await {
        if let Err(error) = to.send(message).await {
            tracing::warn!(%error, "a message could not be sent to a Jupyter kernel");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection_file::ConnectionFile;
    use super::*;
    use std::io::{self, BufRead};
    use std::process::Stdio;
    use tokio::net::TcpListener;
    use zeromq::{PubSocket, RouterSocket, Socket};

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_process_that_has_only_inherited_a_port_is_not_the_kernel() {
        let mut connection_file = ConnectionFile::with_ports("test").await.unwrap();
        let listeners = connection_file.give_up_ports();
        let info = connection_file.info().clone();
        let kernel = async {
            let is_output =
                |listener: &&TcpListener| listener.local_addr().unwrap().port() == info.iopub_port;
            let (stranger, _) = listeners.iter().find(is_output).unwrap().accept().await.unwrap();
            stranger.set_zero_linger().unwrap();
            drop((stranger, listeners));
            let mut output = PubSocket::new();
            output.bind(&format!("tcp://127.0.0.1:{}", info.iopub_port)).await.unwrap();
            let mut others = Vec::new();
            for port in [info.control_port, info.stdin_port, info.shell_port] {
                let mut socket = RouterSocket::new();
                socket.bind(&format!("tcp://127.0.0.1:{port}")).await.unwrap();
                others.push(socket);
            }
            (output, others)
        };
        let both = async { tokio::join!(Sockets::connect(connection_file.info()), kernel) };
        let (connected, _kernel) = tokio::time::timeout(LIMIT, both).await.unwrap();
        assert!(connected.is_ok(), "{:?}", connected.err());
    }

    #[tokio::test]
    async fn a_port_of_another_user_is_not_connected_to() {
        let Some(mut squatter) = bai_testkit::as_another_user("env") else { return };
        let mut connection_file = ConnectionFile::with_ports("test").await.unwrap();
        drop(connection_file.give_up_ports());
        let code = "import socket,sys\ns = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
            print('listens', flush=True)\ns.settimeout(1)\n\
            try: s.accept(); print('connected')\nexcept TimeoutError: print('quiet')";
        let port = connection_file.info().iopub_port.to_string();
        squatter.args(["PATH=/usr/bin:/bin", "python3", "-c", code, &port]).current_dir("/");
        let mut squatter = squatter.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = io::BufReader::new(squatter.stdout.take().unwrap()).lines();
        assert_eq!(said.next().unwrap().unwrap(), "listens");
        let heard = tokio::task::spawn_blocking(move || said.next().unwrap().unwrap());
        tokio::select! {
            _ = Sockets::connect(connection_file.info()) => panic!("there is no kernel"),
            heard = heard => assert_eq!(heard.unwrap(), "quiet"),
        }
        squatter.wait().unwrap();
    }
}
