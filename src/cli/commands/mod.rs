//! The commands about sessions, their files and images, each in its own file. This file has what several of them need: the
//! lookup of a session, and the event for programs.
//!
//! With `--json` a list prints an object for each row, whose keys are the columns. Times have the server's format, sizes are in
//! bytes. A command that changes something prints an object with the key `event` for each change.

pub(super) mod apps;
pub(super) mod commit;
pub(super) mod config;
pub(super) mod create;
pub(super) mod download;
pub(super) mod events;
pub(super) mod files;
pub(super) mod history;
pub(super) mod images;
pub(super) mod info;
pub(super) mod interrupt;
pub(super) mod logs;
pub(super) mod ls;
pub(super) mod rename;
pub(super) mod restart;
pub(super) mod rm;
pub(super) mod run;
pub(super) mod sessions;
pub(super) mod set_priority;
pub(super) mod ssh;
mod stdout_file;
pub(super) mod themes;
pub(super) mod transfer;
pub(super) mod tunnel;
pub(super) mod update;
pub(super) mod upload;
pub(super) mod vfolder;
pub(super) mod watch;
pub(super) mod whoami;

use super::args::Subject;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::server::Server;
use crate::cli::context::CommandContext;
use bai_client::{ClientError, ComputeSession, ErrorKind};
use serde_json::{Value, json};

/// The session that the command line names, and its server.
async fn session(context: &CommandContext, subject: &Subject) -> Result<(Server, ComputeSession), CliError> {
    let server = Server::find(context).await?;
    let session = find(context, &server, &subject.session).await?;
    Ok((server, session))
}

/// The session with this name or id, or the only one whose name or id begins so.
pub(super) async fn find(
    context: &CommandContext,
    server: &Server,
    reference: &str,
) -> Result<ComputeSession, CliError> {
    ComputeSession::find(&server.api, reference).await.map_err(|error: ClientError| match error.kind() {
        ErrorKind::NotFound => not_found(context, error),
        _ => error.into(),
    })
}

/// The session with this name or id. A mistyped name must not destroy another session, so the beginning of a name does not
/// count; that of an id does from its first part on, which nobody types by mistake.
async fn find_to_destroy(
    context: &CommandContext,
    server: &Server,
    reference: &str,
) -> Result<ComputeSession, CliError> {
    let found = find(context, server, reference).await?;
    let is_id = reference.len() >= ID_PART && found.id().is_some_and(|id| id.starts_with(reference));
    if is_id || found.name() == reference {
        return Ok(found);
    }
    Err(CliError::new(ExitStatus::NotFound, format!("no session is called {reference}"))
        .hint(format!("{} begins so; give the whole name", found.name())))
}

/// Does the same with each of these names. All are tried; the first error determines the exit code.
async fn for_each(
    names: &[String],
    work: impl AsyncFn(&str) -> Result<(), CliError>,
) -> Result<ExitStatus, CliError> {
    let mut exit = ExitStatus::Ok;
    for name in names {
        if let Err(error) = work(name).await {
            let failure = error.report();
            exit = if exit == ExitStatus::Ok { failure } else { exit };
        }
    }
    Ok(exit)
}

/// The length of the first part of a UUID.
const ID_PART: usize = 8;

fn not_found(context: &CommandContext, error: ClientError) -> CliError {
    CliError::new(ExitStatus::NotFound, error)
        .hint(format!("{} lists the sessions", context.front_end.command("ls")))
}

/// The event about a change of a session, for programs.
fn event(name: &str, session: &ComputeSession) -> Value {
    event_with(name, session, [])
}

/// The same with more facts.
fn event_with<const N: usize>(name: &str, session: &ComputeSession, facts: [(&str, Value); N]) -> Value {
    let about = [("event", json!(name)), ("session", json!(session.name())), ("id", json!(session.id()))];
    let all = about.into_iter().chain(facts);
    all.map(|(key, value)| (key.to_owned(), value)).collect::<serde_json::Map<_, _>>().into()
}
