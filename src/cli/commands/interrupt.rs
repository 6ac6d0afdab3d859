//! `bai-repl interrupt`: Ctrl-C from another terminal.

use super::event;
use crate::cli::args::{Global, Subject};
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table::tell;
use crate::config::FileConfig;

/// Asks what runs in it to stop. Servers do not tell whether anything runs.
pub(in crate::cli) async fn run(
    global: &Global,
    config: &FileConfig,
    subject: &Subject,
) -> Result<ExitStatus, CliError> {
    let (_place, session) = super::session(global, config, subject).await?;
    session.interrupt().await?;
    let sentence = format!("what runs in session {} is asked to stop", session.name());
    tell(global, &event("interrupted", &session), &sentence)?;
    Ok(ExitStatus::Ok)
}
