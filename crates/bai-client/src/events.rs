//! The stream of session events (`docs/wire` §8), which reconnects by itself.

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::request::Request;
use super::session::ComputeSession;
use bai_protocol::events::SessionEvent;
use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use reqwest::Method;
use std::io;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

/// The silence after which the connection counts as dead. Servers send a comment at least every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// The longest line that is accepted, in bytes.
const LINE_LIMIT: usize = 1024 * 1024;
/// The first pause before a new connection; it doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Events that may wait for the reader.
const QUEUE: usize = 64;

/// The filter of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    /// Name and UUID of one session, or `None` for all sessions of the user.
    session: Option<(String, Option<String>)>,
}

impl Selection {
    /// Whether an event passes. Servers apply the filter of the query only in part, so every event is compared again.
    fn takes(&self, event: &SessionEvent) -> bool {
        match &self.session {
            None => true,
            Some((_, Some(id))) => event.data.session_id == *id,
            Some((name, None)) => event.data.session_name == *name,
        }
    }
}

/// Events as they happen. There is no replay: read the state after subscribing. A lost connection is made again, with a
/// fresh signature and growing pauses, as long as this lives.
#[derive(Debug)]
pub struct EventStream {
    events: mpsc::Receiver<SessionEvent>,
    connected: Option<oneshot::Receiver<Result<(), ClientError>>>,
    _task: AbortOnDropHandle<()>,
}

impl EventStream {
    /// The next event. Cancel-safe. Pending while there is none; `None` only when the runtime shuts down.
    pub async fn next(&mut self) -> Option<SessionEvent> {
        self.events.recv().await
    }

    /// Waits for the first connection, after which no event is missed. Later calls return at once.
    ///
    /// # Errors
    /// Why the first try failed. The stream goes on trying, so a caller that can wait may keep reading it.
    pub async fn connected(&mut self) -> Result<(), ClientError> {
        let Some(connected) = self.connected.take() else { return Ok(()) };
        connected.await.unwrap_or_else(|_| {
            Err(ClientError::new(ErrorKind::Lost, "follow the events", "the program is ending"))
        })
    }

    fn new(api: Api, selection: Selection) -> Self {
        let (sender, events) = mpsc::channel(QUEUE);
        let (first, connected) = oneshot::channel();
        let task = tokio::spawn(async move { follow(&api, &selection, &sender, first).await });
        EventStream { events, connected: Some(connected), _task: AbortOnDropHandle::new(task) }
    }
}

impl ComputeSession {
    /// The session's events from now on. Connecting happens in the background.
    pub fn events(&self) -> EventStream {
        let session = Some((self.name().to_owned(), self.id().map(str::to_owned)));
        EventStream::new(self.api().clone(), Selection { session })
    }
}

impl Api {
    /// The events of all sessions of this user from now on. Connecting happens in the background.
    pub fn events(&self) -> EventStream {
        EventStream::new(self.clone(), Selection { session: None })
    }
}

async fn follow(
    api: &Api,
    selection: &Selection,
    sender: &mpsc::Sender<SessionEvent>,
    first: oneshot::Sender<Result<(), ClientError>>,
) {
    let mut pause = FIRST_PAUSE;
    let mut first = Some(first);
    loop {
        let connected = connect(api, selection).await;
        if let Some(first) = first.take() {
            // The caller may not wait for it.
            let _ = first.send(connected.as_ref().map(drop).map_err(ClientError::clone));
        }
        match connected {
            Ok(mut stream) => {
                pause = FIRST_PAUSE;
                while let Some(event) = next_event(&mut stream).await {
                    if !selection.takes(&event) {
                        continue;
                    }
                    if sender.send(event).await.is_err() {
                        return;
                    }
                }
                tracing::debug!("the event stream ended");
            }
            Err(error) => tracing::debug!(%error, "no event stream"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

pub(super) type Events = eventsource_stream::EventStream<BoxStream<'static, io::Result<Bytes>>>;

async fn connect(api: &Api, selection: &Selection) -> Result<Events, ClientError> {
    let version = api.version().await?;
    let mut request = api.request("follow the events", Method::GET, version.events_path());
    if let Some((name, id)) = &selection.session {
        if version.major() <= 4 {
            request = request.query("sessionId", name.as_str());
        } else {
            request = request.query("name", name.as_str()).query("sessionName", name.as_str());
            if let Some(id) = id {
                request = request.query("sessionId", id.as_str());
            }
        }
    }
    open(request).await
}

/// Opens a stream of events of any kind.
pub(super) async fn open(request: Request<'_>) -> Result<Events, ClientError> {
    let response = request.event_stream().open().await?;
    let mut line = 0;
    let chunks = tokio_stream::StreamExt::timeout(response.bytes_stream(), SILENCE).map(move |chunk| {
        let chunk = chunk.map_err(|_| io::Error::other("the server is silent"))?.map_err(io::Error::other)?;
        line = match chunk.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => chunk.len() - at,
            None => line + chunk.len(),
        };
        if line > LINE_LIMIT { Err(io::Error::other("a line does not end")) } else { Ok(chunk) }
    });
    Ok(chunks.boxed().eventsource())
}

/// The next event, or `None` if the connection has ended, is dead, or does not carry events.
async fn next_event(stream: &mut Events) -> Option<SessionEvent> {
    match stream.next().await? {
        Ok(event) if event.event == "server_close" => None,
        Ok(event) => Some(SessionEvent::parse(&event.event, &event.data)),
        Err(error) => {
            tracing::debug!(%error, "the event stream broke");
            None
        }
    }
}
