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

use super::args::{Global, Subject};
use super::exit::Exit;
use super::failure::Failure;
use super::place::Place;
use crate::config::FileConfig;
use bai_client::{ClientError, ComputeSession, ErrorKind};
use serde_json::{Value, json};

/// The session that is meant, and where it is.
async fn session(
    global: &Global,
    config: &FileConfig,
    subject: &Subject,
) -> Result<(Place, ComputeSession), Failure> {
    let place = Place::find(global, config).await?;
    let session = find(&place, &subject.session).await?;
    Ok((place, session))
}

/// The session of that name, id, or beginning.
pub(super) async fn find(place: &Place, reference: &str) -> Result<ComputeSession, Failure> {
    ComputeSession::find(&place.api, reference).await.map_err(|error: ClientError| match error.kind() {
        ErrorKind::NotFound => Failure::new(Exit::NotFound, error).hint("bai-repl ls lists the sessions"),
        _ => error.into(),
    })
}

/// What was done to a session, for programs.
fn event(name: &str, session: &ComputeSession) -> Value {
    json!({"event": name, "session": session.name(), "id": session.id()})
}
