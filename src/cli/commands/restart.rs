//! `bai-repl restart`: a fresh interpreter in a session.

use super::event;
use crate::cli::args::Restart;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::progress::OpeningProgress;
use crate::cli::table::tell;
use bai_client::{ComputeSession, ErrorKind};

/// Restarts it, and returns when it takes code again.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Restart) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &flags.subject).await?;
    match session.restart().await {
        Ok(()) => {
            tell(
                context,
                &event("restarted", &session),
                &format!("session {} is restarted", session.name()),
            )?;
        }
        Err(error) if error.kind() == ErrorKind::Unsupported && flags.recreate => {
            let session = recreate(context, &session).await?;
            let sentence = format!("session {} is a new one like the old", session.name());
            tell(context, &event("recreated", &session), &sentence)?;
        }
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return Err(CliError::new(ExitStatus::Refused, error)
                .hint("--recreate destroys it and creates one like it; its variables and files are lost"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitStatus::Ok)
}

async fn recreate(context: &CommandContext, session: &ComputeSession) -> Result<ComputeSession, CliError> {
    let request = session.blueprint().await?;
    let opening = OpeningProgress::start(context, session.name());
    let (session, _) = session.recreate(request, |status| opening.tell(status)).await?;
    Ok(session)
}
