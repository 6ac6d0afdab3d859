//! The options of an engine.

use super::keypair::Keypair;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The folders of sessions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Workdirs {
    /// All sessions in this folder, which is the user's own. The engine neither creates nor removes files in it.
    /// Uploads and downloads are refused: they would copy a folder to itself.
    Shared(PathBuf),
    /// Each session in its own folder below this one. The folder is named by the session's id, and removed when the session
    /// is destroyed. If the session ends otherwise and there are files in it, the folder is kept, and the session is lost
    /// (`docs/wire` §13.7). While another engine uses this folder, no lost sessions are found.
    Own(PathBuf),
    /// As `Own`, in a folder that this process holds for itself: by a [`Claim`](crate::daemon::Claim::workdirs), or as a
    /// temporary folder.
    Claimed(PathBuf),
}

impl Workdirs {
    /// Whether sessions have no folders of their own.
    pub(super) fn are_shared(&self) -> bool {
        matches!(self, Workdirs::Shared(_))
    }
}

/// The folder of an engine's Unix socket. Only its owner can enter it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SocketFolder {
    /// This folder, for the only engine in it. The engine makes it if it is missing. A path that is too long for a socket's
    /// address is replaced by a temporary folder.
    At(PathBuf),
    /// This folder, for several engines. Sockets of engines that were killed are removed. A folder that cannot be used is
    /// replaced by a temporary one.
    Shared(PathBuf),
    /// A new folder among the temporary ones, which is removed with the engine.
    Temporary,
}

/// The options of an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The Unix socket for programs of the same user, if there is one.
    pub socket: Option<SocketFolder>,
    /// The TCP address for other clients, if there is one. Only loopback addresses are allowed. Port 0 lets the system
    /// choose.
    pub listen: Option<SocketAddr>,
    /// The key pair that clients must sign with.
    pub keypair: Keypair,
    /// The folders of sessions.
    pub workdirs: Workdirs,
    /// How long the engine stays without a session; `None` is for ever.
    pub idle_end: Option<Duration>,
}

impl EngineOptions {
    /// Options for an engine that any client can use: a free port of 127.0.0.1, no Unix socket, a new key pair, no idle
    /// end.
    pub fn on_loopback(workdirs: Workdirs) -> Self {
        let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        EngineOptions { socket: None, listen, keypair: Keypair::random(), workdirs, idle_end: None }
    }

    /// Options for an engine that only programs of the same user reach: a Unix socket, a new key pair, no idle end.
    pub fn private(socket: SocketFolder, workdirs: Workdirs) -> Self {
        EngineOptions {
            socket: Some(socket),
            listen: None,
            keypair: Keypair::random(),
            workdirs,
            idle_end: None,
        }
    }
}
