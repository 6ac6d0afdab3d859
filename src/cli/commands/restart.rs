//! `bai-repl restart`: a fresh interpreter in a session.

use super::event;
use crate::cli::args::{Global, Restart};
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::progress::OpeningProgress;
use crate::cli::table::tell;
use crate::config::FileConfig;
use bai_client::{ComputeSession, ErrorKind};

/// Restarts it, and returns when it takes code again.
pub(in crate::cli) async fn run(
    global: &Global,
    config: &FileConfig,
    flags: &Restart,
) -> Result<ExitStatus, CliError> {
    let (_place, session) = super::session(global, config, &flags.subject).await?;
    match session.restart().await {
        Ok(()) => {
            tell(global, &event("restarted", &session), &format!("session {} is restarted", session.name()))?;
        }
        Err(error) if error.kind() == ErrorKind::Unsupported && flags.recreate => {
            let session = recreate(global, &session).await?;
            let sentence = format!("session {} is a new one like the old", session.name());
            tell(global, &event("recreated", &session), &sentence)?;
        }
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return Err(CliError::new(ExitStatus::Refused, error)
                .hint("--recreate destroys it and creates one like it; its variables and files are lost"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitStatus::Ok)
}

async fn recreate(global: &Global, session: &ComputeSession) -> Result<ComputeSession, CliError> {
    let request = session.blueprint().await?;
    let opening = OpeningProgress::start(global, session.name());
    let (session, _) = session.recreate(request, |status| opening.tell(status)).await?;
    Ok(session)
}
