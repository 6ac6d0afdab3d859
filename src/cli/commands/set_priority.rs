//! `bai-repl set-priority`: changes the place of a session in the queue.

use super::event_with;
use crate::cli::args::SetPriority;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table;
use serde_json::json;

/// Changes it, and tells what the server has made of it.
pub(in crate::cli) async fn run(
    context: &CommandContext,
    flags: &SetPriority,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &flags.subject).await?;
    let priority = session.set_priority(flags.priority).await?;
    let changed = event_with("priority", &session, [("priority", json!(priority))]);
    table::report(context, &changed, &format!("session {} has the priority {priority}", session.name()))?;
    Ok(ExitStatus::Ok)
}
