//! The WebSocket of one run (`docs/wire` §3.10).

use super::link::Extras;
use super::link_event::LinkEnd;
use super::{Answer, Cell, Rest, RunOptions};
use crate::error::{ClientError, ErrorKind};
use crate::session_ref::SessionRef;
use crate::upgrade;
use bai_protocol::binary_frame::{InputBytes, Output, Stream};
use bai_protocol::byte_text;
use bai_protocol::execute::{ExecuteResult, RunId, RunStatus, Script, StreamRequest, Window, WindowChange};
use bai_protocol::record::ConsoleRecord;
use futures_util::{FutureExt, SinkExt, StreamExt};
use reqwest::Upgraded;
use serde::Serialize;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// The largest accepted frame, in bytes. Genuine servers put 0.2 s of output into one frame.
const FRAME_LIMIT: usize = 256 * 1024 * 1024;
/// The largest first frame that genuine servers accept, in bytes.
const REQUEST_LIMIT: usize = 16 * 1024 * 1024;
/// How long writing one small frame may take.
const WRITE_LIMIT: Duration = Duration::from_secs(20);
/// How long closing may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// Numbered frames are acknowledged after this many bytes or frames, whichever is first. The server stops sending when a
/// MiB is not acknowledged.
const ACKNOWLEDGE_BYTES: usize = 128 * 1024;
const ACKNOWLEDGE_FRAMES: usize = 32;
const WHAT: &str = "follow the run";

#[derive(Debug)]
pub(super) struct SocketLink {
    socket: WebSocketStream<Upgraded>,
    silence_limit: Duration,
    /// How text of binary frames is read; `None` if such a frame is JSON too.
    binary: Option<PrintedText>,
    last_heard: Instant,
    pinged: bool,
    started: bool,
    /// The received bytes and frames that are not acknowledged yet.
    unacknowledged: (usize, usize),
}

/// How bytes of a program become text.
#[derive(Debug, Clone, Copy)]
struct PrintedText {
    /// Whether bytes that are not UTF-8 are kept.
    keeps_bytes: bool,
}

impl PrintedText {
    fn read(self, frame: &[u8]) -> Option<ExecuteResult> {
        let text = |bytes: &[u8]| match self.keeps_bytes {
            true => byte_text::text(bytes),
            false => String::from_utf8_lossy(bytes).into_owned(),
        };
        let Output { number, pieces } = Output::from_frame(frame)?;
        let record = |(stream, bytes)| match stream {
            Stream::Stdout => ConsoleRecord::Stdout(text(bytes)),
            Stream::Stderr => ConsoleRecord::Stderr(text(bytes)),
        };
        let mut result = ExecuteResult::new(RunStatus::Continued);
        result.console = pieces.into_iter().map(record).collect();
        result.seq = Some(number);
        Some(result)
    }
}

/// Why there is no WebSocket.
pub(super) enum NoSocket {
    /// The server itself refused, or does not answer: polling would fail in the same way.
    Refused(ClientError),
    /// A proxy does not forward upgrades; polling may work.
    Blocked(ClientError),
}

/// The first frame. Servers with the capability `run-ids` take the run id from it; others ignore the key. Servers with
/// `numbered-frames` number their frames after `received: 0`. Those with `byte-output` know `bytes`, those with
/// `live-output` know `live`, those with `binary-frames` know `binary`, those with `scripts` know `script`, those with `windows` know
/// `window`, and those with `cell-terminals` know `pty`.
#[derive(Serialize)]
struct FirstFrame<'a> {
    #[serde(flatten)]
    request: StreamRequest,
    #[serde(rename = "runId")]
    run_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bytes: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    live: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    binary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    script: Option<&'a Script>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pty: Option<&'a str>,
}

