//! `bai-repl rm`: the end of sessions.

use super::{event, find};
use crate::cli::args::{Global, Rm};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::place::Place;
use crate::cli::table::tell;
use crate::config::FileConfig;
use bai_client::DestroyOptions;

/// Destroys them. All are tried; the first failure decides the exit code.
pub(in crate::cli) async fn run(global: &Global, config: &FileConfig, flags: &Rm) -> Result<Exit, Failure> {
    let place = Place::find(global, config).await?;
    let mut exit = Exit::Ok;
    for name in &flags.sessions {
        if let Err(failure) = destroy(&place, name, global, flags).await {
            let failed = failure.tell();
            exit = if exit == Exit::Ok { failed } else { exit };
        }
    }
    Ok(exit)
}

async fn destroy(place: &Place, name: &str, global: &Global, flags: &Rm) -> Result<(), Failure> {
    let session = find(place, name).await?;
    session.destroy(DestroyOptions { forced: flags.force, recursive: flags.recursive }).await?;
    tell(global, &event("destroyed", &session), &format!("session {} is destroyed", session.name()))
}
