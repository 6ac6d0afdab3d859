//! `bai-repl sessions`: shows the live sessions full screen.

use crate::cli::args::OpenFlags;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::server::Server;
use crate::cli::{display, prompt};
use crate::terminal::Screen;
use tokio::runtime::Runtime;

/// Shows the sessions until the user leaves, or attaches to one.
pub(in crate::cli) fn run(
    runtime: &Runtime,
    open: &OpenFlags,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let screen = Screen::detect();
    if screen.dumb || !screen.interactive() {
        return Err(CliError::new(ExitStatus::Usage, "sessions needs a terminal")
            .hint("bai-repl ls lists the sessions"));
    }
    let appearance = display::for_views(context)?;
    let server = runtime.block_on(Server::find(context))?;
    let chosen = crate::panes::show_sessions(runtime.handle(), &server.api, &appearance, false)
        .map_err(|error| CliError::new(ExitStatus::Failed, format!("cannot use the terminal: {error}")))?;
    runtime.block_on(server.close());
    match chosen {
        Some(session) => prompt::attach(runtime, &session, false, open, context),
        None => Ok(ExitStatus::Ok),
    }
}
