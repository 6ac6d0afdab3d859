//! `bai-repl rm`: destroys sessions, and returns when they have ended.

use super::ssh::forget_key;
use super::{event, event_with, find_to_destroy, for_each};
use crate::cli::args::Rm;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::progress::OpeningProgress;
use crate::cli::server::Server;
use crate::cli::table;
use crate::format;
use bai_client::{ComputeSession, DestroyOptions, LiveStat};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Destroys the sessions. All of them begin to end before the end of the first one is awaited.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Rm) -> Result<ExitStatus, CliError> {
    let server = Server::find(context).await?;
    let ending = Mutex::new(HashMap::new());
    let begun = for_each(&flags.sessions, async |name| {
        let session = find_to_destroy(context, &server, name).await?;
        // The server forgets it with the session.
        let usage = match flags.stats {
            true => session.live_stat().await.ok(),
            false => None,
        };
        session.destroy(DestroyOptions { forced: flags.force, recursive: flags.recursive }).await?;
        ending.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), (session, usage));
        Ok(())
    })
    .await?;
    let ended = for_each(&flags.sessions, async |name| {
        let session = ending.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        match session {
            Some((session, usage)) => follow(&session, usage, context).await,
            None => Ok(()),
        }
    })
    .await?;
    Ok(if begun == ExitStatus::Ok { ended } else { begun })
}

async fn follow(
    session: &ComputeSession,
    usage: Option<LiveStat>,
    context: &CommandContext,
) -> Result<(), CliError> {
    let progress = OpeningProgress::start(context, session.api(), session.name());
    session.wait_until_ended(|status| progress.report(status)).await?;
    drop(progress);
    forget_key(context, session);
    let mut sentence = format!("session {} is destroyed", session.name());
    let mut destroyed = event("destroyed", session);
    if let Some(usage) = usage {
        sentence.push_str(&match format::usage(&usage) {
            Some(used) => format!("; it used {used}"),
            None => "; the server does not tell what it used".to_owned(),
        });
        destroyed = event_with("destroyed", session, [("liveStat", json!(usage))]);
    }
    table::report(context, &destroyed, &sentence)
}
