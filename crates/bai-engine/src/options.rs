//! What an engine is started with.

use super::keypair::Keypair;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

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
