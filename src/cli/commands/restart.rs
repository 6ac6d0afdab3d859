//! `bai-repl restart`: a fresh interpreter in a session.

use super::event;
use crate::cli::args::{Global, Subject};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::table::tell;
use crate::config::FileConfig;

/// Restarts it, and returns when it takes code again.
pub(in crate::cli) async fn run(
    global: &Global,
    config: &FileConfig,
    subject: &Subject,
) -> Result<Exit, Failure> {
    let (_place, session) = super::session(global, config, subject).await?;
    session.restart().await?;
    tell(global, &event("restarted", &session), &format!("session {} is restarted", session.name()))?;
    Ok(Exit::Ok)
}
