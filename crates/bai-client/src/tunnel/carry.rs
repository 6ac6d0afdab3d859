//! Bytes between a local stream and the WebSocket of a tunnel, both ways at once, each way at the pace of its
//! slower end.

use bytes::BytesMut;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// The interval of pings, so that no proxy closes the tunnel as idle.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long the server may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// How long the service may be quiet after the local side has finished writing.
const LINGER: Duration = Duration::from_secs(30);
/// How long closing may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// Bytes in one frame.
const PIECE: usize = 64 * 1024;

/// How a tunnel ended.
#[derive(Debug, Clone)]
pub(crate) enum TunnelEnd {
    /// The service closed its connection, or the silence after our last byte was long enough.
    Finished,
    /// The local side closed or broke its connection.
    LocalGone,
    /// No program listens at the service's port.
    Refused,
    /// The server could not reach the service, in its words.
    Failed(String),
    /// The link to the server broke, because of this error.
    Lost(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for TunnelEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TunnelEnd::Finished => f.write_str("the service closed the connection"),
            TunnelEnd::LocalGone => f.write_str("the connection was closed here"),
            TunnelEnd::Refused => f.write_str("no program listens at the port of the service"),
            TunnelEnd::Failed(why) => write!(f, "the server does not reach the service: {why}"),
            TunnelEnd::Lost(why) => write!(f, "the link to the server broke: {}", crate::cause(&**why)),
        }
    }
}

impl Error for TunnelEnd {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TunnelEnd::Lost(error) => Some(&**error),
            _ => None,
        }
    }
}

impl TunnelEnd {
    fn lost(error: impl Into<Box<dyn Error + Send + Sync>>) -> TunnelEnd {
        TunnelEnd::Lost(error.into().into())
    }
}

/// The state that the two directions of a tunnel share.
struct KeepAlive {
    start: Instant,
    /// Milliseconds after `start` of the server's last message.
    heard: AtomicU64,
    /// Milliseconds after `start` of the service's last bytes.
    data: AtomicU64,
    /// Whether the local side is slow, so that the server's messages are not read.
    delivering: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
}

impl KeepAlive {
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        let (heard, data, sent, received) = (zero(), zero(), zero(), zero());
        KeepAlive { start: Instant::now(), heard, data, sent, received, delivering: AtomicBool::new(false) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn since(&self, moment: u64) -> Duration {
        Duration::from_millis(self.now().saturating_sub(moment))
    }
}

/// The WebSocket of a tunnel.
pub(crate) struct Carrier<S> {
    sink: SplitSink<WebSocketStream<S>, Message>,
    stream: SplitStream<WebSocketStream<S>>,
    pulse: KeepAlive,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Carrier<S> {
    pub(crate) fn new(socket: WebSocketStream<S>) -> Self {
        let (sink, stream) = socket.split();
        Carrier { sink, stream, pulse: KeepAlive::new() }
    }

    /// Carries bytes until one side ends. The local side stays open: the caller decides what comes next.
    pub(crate) async fn run<R, W>(&mut self, mut reader: R, mut writer: W) -> TunnelEnd
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        tokio::select! {
            biased;
            ended = download(&mut self.stream, &mut writer, &self.pulse) => ended,
            ended = upload(&mut reader, &mut self.sink, &self.pulse) => ended,
        }
    }

    /// Bytes sent to the service, and received from it.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.pulse.sent.load(Ordering::Relaxed), self.pulse.received.load(Ordering::Relaxed))
    }

    /// Sends a close frame, without waiting long. It need not arrive.
    pub(crate) async fn close(mut self) {
        let _ = timeout(CLOSE_LIMIT, self.sink.send(Message::Close(None))).await;
    }
}

async fn upload<S, R>(
    reader: &mut R,
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    pulse: &KeepAlive,
) -> TunnelEnd
where
    S: AsyncRead + AsyncWrite + Unpin,
    R: AsyncRead + Unpin,
{
    let mut ticks = interval(PING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let mut buffer = BytesMut::new();
    let mut quiet_from = None;
    loop {
        buffer.reserve(PIECE);
        let message = tokio::select! {
            read = reader.read_buf(&mut buffer), if quiet_from.is_none() => match read {
                Ok(0) => {
                    quiet_from = Some(pulse.now());
                    continue;
                }
                Ok(count) => {
                    pulse.sent.fetch_add(count as u64, Ordering::Relaxed);
                    Message::Binary(buffer.split().freeze())
                }
                Err(_) => return TunnelEnd::LocalGone,
            },
            _ = ticks.tick() => {
                let silent = pulse.since(pulse.heard.load(Ordering::Relaxed));
                if silent > SILENCE_LIMIT && !pulse.delivering.load(Ordering::Relaxed) {
                    return TunnelEnd::lost(format!("it has been silent for {} s", silent.as_secs()));
                }
                let quiet = quiet_from.map(|moment| pulse.since(moment.max(pulse.data.load(Ordering::Relaxed))));
                if quiet.is_some_and(|quiet| quiet >= LINGER) {
                    return TunnelEnd::Finished;
                }
                Message::Ping(Default::default())
            }
        };
        if let Err(error) = sink.send(message).await {
            return TunnelEnd::lost(error);
        }
    }
}

async fn download<S, W>(
    stream: &mut SplitStream<WebSocketStream<S>>,
    writer: &mut W,
    pulse: &KeepAlive,
) -> TunnelEnd
where
    S: AsyncRead + AsyncWrite + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let message = stream.next().await;
        pulse.heard.store(pulse.now(), Ordering::Relaxed);
        match message {
            Some(Ok(Message::Binary(bytes))) => {
                pulse.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                pulse.delivering.store(true, Ordering::Relaxed);
                let written = async {
                    writer.write_all(&bytes).await?;
                    writer.flush().await
                };
                if written.await.is_err() {
                    return TunnelEnd::LocalGone;
                }
                pulse.data.store(pulse.now(), Ordering::Relaxed);
                pulse.heard.store(pulse.now(), Ordering::Relaxed);
                pulse.delivering.store(false, Ordering::Relaxed);
            }
            Some(Ok(Message::Close(frame))) => return closed(frame),
            // Text has no meaning here; the library answers pings.
            Some(Ok(_)) => {}
            Some(Err(error)) => return TunnelEnd::lost(error),
            None => return TunnelEnd::lost("it ended without a close frame"),
        }
    }
}

/// The meaning of a server's close frame (`docs/wire` §7.2).
fn closed(frame: Option<CloseFrame>) -> TunnelEnd {
    let Some(frame) = frame else { return TunnelEnd::Finished };
    match u16::from(frame.code) {
        1000 | 1001 => TunnelEnd::Finished,
        1013 => TunnelEnd::Refused,
        code if frame.reason.is_empty() => TunnelEnd::Failed(format!("close code {code}")),
        code => TunnelEnd::Failed(format!("close code {code}, {}", frame.reason)),
    }
}
