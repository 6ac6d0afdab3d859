//! One connection to a terminal: frames of the service's protocol in, events out.

use super::PtyEvent;
use super::handle::{LinkState, PtyState, Size, Typed};
use crate::error::{ClientError, ErrorKind};
use bai_protocol::pty::{PtyReply, PtyRequest, TtydReply, TtydRequest, WINDOW};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};

/// The interval of pings.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long the peer may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(16);
/// How long a new connection may be silent.
const FIRST_ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How long closing may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// How many bytes of output are received between two acknowledgements.
const ACKNOWLEDGE_BYTES: u64 = WINDOW / 4;
/// Bytes of output in one event.
const PIECE: usize = 64 * 1024;

/// The transport of the WebSocket: a connection to the server, or a tunnel.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}
pub(super) type Io = Box<dyn ByteStream>;
type Socket = WebSocketStream<Io>;

/// The protocol of the frames.
#[derive(Debug, Clone)]
pub(super) enum Codec {
    Ttyd { token: String },
    Stream,
}

/// The content of a frame.
enum Incoming {
    Output(Bytes),
    Exit(Option<i32>),
    Failure(String),
    /// The total number of typed bytes that the peer has received.
    Taken(u64),
    Other,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The shell has ended.
    Exited(Option<i32>),
    /// The link broke; another one may follow.
    Down(String),
    /// The reader of the events is gone.
    Left,
}

impl Codec {
    fn input(&self, bytes: Bytes) -> Message {
        match self {
            Codec::Ttyd { .. } => Message::Binary(TtydRequest::Input(&bytes).to_bytes()),
            Codec::Stream => Message::text(PtyRequest::Stdin(bytes).to_text()),
        }
    }

    fn resize(&self, Size { rows, columns }: Size) -> Message {
        match self {
            Codec::Ttyd { .. } => Message::Binary(TtydRequest::Resize { rows, columns }.to_bytes()),
            Codec::Stream => Message::text(PtyRequest::Resize { rows, columns }.to_text()),
        }
    }

    fn greeting(&self, size: Size) -> Message {
        let Size { rows, columns } = size;
        match self {
            Codec::Ttyd { token } => Message::Binary(TtydRequest::Hello { token, rows, columns }.to_bytes()),
            Codec::Stream => self.resize(size),
        }
    }

