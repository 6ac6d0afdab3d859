//! One who looks at a session's terminal, over a WebSocket.

use super::hub::{Attached, Command};
use crate::engine::session::Session;
use crate::protocol::pty::{PtyReply, PtyRequest};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How long the window's size is waited for before the shell starts. Not all clients tell one.
const FIRST_SIZE: Duration = Duration::from_millis(100);
/// How often a client is told that we live. It may be that we cannot read its pings, because the shell is not
/// reading what was typed before them.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long a client may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(45);
/// How long saying goodbye may take.
const CLOSING: Duration = Duration::from_secs(2);

type Sender = SplitSink<WebSocket, Message>;
type Receiver = SplitStream<WebSocket>;

/// How it ends, as a close code and a reason.
type Goodbye = (u16, &'static str);

const OVER: Goodbye = (close_code::NORMAL, "");
const SESSION_OVER: Goodbye =
    (close_code::AWAY, "the terminal was closed: its session ended, or this viewer was too slow");
const SILENT: Goodbye = (close_code::POLICY, "nothing was heard for too long");

pub(super) async fn serve(session: &Session, socket: WebSocket) {
    let (mut sender, mut receiver) = socket.split();
    let first = timeout(FIRST_SIZE, next(&mut receiver)).await;
    let size = match &first {
        Ok(Some(PtyRequest::Resize { rows, columns })) => Some((*rows, *columns)),
        Ok(None) => return,
        _ => None,
    };
    let attached = match session.shell.attach(session, size).await {
        Ok(attached) => attached,
        Err(error) => {
            let words = PtyReply::Error(format!("the shell could not be started: {error}")).to_text();
            // Whether it arrives changes nothing.
            let _ = sender.send(Message::text(words)).await;
            return close(sender, receiver, (close_code::ERROR, "no shell")).await;
        }
    };
    let Attached { replay, mut output, input, commands } = attached;
    let first = first.ok().flatten().filter(|_| size.is_none());
    let heard = Heard(Mutex::new(Some(Instant::now())));
    let goodbye = tokio::select! {
        goodbye = show(&mut sender, replay, &mut output, &heard) => goodbye,
        () = obey(&mut receiver, first, &input, &commands, &heard) => None,
    };
    match goodbye {
        Some(goodbye) => close(sender, receiver, goodbye).await,
        None => tracing::debug!(session = session.id(), "a viewer of the terminal left"),
    }
}

/// When the client was last heard; nothing while it is not being listened to.
struct Heard(Mutex<Option<Instant>>);

impl Heard {
    fn set(&self, at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    fn too_long_ago(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() > SILENCE_LIMIT)
    }
}

/// The next frame that says something; nothing when the client leaves.
async fn next(receiver: &mut Receiver) -> Option<PtyRequest> {
    loop {
        if let Some(request) = one(receiver).await? {
            return Some(request);
        }
    }
}

/// The next frame, be it one that says nothing. The outer nothing is a client that left.
async fn one(receiver: &mut Receiver) -> Option<Option<PtyRequest>> {
    let request = match receiver.next().await? {
        Ok(Message::Text(text)) => PtyRequest::parse(text.as_bytes()),
        Ok(Message::Binary(bytes)) => PtyRequest::parse(&bytes),
        Ok(_) => return Some(None),
        Err(_) => return None,
    };
    match request {
        Ok(request) => Some(Some(request)),
        Err(error) => {
            tracing::debug!(%error, "passed over");
            Some(None)
        }
    }
}

/// Does what the client says until it leaves.
async fn obey(
    receiver: &mut Receiver,
    mut first: Option<PtyRequest>,
    input: &tokio::sync::mpsc::Sender<Bytes>,
    commands: &tokio::sync::mpsc::Sender<Command>,
    heard: &Heard,
) {
    loop {
        let request = match first.take() {
            Some(request) => request,
            None => match one(receiver).await {
                Some(request) => {
                    heard.set(Some(Instant::now()));
                    let Some(request) = request else { continue };
                    request
                }
                None => return,
            },
        };
        let taken = match request {
            PtyRequest::Stdin(bytes) => {
                heard.set(None);
                let taken = input.send(bytes).await.is_ok();
                heard.set(Some(Instant::now()));
                taken
            }
            PtyRequest::Resize { rows, columns } => {
                commands.send(Command::Resize(rows, columns)).await.is_ok()
            }
            PtyRequest::Restart => commands.send(Command::Restart).await.is_ok(),
            PtyRequest::Ping | PtyRequest::Unknown(_) => true,
        };
        if !taken {
            // The terminal is over; the other direction says so.
            return std::future::pending().await;
        }
    }
}

/// Sends what is printed, with a sign of life now and then. Gives how to say goodbye, or nothing when the client
/// cannot be reached.
async fn show(
    sender: &mut Sender,
    replay: Bytes,
    output: &mut tokio::sync::mpsc::Receiver<PtyReply>,
    heard: &Heard,
) -> Option<Goodbye> {
    // The first frame comes at once, be it empty: it says that there is a terminal.
    sender.send(Message::text(PtyReply::Output(replay).to_text())).await.ok()?;
    let mut ticks = interval(PING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            reply = output.recv() => match reply {
                Some(reply @ PtyReply::Exit(_)) => {
                    sender.send(Message::text(reply.to_text())).await.ok()?;
                    return Some(OVER);
                }
                Some(reply) => Message::text(reply.to_text()),
                None => return Some(SESSION_OVER),
            },
            _ = ticks.tick() => {
                if heard.too_long_ago() {
                    return Some(SILENT);
                }
                Message::Ping(Bytes::new())
            }
        };
        sender.send(message).await.ok()?;
    }
}

/// Says goodbye and waits a moment for the client's own.
async fn close(mut sender: Sender, mut receiver: Receiver, (code, reason): Goodbye) {
    let goodbye = async {
        let frame = CloseFrame { code, reason: reason.into() };
        if sender.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = receiver.next().await {}
        }
    };
    // A client that does not answer loses nothing: everything was sent.
    let _ = timeout(CLOSING, goodbye).await;
}
