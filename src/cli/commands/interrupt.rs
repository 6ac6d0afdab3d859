//! `bai-repl interrupt`: Ctrl-C from another terminal.

use super::event;
use crate::cli::args::Subject;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table::tell;

/// Asks what runs in it to stop. Servers do not tell whether anything runs.
pub(in crate::cli) async fn run(context: &CommandContext, subject: &Subject) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    session.interrupt().await?;
    let sentence = format!("what runs in session {} is asked to stop", session.name());
    tell(context, &event("interrupted", &session), &sentence)?;
    Ok(ExitStatus::Ok)
}
