//! `bai-repl restart`: restarts the interpreter of a session.

use super::{event, find_to_destroy};
use crate::cli::args::Restart;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::progress::OpeningProgress;
use crate::cli::server::Server;
use crate::cli::table;
use bai_client::{ComputeSession, ErrorKind};

/// Restarts the interpreter, and returns when the session can run code again.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Restart) -> Result<ExitStatus, CliError> {
    let server = Server::find(context).await?;
    let session = find_to_destroy(context, &server, &flags.session).await?;
    match session.restart().await {
        Ok(()) => {
            table::report(
                context,
                &event("restarted", &session),
                &format!("session {} is restarted", session.name()),
            )?;
        }
        Err(error) if error.kind() == ErrorKind::Unsupported && flags.recreate => {
            let session = recreate(context, &session).await?;
            let sentence = format!("session {} is replaced by a similar one", session.name());
            table::report(context, &event("recreated", &session), &sentence)?;
        }
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return Err(CliError::new(ExitStatus::Refused, error)
                .hint("--recreate destroys it and creates a similar one; its variables and files are lost"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitStatus::Ok)
}

async fn recreate(context: &CommandContext, session: &ComputeSession) -> Result<ComputeSession, CliError> {
    let request = session.blueprint().await?;
    let opening = OpeningProgress::start(context, session.api(), session.name());
    let (session, _) = session.recreate(request, |status| opening.report(status)).await?;
    Ok(session)
}
