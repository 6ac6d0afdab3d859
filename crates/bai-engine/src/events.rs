//! Events of sessions as they happen, over Server-Sent Events (`docs/wire` §8). There is no replay: a client
//! subscribes first and then reads the session's state.

use super::error::ApiResult;
use super::request::{self, Params};
use super::state::ServerState;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bai_protocol::events::SessionEvent;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

/// The interval of comments on a silent stream.
const PING: Duration = Duration::from_secs(10);

/// `GET /events/session` and, for API v4, `GET /stream/kernel/_/events`.
pub(super) async fn sessions(
    State(server): State<Arc<ServerState>>,
    RawQuery(query): RawQuery,
) -> ApiResult<Response> {
    let params = Params::parse(query.as_deref());
    // The names of the keys differ between releases. All are accepted, and `*` means all.
    let selectors = ["sessionId", "sessionName", "name"];
    let wanted = selectors.iter().find_map(|key| params.get(&[key]).filter(|value| *value != "*"));
    let events = server.sessions.listen();
    let only = match wanted {
        Some(reference) => Some(request::session(&server, reference)?.id().to_owned()),
        None => None,
    };
    let scope = params.get(&["scope"]).unwrap_or("*");
    let has_sessions = scope.split(',').any(|part| ["*", "session"].contains(&part.trim()));
    let listener = Listener { events, only, has_sessions, stop: server.stop.clone() };
    let stream = stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        let data = serde_json::to_string(&event.data).unwrap_or_default();
        Some((Ok::<_, Infallible>(Event::default().event(event.name).data(data)), listener))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(PING).text("ping")).into_response())
}

struct Listener {
    events: Receiver<SessionEvent>,
    only: Option<String>,
    has_sessions: bool,
    stop: CancellationToken,
}

impl Listener {
    /// The next event that the client asked for. `None` when the engine ends.
    async fn next(&mut self) -> Option<SessionEvent> {
        loop {
            let event = tokio::select! {
                event = self.events.recv() => event,
                () = self.stop.cancelled() => return None,
            };
            match event {
                Ok(event) if self.is_selected(&event) => return Some(event),
                // A client that lagged must read the state again; missed events are lost.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn is_selected(&self, event: &SessionEvent) -> bool {
        self.has_sessions && self.only.as_ref().is_none_or(|id| *id == event.data.session_id)
    }
}
