//! Reads requests: sessions in paths, query strings and JSON bodies. Mistakes become an [`ApiError`].

use super::error::{ApiError, ApiResult};
use super::session::Session;
use super::state::ServerState;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bai_protocol::status::SessionStatus;
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The largest JSON body, in bytes.
pub(super) const BODY_LIMIT: usize = 64 << 20;

/// How long a client may be silent in the middle of a body.
pub(super) const BODY_SILENCE: Duration = Duration::from_secs(60);

/// The parameters of a query string, in order; keys may repeat.
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn parse(query: Option<&str>) -> Self {
        Params(url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// The first value of the first of `names` that is there.
    pub(super) fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.all(name).next())
    }

    /// Every value of `name`.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The session that a path names, also when it has ended.
pub(super) fn session(server: &ServerState, reference: &str) -> ApiResult<Arc<Session>> {
    server.sessions.find(reference).ok_or_else(ApiError::no_such_session)
}

/// The session that a path names, if it can take runs.
pub(super) fn ready_session(server: &ServerState, reference: &str) -> ApiResult<Arc<Session>> {
    let session = session(server, reference)?;
    match session.status() {
        status if status.is_executable() || status == SessionStatus::Restarting => Ok(session),
        SessionStatus::Lost => Err(ApiError::lost_session(format!(
            "It does not run; {}. A new session with the name {} gets them.",
            session.kept_files(),
            session.name()
        ))),
        status if status.is_dead() => Err(ApiError::no_such_session()),
        status => Err(ApiError::not_ready(status.name())),
    }
}

/// The session that a path names, if its files can be read: also a lost one.
pub(super) fn session_with_files(server: &ServerState, reference: &str) -> ApiResult<Arc<Session>> {
    let session = session(server, reference)?;
    if session.status() == SessionStatus::Lost { Ok(session) } else { ready_session(server, reference) }
}

/// Reads a JSON body; an empty one is null.
pub(super) async fn json_body(body: Body) -> ApiResult<Value> {
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = timeout(BODY_SILENCE, chunks.next()).await.map_err(|_| too_slow())? {
        let chunk = chunk.map_err(|e| ApiError::malformed_body(format!("the body did not arrive: {e}")))?;
        if bytes.len() + chunk.len() > BODY_LIMIT {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::malformed_body(format!("the body is not JSON: {error}")))
}

/// The error for a body that did not arrive in time.
pub(super) fn too_slow() -> ApiError {
    let title = "The request body did not arrive.";
    let msg = format!("no data came for {} s", BODY_SILENCE.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "generic-bad-request", title, "api_parsing_timeout")
        .because(msg)
}

fn too_large() -> ApiError {
    let title = "The request body is too large.";
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "generic-bad-request",
        title,
        "api_parsing_content-too-large",
    )
    .because(format!("at most {BODY_LIMIT} bytes are read"))
}

/// A JSON reply.
pub(super) fn json_reply(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(text) => json_text(status, text),
        Err(error) => ApiError::internal(format!("the reply could not be written: {error}")).into_response(),
    }
}

/// A reply with ready JSON text.
pub(super) fn json_text(status: StatusCode, text: String) -> Response {
    (status, [("content-type", "application/json; charset=utf-8")], text).into_response()
}
