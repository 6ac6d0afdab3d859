//! The upgrade of a session's stream to a WebSocket. Each one has a new signature (`docs/wire` §7.2).

use super::error::{ClientError, ErrorKind};
use super::session_ref::SessionRef;
use reqwest::{Method, StatusCode, Upgraded};
use std::time::Duration;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A stream of a session to open.
pub(super) struct Stream<'a> {
    /// Completes "could not …".
    pub(super) what: &'a str,
    /// The stream's name with its slash, such as `/tcpproxy`.
    pub(super) name: &'a str,
    /// Query parameters.
    pub(super) query: Vec<(&'static str, String)>,
    /// How long the server may take to answer.
    pub(super) within: Duration,
}

/// Requests the stream and returns the raw connection, on which WebSocket frames follow.
///
/// # Errors
/// The server's answer instead of 101; [`ErrorKind::NotABackend`] if a proxy answers.
pub(super) async fn open(session: &SessionRef, stream: Stream<'_>) -> Result<Upgraded, ClientError> {
    let path = session.stream_path(stream.what, stream.name).await?;
    let key = generate_key();
    let mut request = session.api.request(stream.what, Method::GET, path).within(stream.within);
    for (name, value) in stream.query {
        request = request.query(name, value);
    }
    let response = request.websocket(&key)?.open().await?;
    let blocked = |why: &str| ClientError::new(ErrorKind::NotABackend, stream.what, why);
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(blocked("the WebSocket upgrade is answered with a page"));
    }
    let accept = response.headers().get("sec-websocket-accept").and_then(|value| value.to_str().ok());
    if accept != Some(derive_accept_key(key.as_bytes()).as_str()) {
        return Err(blocked("the WebSocket upgrade is answered by something else"));
    }
    response.upgrade().await.map_err(|error| blocked(&super::cause(&error)).with_source(error.without_url()))
}
