//! `bai-repl sessions`: the sessions that live, full screen.

use crate::cli::args::{Global, Open};
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::server::Server;
use crate::cli::{display, prompt};
use crate::config::FileConfig;
use crate::terminal::Screen;
use tokio::runtime::Runtime;

/// Shows them until the person leaves, or goes to one.
pub(in crate::cli) fn run(
    runtime: &Runtime,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<ExitStatus, CliError> {
    let screen = Screen::detect();
    if screen.dumb || !screen.interactive() {
        return Err(CliError::new(
            ExitStatus::Usage,
            "the board of sessions needs a terminal that shows full screens",
        )
        .hint("bai-repl ls lists the sessions"));
    }
    let server = runtime.block_on(Server::find(global, config))?;
    let look = display::for_views(global, config)?;
    let chosen = crate::panes::show_sessions(runtime.handle(), &server.api, &look, false)
        .map_err(|error| CliError::new(ExitStatus::Failed, format!("cannot use the terminal: {error}")))?;
    runtime.block_on(server.close());
    match chosen {
        Some(session) => prompt::attach(runtime, session, open, global, config),
        None => Ok(ExitStatus::Ok),
    }
}
