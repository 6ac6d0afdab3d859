//! The commands about sessions, their files and what they are made from, each in a file of its own. What several of
//! them need is here: finding the session that is meant, and what a list of sessions has for programs.
//!
//! With `--json` a list gives an object for each row, whose keys are the columns; times are the server's own, sizes are
//! in bytes. What does something gives an object for each thing done, with the key `event`.

pub(super) mod apps;
pub(super) mod config;
pub(super) mod download;
pub(super) mod events;
pub(super) mod files;
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
pub(super) mod themes;
mod transfer;
pub(super) mod upload;

use super::args::Subject;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::server::Server;
use crate::cli::context::CommandContext;
use bai_client::{ClientError, ComputeSession, ErrorKind};
use serde_json::{Value, json};

/// The session that the user means, and its server.
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
        ErrorKind::NotFound => CliError::new(ExitStatus::NotFound, error)
            .hint(format!("{} lists the sessions", context.front_end.command("ls"))),
        _ => error.into(),
    })
}

/// What was done to a session, for programs.
fn event(name: &str, session: &ComputeSession) -> Value {
    json!({"event": name, "session": session.name(), "id": session.id()})
}
