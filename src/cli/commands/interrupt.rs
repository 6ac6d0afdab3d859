//! `bai-repl interrupt`: Ctrl-C from another terminal.

use super::event;
use crate::cli::args::Subject;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table;

/// Interrupts the session. Servers do not report whether a program runs in it.
pub(in crate::cli) async fn run(context: &CommandContext, subject: &Subject) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    session.interrupt().await?;
    let sentence = format!("session {} is interrupted", session.name());
    table::report(context, &event("interrupted", &session), &sentence)?;
    Ok(ExitStatus::Ok)
}
