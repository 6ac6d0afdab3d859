//! One viewer of a session's terminal, over a WebSocket.
//!
//! Both sides acknowledge the received bytes, and neither sends more than a window ahead of that. Without this,
//! the sockets would hold megabytes, and the echo of a key would wait behind them.

use crate::session::Session;
use crate::terminal::{Subscription, TerminalCommand};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bai_protocol::pty::{PtyReply, PtyRequest, WINDOW};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How long to wait for the window's size before the shell starts. Not all clients send one.
const FIRST_SIZE: Duration = Duration::from_millis(100);
/// How many more bytes are taken before they are acknowledged.
const ACKNOWLEDGE_AFTER: u64 = WINDOW / 4;
/// How much input is kept for a shell that does not read. Beyond it the socket is not read. A client that acknowledges
/// never gets there.
const TYPED: usize = 2 * WINDOW as usize;
/// The interval of messages to a silent client. Its own pings may wait unread behind input that the shell does not take.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long a client may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(45);
/// How long closing the socket may take.
const CLOSING: Duration = Duration::from_secs(2);

type Sender = SplitSink<WebSocket, Message>;
type Receiver = SplitStream<WebSocket>;

/// A close code and a reason.
type Closing = (u16, &'static str);

const OVER: Closing = (close_code::NORMAL, "");
const SESSION_OVER: Closing =
    (close_code::AWAY, "the terminal was closed: its session ended, or this viewer was too slow");
const SILENT: Closing = (close_code::POLICY, "the client was silent for too long");

pub(super) async fn serve(session: &Session, socket: WebSocket) {
    let (mut sender, mut receiver) = socket.split();
    let first = timeout(FIRST_SIZE, next_request(&mut receiver)).await;
    let size = match &first {
        Ok(Some(PtyRequest::Resize { rows, columns })) => Some((*rows, *columns)),
        Ok(None) => return,
        _ => None,
    };
    let attached = match session.attach_terminal(size).await {
        Ok(attached) => attached,
        Err(error) => {
            let words = PtyReply::Error(format!("the shell could not be started: {error}")).to_text();
            // It does not matter whether this arrives.
            let _ = sender.send(Message::text(words)).await;
            return close(sender, receiver, (close_code::ERROR, "no shell")).await;
        }
    };
    let Subscription { replay, mut output, input, commands } = attached;
    let first = first.ok().flatten().filter(|_| size.is_none());
    let flow = FlowState::new();
    let goodbye = tokio::select! {
        goodbye = send_output(&mut sender, replay, &mut output, &flow) => goodbye,
        () = receive_input(&mut receiver, first, &input, &commands, &flow) => None,
    };
    match goodbye {
        Some(goodbye) => close(sender, receiver, goodbye).await,
        None => tracing::debug!(session = session.id(), "a viewer of the terminal left"),
    }
}

/// The state that both directions share.
struct FlowState {
    /// When the client last sent a message. `None` while the socket is not read.
    last_message: Mutex<Option<Instant>>,
    /// How much output the client has acknowledged, if it acknowledges.
    shown: watch::Sender<Option<u64>>,
    /// How much of its input the terminal has read.
    typed: watch::Sender<u64>,
}

impl FlowState {
    fn new() -> Self {
        FlowState {
            last_message: Mutex::new(Some(Instant::now())),
            shown: watch::Sender::default(),
            typed: watch::Sender::default(),
        }
    }

    fn note_message(&self, at: Option<Instant>) {
        *self.last_message.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn silent_for_too_long(&self) -> bool {
        let last_message = self.last_message.lock().unwrap_or_else(PoisonError::into_inner);
        last_message.is_some_and(|at| at.elapsed() > SILENCE_LIMIT)
    }
}

/// The next request. `None` when the client leaves.
async fn next_request(receiver: &mut Receiver) -> Option<PtyRequest> {
    loop {
        if let Some(request) = read_frame(receiver).await? {
            return Some(request);
        }
    }
}

/// The next frame, and the request in it, if any. The outer `None` is a client that left.
async fn read_frame(receiver: &mut Receiver) -> Option<Option<PtyRequest>> {
    let request = match receiver.next().await? {
        Ok(Message::Text(text)) => PtyRequest::parse(text.as_bytes()),
        Ok(Message::Binary(bytes)) => PtyRequest::parse(&bytes),
        Ok(_) => return Some(None),
        Err(_) => return None,
    };
    match request {
        Ok(request) => Some(Some(request)),
        Err(error) => {
            tracing::debug!(%error, "a malformed frame is skipped");
            Some(None)
        }
    }
}

/// Carries out the client's requests until it leaves.
async fn receive_input(
    receiver: &mut Receiver,
    mut first: Option<PtyRequest>,
    input: &mpsc::Sender<Bytes>,
    commands: &mpsc::Sender<TerminalCommand>,
    flow: &FlowState,
) {
    let mut typed = BytesMut::new();
    loop {
        let request = match first.take() {
            Some(request) => request,
            None => tokio::select! {
                request = read_frame(receiver), if typed.len() < TYPED => {
                    let Some(request) = request else { return };
                    flow.note_message(Some(Instant::now()));
                    let Some(request) = request else { continue };
                    request
                }
                room = input.reserve(), if !typed.is_empty() => {
                    let Ok(room) = room else { break };
                    flow.note_message(Some(Instant::now()));
                    flow.typed.send_modify(|taken| *taken += typed.len() as u64);
                    room.send(typed.split().freeze());
                    continue;
                }
            },
        };
        match request {
            PtyRequest::Stdin(bytes) => typed.extend_from_slice(&bytes),
            PtyRequest::Resize { rows, columns } => {
                if commands.send(TerminalCommand::Resize(rows, columns)).await.is_err() {
                    break;
                }
            }
            PtyRequest::Restart => {
                if commands.send(TerminalCommand::Restart).await.is_err() {
                    break;
                }
            }
            PtyRequest::Received(bytes) => drop(flow.shown.send_replace(Some(bytes))),
            PtyRequest::Ping | PtyRequest::Unknown(_) => {}
        }
        if typed.len() >= TYPED {
            flow.note_message(None);
        }
    }
    // The terminal has ended; the other direction reports that.
    std::future::pending().await
}

/// Sends the output, and a sign of life now and then. Returns how to close the socket, or `None` when the client cannot
/// be reached.
async fn send_output(
    sender: &mut Sender,
    replay: Bytes,
    output: &mut mpsc::Receiver<PtyReply>,
    flow: &FlowState,
) -> Option<Closing> {
    let (mut shown, mut typed) = (flow.shown.subscribe(), flow.typed.subscribe());
    let (mut sent, mut acknowledged) = (replay.len() as u64, 0);
    // The first frame is sent at once, even when it is empty: it says that there is a terminal.
    sender.send(Message::text(PtyReply::Output(replay).to_text())).await.ok()?;
    sender.send(Message::text(PtyReply::Received(acknowledged).to_text())).await.ok()?;
    let mut ticks = interval(PING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let room = shown.borrow_and_update().is_none_or(|shown| sent.saturating_sub(shown) < WINDOW);
        let message = tokio::select! {
            reply = output.recv(), if room => match reply {
                Some(reply @ PtyReply::Exit(_)) => {
                    sender.send(Message::text(reply.to_text())).await.ok()?;
                    return Some(OVER);
                }
                Some(reply) => {
                    if let PtyReply::Output(bytes) = &reply {
                        sent += bytes.len() as u64;
                    }
                    Message::text(reply.to_text())
                }
                None => return Some(SESSION_OVER),
            },
            // Both senders belong to `flow`, which is still alive.
            Ok(()) = shown.changed() => continue,
            Ok(()) = typed.changed() => {
                let taken = *typed.borrow_and_update();
                if taken - acknowledged < ACKNOWLEDGE_AFTER {
                    continue;
                }
                acknowledged = taken;
                Message::text(PtyReply::Received(taken).to_text())
            }
            _ = ticks.tick() => {
                if flow.silent_for_too_long() {
                    return Some(SILENT);
                }
                Message::Ping(Bytes::new())
            }
        };
        sender.send(message).await.ok()?;
    }
}

/// Sends a close frame and waits briefly for the client's.
async fn close(mut sender: Sender, mut receiver: Receiver, (code, reason): Closing) {
    let goodbye = async {
        let frame = CloseFrame { code, reason: reason.into() };
        if sender.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = receiver.next().await {}
        }
    };
    // A client that does not answer loses nothing: everything was sent.
    let _ = timeout(CLOSING, goodbye).await;
}