    fn read(&self, message: Message) -> Result<Incoming, String> {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            _ => return Ok(Incoming::Other),
        };
        if let Codec::Ttyd { .. } = self {
            return Ok(match TtydReply::parse(bytes) {
                TtydReply::Output(output) => Incoming::Output(output),
                _ => Incoming::Other,
            });
        }
        match PtyReply::parse(&bytes) {
            Ok(PtyReply::Output(output)) => Ok(Incoming::Output(output)),
            Ok(PtyReply::Exit(code)) => Ok(Incoming::Exit(code)),
            Ok(PtyReply::Error(message)) => Ok(Incoming::Failure(message)),
            Ok(PtyReply::Received(bytes)) => Ok(Incoming::Taken(bytes)),
            Ok(PtyReply::Unknown(_)) => Ok(Incoming::Other),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// One connection.
pub(super) struct Link {
    socket: Socket,
    codec: Codec,
    /// The first answer, which is not processed yet.
    first: Option<Message>,
}

/// The state that the two directions of a connection share.
struct KeepAlive {
    heard: Mutex<Instant>,
    ping: Mutex<Option<(u64, Instant)>>,
    /// Whether the reader of the events is slow, so that we do not read from the peer.
    delivering: AtomicBool,
    /// How much output was delivered.
    shown: watch::Sender<u64>,
    /// How much typing the peer has received, if it counts.
    taken: watch::Sender<Option<u64>>,
}

impl Link {
    pub(super) fn new(socket: Socket, codec: Codec) -> Self {
        Link { socket, codec, first: None }
    }

    /// Sends the token and the window's size, and waits for any answer.
    pub(super) async fn greet(&mut self, size: Size) -> Result<(), ClientError> {
        let what = "open the terminal";
        let lost = |why: String| ClientError::new(ErrorKind::Lost, what, why);
        let broken = |error: tungstenite::Error| lost(crate::cause(&error)).with_source(error);
        let answered = async {
            let greeting = self.codec.greeting(size);
            self.socket.send(greeting).await.map_err(broken)?;
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(frame))) => return Err(lost(said(frame.as_ref()))),
                    Some(Ok(message)) => return Ok(message),
                    Some(Err(error)) => return Err(broken(error)),
                    None => return Err(lost("the connection ended".into())),
                }
            }
        };
        match timeout(FIRST_ANSWER_LIMIT, answered).await {
            Ok(message) => self.first = Some(message?),
            Err(_) => {
                let why =
                    format!("it accepts the connection and is silent for {} s", FIRST_ANSWER_LIMIT.as_secs());
                let error = ClientError::new(ErrorKind::Timeout, what, why);
                return Err(match self.codec {
                    Codec::Stream => {
                        error.with_hint("this server has no terminal behind its pty stream; try ttyd")
                    }
                    Codec::Ttyd { .. } => error,
                });
            }
        }
        Ok(())
    }

    /// Carries bytes both ways until the connection is over. `connection` is its number.
    pub(super) async fn attend(self, ends: &mut DriverChannels, connection: u64) -> End {
        let (mut sink, mut stream) = self.socket.split();
        let pulse = KeepAlive::new();
        let codec = &self.codec;
        let DriverChannels { events, input, size, state, cut } = ends;
        let end = tokio::select! {
            biased;
            () = cut.notified() => End::Down("cut here".into()),
            () = events.closed() => End::Left,
            end = listen(codec, self.first, &mut stream, events, state, &pulse) => end,
            why = speak(codec, &mut sink, input, size, connection, &pulse) => End::Down(why),
        };
        // The close frame need not arrive.
        let _ = timeout(CLOSE_LIMIT, sink.send(Message::Close(None))).await;
        end
    }
}

/// The task's ends of the channels to the views.
pub(super) struct DriverChannels {
    pub(super) events: mpsc::Sender<PtyEvent>,
    pub(super) input: mpsc::Receiver<Typed>,
    pub(super) size: watch::Receiver<Size>,
    pub(super) state: watch::Sender<PtyState>,
    pub(super) cut: std::sync::Arc<tokio::sync::Notify>,
}

impl KeepAlive {
    fn new() -> Self {
        KeepAlive {
            heard: Mutex::new(Instant::now()),
            ping: Mutex::new(None),
            delivering: AtomicBool::new(false),
            shown: watch::Sender::default(),
            taken: watch::Sender::default(),
        }
    }

    fn hear(&self, state: &watch::Sender<PtyState>) {
        let now = Instant::now();
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = now;
        // This does not wake the views.
        state.send_if_modified(|state| {
            state.status.last_heard = now;
            false
        });
    }

    fn silent_for(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// The round-trip time, if this pong answers the latest ping.
    fn pong(&self, payload: &[u8]) -> Option<Duration> {
        let mut ping = self.ping.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, sent) = ping.take_if(|(number, _)| number.to_be_bytes() == payload)?;
        Some(sent.elapsed())
    }
}

