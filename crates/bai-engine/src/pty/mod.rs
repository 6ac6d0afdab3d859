//! The handler of the `pty` stream (`docs/wire` §7.1): a WebSocket for each viewer of a session's terminal. The
//! terminal itself is in `terminal`.

mod viewer;

use super::error::ApiResult;
use super::request::ready_session;
use super::state::ServerState;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::response::Response;
use bai_protocol::service::{App, PTY_PROTOCOL};
use std::sync::Arc;

/// The largest accepted frame, in bytes, as on genuine servers.
const FRAME_LIMIT: usize = 16 << 20;

/// The terminal's entry in the list of apps.
pub(super) fn app() -> App {
    App { name: "shell".into(), protocol: PTY_PROTOCOL.into(), ..App::default() }
}

/// `GET /stream/{P}/{s}/pty`.
pub(super) async fn stream(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    upgrade: WebSocketUpgrade,
) -> ApiResult<Response> {
    let session = ready_session(&server, &reference)?;
    let upgrade = upgrade.max_message_size(FRAME_LIMIT).max_frame_size(FRAME_LIMIT);
    Ok(upgrade.on_upgrade(move |socket| async move { viewer::serve(&session, socket).await }))
}
