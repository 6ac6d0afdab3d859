//! `bai-repl rm`: destroys sessions.

use super::{event, find_to_destroy, for_each};
use crate::cli::args::Rm;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::server::Server;
use crate::cli::table;
use bai_client::DestroyOptions;

/// Destroys the sessions.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Rm) -> Result<ExitStatus, CliError> {
    let server = Server::find(context).await?;
    for_each(&flags.sessions, async |name| destroy(&server, name, context, flags).await).await
}

async fn destroy(server: &Server, name: &str, context: &CommandContext, flags: &Rm) -> Result<(), CliError> {
    let session = find_to_destroy(context, server, name).await?;
    session.destroy(DestroyOptions { forced: flags.force, recursive: flags.recursive }).await?;
    table::report(context, &event("destroyed", &session), &format!("session {} is destroyed", session.name()))
}
