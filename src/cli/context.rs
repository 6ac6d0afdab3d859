//! The context of every command: the global flags, the configuration file, the environment, and where the command was typed. It is made once
//! and passed whole. Each setting is read by the code that uses it.

use super::args::GlobalFlags;
use super::display::script_window;
use crate::config::{Environment, FileConfig};
use crate::repl::FrontEnd;
use bai_client::{RunOptions, Transport};
use std::sync::Arc;

/// The context of a command.
#[derive(Debug, Clone, Default)]
pub(super) struct CommandContext {
    /// The global flags of the command line.
    pub(super) global: GlobalFlags,
    /// The configuration file.
    pub(super) config: FileConfig,
    /// The environment variables, and those of the `.env` file of the folder.
    pub(super) environment: Arc<Environment>,
    /// Where the command was typed.
    pub(super) front_end: FrontEnd,
}

impl CommandContext {
    /// How runs are sent to the server.
    pub(super) fn transport(&self) -> Transport {
        match self.global.transport.as_str() {
            "ws" => Transport::WebSocket,
            "poll" => Transport::Poll,
            _ => Transport::Auto,
        }
    }

    /// The options of a run without a prompt, in a session that lives on after it or not: its output keeps every byte, unless it becomes JSON, and may change in its place.
    pub(super) fn script_options(&self, keeps_session: bool) -> RunOptions {
        RunOptions {
            bytes: !self.global.json,
            live: true,
            keeps_session,
            ..RunOptions::over(self.transport())
        }
    }

    /// The same for a run whose output is shown at once in the terminal of standard output, if that is one.
    pub(super) fn shown_script_options(&self, keeps_session: bool) -> RunOptions {
        let window = script_window().filter(|_| !self.global.json);
        RunOptions { window, ..self.script_options(keeps_session) }
    }

    /// Whether the user allows the prelude in kernels.
    pub(super) fn wants_prelude(&self) -> bool {
        !self.global.no_prelude && self.config.prelude != Some(false)
    }
}
