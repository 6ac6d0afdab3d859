//! `bai-repl rm`: destroys sessions, and returns when they have ended.

use super::ssh::forget_key;
use super::{event, find_to_destroy, for_each};
use crate::cli::args::Rm;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::progress::OpeningProgress;
use crate::cli::server::Server;
use crate::cli::table;
use bai_client::{ComputeSession, DestroyOptions};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Destroys the sessions. All of them begin to end before the end of the first one is awaited.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Rm) -> Result<ExitStatus, CliError> {
    let server = Server::find(context).await?;
    let ending = Mutex::new(HashMap::new());
    let begun = for_each(&flags.sessions, async |name| {
        let session = find_to_destroy(context, &server, name).await?;
        session.destroy(DestroyOptions { forced: flags.force, recursive: flags.recursive }).await?;
        ending.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), session);
        Ok(())
    })
    .await?;
    let ended = for_each(&flags.sessions, async |name| {
        let session = ending.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        match session {
            Some(session) => follow(&session, context).await,
            None => Ok(()),
        }
    })
    .await?;
    Ok(if begun == ExitStatus::Ok { ended } else { begun })
}

async fn follow(session: &ComputeSession, context: &CommandContext) -> Result<(), CliError> {
    let progress = OpeningProgress::start(context, session.api(), session.name());
    session.wait_until_ended(|status| progress.report(status)).await?;
    drop(progress);
    forget_key(context, session);
    table::report(context, &event("destroyed", session), &format!("session {} is destroyed", session.name()))
}
