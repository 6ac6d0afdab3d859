//! What in a session can be connected to (`protocol.md` §7.2).

use super::Shared;
use super::pty;
use super::refusal::Answer;
use super::request::{json_reply, ready_session};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;

/// `GET /stream/{P}/{s}/apps`.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Path(reference): Path<String>,
) -> Answer<Response> {
    ready_session(&shared, &reference)?;
    Ok(json_reply(StatusCode::OK, &[pty::app()]))
}
