//! The stream of session events (`docs/wire` §8), which reconnects by itself.

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::request::Request;
use super::session::ComputeSession;
use bai_protocol::events::SessionEvent;
use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use reqwest::Method;
use std::io;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

/// The silence after which the connection counts as dead. Servers send a comment at least every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
/// The longest line that is accepted, in bytes.
const LINE_LIMIT: usize = 1024 * 1024;
/// The largest event that is accepted, in bytes.
const EVENT_LIMIT: usize = 4 * LINE_LIMIT;
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
/// fresh signature and growing pauses, as long as this lives and the server has not ended for good
/// ([`ErrorKind::ServerEnded`]).
#[derive(Debug)]
pub struct EventStream {
    events: mpsc::Receiver<SessionEvent>,
    connected: Option<oneshot::Receiver<Result<(), ClientError>>>,
    _task: AbortOnDropHandle<()>,
}

impl EventStream {
    /// The next event. Cancel-safe. Pending while there is none; `None` when the server has ended for good, or
    /// when the runtime shuts down.
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
            // Its sessions have ended with it, so no event will come.
            Err(error) if error.kind() == ErrorKind::ServerEnded => return,
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
    let chunks = tokio_stream::StreamExt::timeout(response.bytes_stream(), SILENCE);
    let chunks = chunks
        .map(|chunk| chunk.map_err(|_| io::Error::other("the server is silent"))?.map_err(io::Error::other));
    Ok(decode(chunks))
}

/// The events in the pieces of a body.
fn decode(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Events {
    let (mut bom, mut limit) = (ByteOrderMark::default(), EventLimit::default());
    let chunks = chunks.map(move |chunk| {
        let chunk = bom.strip(chunk?);
        limit.check(&chunk)?;
        Ok(chunk)
    });
    // The library fails at a byte order mark that begins the first piece. An empty line has no meaning.
    let first = futures_util::stream::iter([Ok(Bytes::from_static(b"\n"))]);
    first.chain(chunks).boxed().eventsource()
}

/// The mark with which a body may begin.
#[derive(Default)]
struct ByteOrderMark {
    /// The bytes that may be a mark, until that is known.
    held: Vec<u8>,
    is_known: bool,
}

impl ByteOrderMark {
    const BYTES: &[u8] = "\u{feff}".as_bytes();

    /// The next bytes of the body, without a mark at its beginning.
    fn strip(&mut self, chunk: Bytes) -> Bytes {
        if self.is_known {
            return chunk;
        }
        self.held.extend_from_slice(&chunk);
        if self.held.len() < Self::BYTES.len() && Self::BYTES.starts_with(&self.held) {
            return Bytes::new();
        }
        self.is_known = true;
        let held = Bytes::from(std::mem::take(&mut self.held));
        if held.starts_with(Self::BYTES) { held.slice(Self::BYTES.len()..) } else { held }
    }
}

/// The size of the line and of the event that are arriving.
#[derive(Default)]
struct EventLimit {
    line: usize,
    event: usize,
    is_comment: bool,
}

impl EventLimit {
    fn check(&mut self, chunk: &[u8]) -> io::Result<()> {
        for byte in chunk {
            match byte {
                b'\n' if self.line == 0 => self.event = 0,
                b'\n' => {
                    self.event += if self.is_comment { 0 } else { self.line };
                    self.line = 0;
                }
                b'\r' => {}
                _ => {
                    self.is_comment = if self.line == 0 { *byte == b':' } else { self.is_comment };
                    self.line += 1;
                }
            }
            if self.line > LINE_LIMIT {
                return Err(io::Error::other("a line does not end"));
            }
            if self.event > EVENT_LIMIT {
                return Err(io::Error::other("an event does not end"));
            }
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the events in the pieces of a body, and whether the body was read to its end.
    async fn names<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, bool) {
        let pieces: Vec<_> = pieces.into_iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut events = decode(futures_util::stream::iter(pieces));
        let mut names = Vec::new();
        loop {
            match events.next().await {
                Some(Ok(event)) => names.push(event.event),
                end => return (names, end.is_none()),
            }
        }
    }

    #[tokio::test]
    async fn a_body_may_begin_with_a_byte_order_mark() {
        let body = "\u{feff}event: a\ndata: 1\n\nevent: b\r\ndata: 2\r\n\r\n".as_bytes();
        for size in [1, 2, 3, 4, body.len()] {
            assert_eq!(
                names(body.chunks(size)).await,
                (vec!["a".to_owned(), "b".to_owned()], true),
                "{size}"
            );
        }
        let two = "\u{feff}\u{feff}event: a\n\nevent: b\ndata: 2\n\n".as_bytes();
        assert_eq!(names([two]).await, (vec!["b".to_owned()], true));
    }

    #[tokio::test]
    async fn a_line_and_an_event_that_do_not_end_are_errors() {
        let long = vec![b'x'; LINE_LIMIT + 1];
        assert_eq!(names([&b"data: 1\n\n"[..], &long]).await, (vec!["message".to_owned()], false));
        let piece = [&b"data: "[..], &long[..LINE_LIMIT / 2], b"\n"].concat();
        assert_eq!(names(std::iter::repeat_n(&piece[..], 9)).await, (Vec::new(), false));
        let ended = [&piece[..], b"\n"].concat();
        assert_eq!(names(std::iter::repeat_n(&ended[..], 9)).await, (vec!["message".to_owned(); 9], true));
        let comment = [&b":"[..], &piece].concat();
        assert_eq!(names(std::iter::repeat_n(&comment[..], 9)).await, (Vec::new(), true));
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    //! Streams of events with arbitrary bytes.

    use super::{decode, next_event};
    use bytes::Bytes;
    use futures_util::FutureExt;

    /// The pieces of a stream, with a byte 0xff between them.
    pub fn events(bytes: &[u8]) {
        let pieces: Vec<_> =
            bytes.split(|byte| *byte == 0xff).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut events = decode(futures_util::stream::iter(pieces));
        while let Some(Some(event)) = next_event(&mut events).now_or_never() {
            let _ = event.status();
        }
    }
}