async fn listen(
    codec: &Codec,
    mut first: Option<Message>,
    stream: &mut SplitStream<Socket>,
    events: &mpsc::Sender<PtyEvent>,
    state: &watch::Sender<PtyState>,
    pulse: &KeepAlive,
) -> End {
    loop {
        let message = match first.take() {
            Some(message) => message,
            None => match stream.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return End::Down(crate::cause(&error)),
                None => return End::Down("the connection ended".into()),
            },
        };
        pulse.hear(state);
        match message {
            Message::Pong(payload) => {
                if let Some(time) = pulse.pong(&payload) {
                    state.send_modify(|state| state.status.link = LinkState::Up { round_trip: Some(time) });
                }
            }
            Message::Close(Some(frame)) if u16::from(frame.code) == 1000 => return End::Exited(None),
            Message::Close(frame) => return End::Down(said(frame.as_ref())),
            message => match codec.read(message) {
                Ok(Incoming::Output(output)) => {
                    if !deliver(output, events, pulse).await {
                        return End::Left;
                    }
                    pulse.hear(state);
                }
                Ok(Incoming::Taken(bytes)) => drop(pulse.taken.send_replace(Some(bytes))),
                Ok(Incoming::Exit(code)) => return End::Exited(code),
                Ok(Incoming::Failure(message)) => return End::Down(message),
                Ok(Incoming::Other) => {}
                Err(why) => return End::Down(why),
            },
        }
    }
}

/// Delivers output in pieces, at the reader's pace. False when the reader is gone.
async fn deliver(mut output: Bytes, events: &mpsc::Sender<PtyEvent>, pulse: &KeepAlive) -> bool {
    pulse.delivering.store(true, Ordering::Relaxed);
    while !output.is_empty() {
        let piece = output.split_to(output.len().min(PIECE));
        let length = piece.len() as u64;
        if events.send(PtyEvent::Output(piece)).await.is_err() {
            return false;
        }
        pulse.shown.send_modify(|shown| *shown += length);
    }
    pulse.delivering.store(false, Ordering::Relaxed);
    true
}

async fn speak(
    codec: &Codec,
    sink: &mut SplitSink<Socket, Message>,
    input: &mut mpsc::Receiver<Typed>,
    size: &mut watch::Receiver<Size>,
    connection: u64,
    pulse: &KeepAlive,
) -> String {
    let mut ticks = interval(PING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut shown, mut taken) = (pulse.shown.subscribe(), pulse.taken.subscribe());
    let (mut pings, mut sent, mut said) = (0u64, 0u64, 0u64);
    let mut sized = true;
    loop {
        let counted = *taken.borrow_and_update();
        let message = tokio::select! {
            biased;
            changed = size.changed(), if sized => {
                // No handle is left that sets sizes; the terminal goes on.
                sized = changed.is_ok();
                if !sized {
                    continue;
                }
                codec.resize(*size.borrow_and_update())
            }
            _ = ticks.tick() => {
                let silent = pulse.silent_for();
                if silent > SILENCE_LIMIT && !pulse.delivering.load(Ordering::Relaxed) {
                    return format!("the other side was silent for {} s", silent.as_secs());
                }
                pings += 1;
                let mut ping = pulse.ping.lock().unwrap_or_else(PoisonError::into_inner);
                *ping = Some((pings, Instant::now()));
                Message::Ping(Bytes::copy_from_slice(&pings.to_be_bytes()))
            }
            // The senders of this and of `shown` belong to `pulse`, which lives.
            Ok(()) = taken.changed() => continue,
            Some(typed) = input.recv(), if counted.is_none_or(|taken| sent.saturating_sub(taken) < WINDOW) => {
                if typed.connection != connection {
                    continue;
                }
                sent += typed.bytes.len() as u64;
                codec.input(typed.bytes)
            }
            Ok(()) = shown.changed() => {
                let now = *shown.borrow_and_update();
                if counted.is_none() || now - said < ACKNOWLEDGE_BYTES {
                    continue;
                }
                said = now;
                Message::text(PtyRequest::Received(now).to_text())
            }
        };
        if let Err(error) = sink.send(message).await {
            return crate::cause(&error);
        }
    }
}

/// The text of a close frame, for the user.
fn said(frame: Option<&CloseFrame>) -> String {
    match frame {
        Some(frame) if frame.reason.is_empty() => {
            format!("the other side closed the connection ({})", frame.code)
        }
        Some(frame) => format!("the other side closed the connection ({}, {})", frame.code, frame.reason),
        None => "the other side closed the connection".into(),
    }
}