impl SocketLink {
    /// Opens the WebSocket. No code runs before the first frame is sent.
    pub(super) async fn open(session: &SessionRef) -> Result<SocketLink, NoSocket> {
        let within = session.api.reply_limit();
        let stream = upgrade::Stream { what: "run the code", name: "/execute", query: Vec::new(), within };
        let upgraded = upgrade::open(session, stream).await.map_err(judge)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_LIMIT))
            .max_frame_size(Some(FRAME_LIMIT))
            .read_buffer_size(256 * 1024);
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        Ok(SocketLink {
            socket,
            silence_limit: Duration::MAX,
            binary: None,
            last_heard: Instant::now(),
            pinged: false,
            started: false,
            unacknowledged: (0, 0),
        })
    }

    /// The socket of a run that begins now.
    pub(super) fn begin(self, options: &RunOptions, extras: Extras) -> SocketLink {
        SocketLink {
            silence_limit: options.silence_limit,
            binary: extras.binary.then_some(PrintedText { keeps_bytes: options.bytes }),
            last_heard: Instant::now(),
            ..self
        }
    }

    /// Reads a socket that no run has. Ready when it is of no use any more: the server has closed it, or says something unasked.
    pub(super) fn poll_unused(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match ready!(self.socket.poll_next_unpin(context)) {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Whether a socket that no run has can be used, as far as is known now.
    pub(super) fn is_usable(&mut self) -> bool {
        poll_fn(|context| self.poll_unused(context)).now_or_never().is_none()
    }

    /// The text of the first frame, if a server would accept it, with the type of the terminal that the programs of the cell may have.
    pub(super) fn first_frame(
        (cell, pty): (&Cell, Option<&str>),
        run_id: &RunId,
        extras: Extras,
    ) -> Result<Utf8Bytes, ClientError> {
        let request = match cell {
            Cell::Query(code) | Cell::Script(code, _) => StreamRequest::query(code),
            Cell::Kernel(script) => StreamRequest::query(&script.code),
            Cell::Batch(options) => StreamRequest::batch(options),
        };
        let script = if let Cell::Script(_, script) = cell { Some(script) } else { None };
        Self::frame(request, run_id, extras, (script.filter(|_| extras.scripts), pty))
    }

    /// The text of the first frame of a listener.
    pub(super) fn listening(run_id: &RunId, extras: Extras) -> Result<Utf8Bytes, ClientError> {
        Self::frame(StreamRequest::listen(), run_id, extras, (None, None))
    }

    fn frame(
        request: StreamRequest,
        run_id: &RunId,
        extras: Extras,
        (script, pty): (Option<&Script>, Option<&str>),
    ) -> Result<Utf8Bytes, ClientError> {
        let received = extras.numbers.then_some(0);
        let Extras { bytes, live, binary, window, .. } = extras;
        let frame = FirstFrame {
            request,
            run_id: run_id.as_str(),
            received,
            bytes,
            live,
            binary,
            script,
            window,
            pty,
        };
        let frame = serde_json::to_string(&frame);
        let bad = |why: String| ClientError::new(ErrorKind::BadRequest, "run the code", why);
        let frame = frame.map_err(|error| bad(error.to_string()).with_source(error))?;
        if frame.len() > REQUEST_LIMIT {
            return Err(bad("it is longer than the 16 MiB that servers take".into())
                .with_hint("upload it as a file and run that"));
        }
        Ok(frame.into())
    }

    /// Sends the first frame.
    pub(super) async fn send(&mut self, text: Utf8Bytes) -> Result<(), LinkEnd> {
        self.write(Message::text(text)).await
    }

    pub(super) async fn answer(&mut self, answer: Answer) -> Result<(), LinkEnd> {
        self.write(match answer {
            Answer::Line(text) => Message::text(text.to_string()),
            // The server would read text as a line.
            Answer::Piece(bytes, rest) if self.binary.is_some() => {
                let (end, ahead) = (rest == Rest::None, rest == Rest::AtHand);
                let bytes = bytes.as_ref().into();
                Message::binary(InputBytes { bytes, end, ahead }.to_frame())
            }
            Answer::Piece(bytes, rest) => {
                let piece = Answer::piece(&bytes, rest);
                Message::binary(serde_json::to_vec(&piece).unwrap_or_default())
            }
        })
        .await
    }

    pub(super) async fn resize(&mut self, window: Window) -> Result<(), LinkEnd> {
        // The server would read text as a line.
        let change = WindowChange { window };
        self.write(Message::binary(serde_json::to_vec(&change).unwrap_or_default())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), LinkEnd> {
        match timeout(WRITE_LIMIT, self.socket.send(message)).await {
            Ok(result) => result.map_err(broken),
            Err(_) => Err(LinkEnd::lost("the server does not read")),
        }
    }

    /// Acknowledges all frames up to this one, when it is time to.
    pub(super) async fn acknowledge(&mut self, received: u64) -> Result<(), LinkEnd> {
        let (bytes, frames) = self.unacknowledged;
        if bytes < ACKNOWLEDGE_BYTES && frames < ACKNOWLEDGE_FRAMES {
            return Ok(());
        }
        self.acknowledge_now(received).await
    }

    /// Acknowledges all frames up to this one.
    pub(super) async fn acknowledge_now(&mut self, received: u64) -> Result<(), LinkEnd> {
        self.unacknowledged = (0, 0);
        // The server would read text as input.
        let note = Message::binary(format!("{{\"received\":{received}}}").into_bytes());
        self.write(note).await
    }

    /// The next frame. Cancel-safe.
    pub(super) async fn next(&mut self, waiting: bool) -> Result<ExecuteResult, LinkEnd> {
        loop {
            // After half of the limit in silence we ask for a sign of life. After all of it the link is dead. No frame is due before the
            // first frame, since the session may be busy with another client's run.
            let limit = if self.pinged { self.silence_limit } else { self.silence_limit / 2 };
            let message = match timeout_at(self.last_heard + limit, self.socket.next()).await {
                Ok(message) => message,
                Err(_) if self.pinged && self.started && !waiting => {
                    let silence = self.silence_limit.as_secs();
                    return Err(LinkEnd::lost(&format!("the server has been silent for {silence} s")));
                }
                Err(_) => {
                    self.ping().await?;
                    continue;
                }
            };
            self.last_heard = Instant::now();
            self.pinged = false;
            match message {
                Some(Ok(Message::Text(text))) => return self.parse(text.as_bytes()),
                Some(Ok(Message::Binary(bytes))) => {
                    let Some(text) = self.binary else { return self.parse(&bytes) };
                    self.note_frame(bytes.len());
                    return text.read(&bytes).ok_or_else(|| {
                        let why = "the server sent a binary frame that is not what was agreed";
                        LinkEnd::failed(ClientError::new(ErrorKind::Server, WHAT, why))
                    });
                }
                Some(Ok(Message::Close(frame))) => {
                    let why = match frame {
                        Some(frame) if u16::from(frame.code) == 1000 => {
                            "the server closed the connection without a result".to_owned()
                        }
                        Some(frame) => {
                            format!("the server closed the connection ({} {})", frame.code, frame.reason)
                        }
                        None => "the server closed the connection".to_owned(),
                    };
                    return Err(LinkEnd::lost(why.trim_end()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(error)),
                None => return Err(LinkEnd::lost("the connection ended")),
            }
        }
    }

    async fn ping(&mut self) -> Result<(), LinkEnd> {
        if self.pinged {
            // Silence is normal now: the next ping follows one limit later.
            self.last_heard = Instant::now();
        }
        self.pinged = true;
        self.write(Message::Ping(Default::default())).await
    }

    fn note_frame(&mut self, bytes: usize) {
        self.started = true;
        self.unacknowledged.0 += bytes;
        self.unacknowledged.1 += 1;
    }

    fn parse(&mut self, frame: &[u8]) -> Result<ExecuteResult, LinkEnd> {
        self.note_frame(frame.len());
        bai_protocol::json::from_slice(frame).map_err(|error| {
            let why = format!("the server sent a frame that is not what was agreed: {error}");
            LinkEnd::failed(ClientError::new(ErrorKind::Server, WHAT, why).with_source(error))
        })
    }

    /// Closes the connection, without waiting long. Web servers do not close it after `finished`, so the client does.
    pub(super) async fn close(mut self) {
        // The close frame need not arrive: the run is over.
        let _ = timeout(CLOSE_LIMIT, self.socket.close(None)).await;
    }
}

/// Finds out who refused: an API error comes from the server itself, any other error from a proxy.
fn judge(error: ClientError) -> NoSocket {
    // A proxy that answers for a server may refuse only the upgrade. Where no server answers, all requests fail.
    let unreachable = error.kind() == ErrorKind::Connect && error.status().is_none();
    let own = error.problem().is_some()
        || matches!(
            error.kind(),
            ErrorKind::Tls
                | ErrorKind::Untrusted
                | ErrorKind::Auth
                | ErrorKind::LoginEnded
                | ErrorKind::NotFound
                | ErrorKind::ServerEnded
        );
    match error.kind() {
        _ if !own && !unreachable => NoSocket::Blocked(error),
        ErrorKind::NotFound => NoSocket::Refused(error.with_hint("the session is gone; create it again")),
        _ => NoSocket::Refused(error),
    }
}

fn broken(error: Error) -> LinkEnd {
    let why = match &error {
        Error::Capacity(_) => format!("a frame is larger than {} MiB", FRAME_LIMIT / 1024 / 1024),
        other => format!("the connection broke: {}", crate::cause(other)),
    };
    LinkEnd::broken(&why, error)
}
