//! The connection file: it tells a kernel where to listen, and with which key messages are signed.
//!
//! A kernel publishes its output to everybody who can connect. So it listens at Unix sockets in a folder of ours, if it
//! can; else at ports of 127.0.0.1.

use crate::free_ports;
use bai_private::TemporaryFolder;
use jupyter_protocol::{ConnectionInfo, connection_info::Transport};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

/// The longest path of a Unix socket that every system takes, in bytes.
const LONGEST_SOCKET: usize = 103;
/// What the names of the sockets begin with.
const SOCKETS: &str = "kernel";
/// The numbers of the sockets, in the order of [`ConnectionFile::ports`]. A kernel appends each to the name.
const NUMBERS: [u16; 5] = [1, 2, 3, 4, 5];

/// A connection file in a folder that only this user can enter. Both are removed when this is dropped.
pub(super) struct ConnectionFile {
    info: ConnectionInfo,
    file: PathBuf,
    _folder: TemporaryFolder,
    /// Reserve the ports until the kernel uses them.
    listeners: Vec<TcpListener>,
}

impl ConnectionFile {
    /// Asks for Unix sockets. `None` if the temporary folder has too long a path for them.
    pub(super) fn with_sockets(kernel: &str) -> io::Result<Option<Self>> {
        let folder = folder()?;
        let sockets = folder.path().join(SOCKETS);
        let longest = sockets.as_os_str().len() + "-1".len();
        let Some(sockets) = sockets.to_str().filter(|_| longest <= LONGEST_SOCKET) else { return Ok(None) };
        let info = info(kernel, Transport::IPC, sockets.to_owned(), NUMBERS);
        Self::write(folder, info, Vec::new()).map(Some)
    }

    /// Asks for ports that are free now.
    pub(super) async fn with_ports(kernel: &str) -> io::Result<Self> {
        let (mut ports, mut listeners) = ([0; 5], Vec::new());
        for port in &mut ports {
            let (free, listener) = free_ports::reserve().await?;
            *port = free;
            listeners.push(listener);
        }
        let info = info(kernel, Transport::TCP, Ipv4Addr::LOCALHOST.to_string(), ports);
        Self::write(folder()?, info, listeners)
    }

    fn write(folder: TemporaryFolder, info: ConnectionInfo, listeners: Vec<TcpListener>) -> io::Result<Self> {
        let file = folder.path().join("kernel.json");
        bai_private::replace_cache(&file, &Zeroizing::new(serde_json::to_vec(&info)?))?;
        Ok(ConnectionFile { info, file, _folder: folder, listeners })
    }

    /// The file that the kernel reads.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What is in the file.
    pub(super) fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The ports that the kernel must bind.
    pub(super) fn ports(&self) -> [u16; 5] {
        let info = &self.info;
        [info.shell_port, info.iopub_port, info.stdin_port, info.control_port, info.hb_port]
    }

    /// Frees the ports for the kernel, which has been started.
    pub(super) fn give_up_ports(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }
}

fn folder() -> io::Result<TemporaryFolder> {
    TemporaryFolder::new()
}

fn info(kernel: &str, transport: Transport, ip: String, ports: [u16; 5]) -> ConnectionInfo {
    let [shell_port, iopub_port, stdin_port, control_port, hb_port] = ports;
    ConnectionInfo {
        ip,
        transport,
        shell_port,
        iopub_port,
        stdin_port,
        control_port,
        hb_port,
        key: uuid::Uuid::new_v4().to_string(),
        signature_scheme: "hmac-sha256".to_owned(),
        kernel_name: Some(kernel.to_owned()),
    }
}
