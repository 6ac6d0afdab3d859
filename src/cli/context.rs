//! What every command is given: the flags that hold for all of them, and the configuration file. Made once, passed whole.
//! How a single setting is read stands with whoever uses it.

use super::args::Global;
use crate::config::FileConfig;
use bai_client::Transport;

/// The flags that hold for every command, and the configuration.
#[derive(Debug, Clone, Default)]
pub(super) struct CommandContext {
    /// From the command line.
    pub(super) global: Global,
    /// From the configuration file.
    pub(super) config: FileConfig,
}

impl CommandContext {
    /// How runs travel.
    pub(super) fn transport(&self) -> Transport {
        match self.global.transport.as_str() {
            "ws" => Transport::WebSocket,
            "poll" => Transport::Poll,
            _ => Transport::Auto,
        }
    }

    /// Whether the user lets kernels have the prelude.
    pub(super) fn wants_prelude(&self) -> bool {
        !self.global.no_prelude && self.config.prelude != Some(false)
    }
}
