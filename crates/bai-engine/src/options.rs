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
    /// Each session in its own folder below this one. The folder is named by the session's id and removed with the
    /// session. Folders that a killed engine left behind are removed when the next engine starts.
    Own(PathBuf),
}

/// The options of an engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Where to listen. Only loopback addresses are allowed. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The key pair that clients must sign with.
    pub keypair: Keypair,
    /// The folders of sessions.
    pub workdirs: Workdirs,
    /// How long the engine stays without a session; `None` is for ever.
    pub idle_end: Option<Duration>,
}

impl EngineOptions {
    /// Options for an engine of one process: a free port of 127.0.0.1, a new key pair, no idle end.
    pub fn new(workdirs: Workdirs) -> Self {
        EngineOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keypair: Keypair::random(),
            workdirs,
            idle_end: None,
        }
    }
}
