//! Code execution over a WebSocket (`docs/wire` §3.10).
//!
//! There are two deliberate differences from the genuine server. The socket is read all the time, so that pings, close
//! frames and input are never late. And a run continues when its client goes away: it can be continued over HTTP or by
//! a new socket whose first frame is `{"mode": "continue", "runId": …}`. The first frame of a new run may contain a
//! `runId` too.
//!
//! A client whose first frame has the mode `listen` follows the output that no run owns.
//!
//! A client whose first frame contains `received` (0 for a new run) gets numbered frames (`seq`). It acknowledges them
//! now and then in a binary frame `{"received": N}`. After a broken connection it gets the missing frames again. If its first frame
//! contains `binary: true` too, text comes in binary frames, and its input may.

use super::command::{SessionCommand, Work};
use super::error::{ApiError, ApiResult};
use super::execute::{TAKEN_OVER, answer, begin, known_run, listen};
use super::frame::{self, Wanted};
use super::request::{BODY_LIMIT, ready_session};
use super::run::{CollectOptions, Collector, Delivery, End, Outcome, Run, RunInput};
use super::session::Session;
use super::state::ServerState;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use bai_protocol::binary_frame::InputBytes;
use bai_protocol::execute::{IncomingExecute, InputPiece, RunStatus, Window, WindowChange};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a client may take to send its first frame: it may open a socket for a run that comes later.
const FIRST_FRAME: Duration = Duration::from_secs(300);
/// How long a client may take to answer a close frame.
const CLOSING: Duration = Duration::from_secs(2);
/// How long output waits for more output within a stream. After a silence, the output of a run does not wait. That of a listener
/// does, briefly: it is drawn above a line that is being edited, and a program may write a line in two steps.
const IN_A_STREAM: Duration = Duration::from_millis(8);
const OF_LISTENER: Duration = Duration::from_millis(2);
const SILENCE: Duration = Duration::from_millis(50);

type Sender = SplitSink<WebSocket, Message>;

/// `GET /stream/{P}/{s}/execute`.
pub(super) async fn execute(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    upgrade: WebSocketUpgrade,
) -> ApiResult<Response> {
    let session = ready_session(&server, &reference)?;
    let upgrade = upgrade.max_message_size(BODY_LIMIT).max_frame_size(BODY_LIMIT);
    Ok(upgrade.on_upgrade(move |socket| async move { serve(&session, socket).await }))
}

/// Why a socket is no longer served.
enum StreamEnd {
    /// The client cannot be reached.
    Left,
    /// Another client has taken over the run.
    TakenOver,
    /// The run has ended.
    Ended(End),
}

async fn serve(session: &Session, socket: WebSocket) {
    let (mut sender, mut receiver) = socket.split();
    let first = tokio::select! {
        biased;
        first = first_frame(session, &mut receiver) => first,
        // Nothing can run on it any more.
        () = session.stop.cancelled() => {
            let _ = close(sender, receiver).await;
            return;
        }
    };
    let FirstFrame { run, received, wanted, after_silence } = match first {
        Some(Ok(begun)) => begun,
        Some(Err(why)) => return send_error(sender, receiver, RunStatus::Error, &why).await,
        None => return,
    };
    let collector = run.attach(received).steady();
    let over = tokio::select! {
        over = write(&run, &collector, wanted, after_silence, &mut sender) => over,
        () = collector.taken_over() => StreamEnd::TakenOver,
        () = read(session, &run, &collector, wanted, &mut receiver) => StreamEnd::Left,
    };
    match over {
        StreamEnd::Ended(End::Finished(_)) => {
            if close(sender, receiver).await {
                collector.received(u64::MAX);
            }
        }
        StreamEnd::Ended(End::Destroyed(why)) => send_error(sender, receiver, RunStatus::Error, &why).await,
        StreamEnd::Ended(End::Shutdown) => {
            send_error(sender, receiver, RunStatus::ServerRestarting, "The engine is shutting down.").await;
        }
        StreamEnd::TakenOver => {
            drop(collector);
            send_error(sender, receiver, RunStatus::Error, TAKEN_OVER).await;
        }
        StreamEnd::Left => {
            tracing::debug!(session = session.id(), run = %run.id(), "the client left; the run goes on")
        }
    }
}

/// What a client asks for in its first frame.
struct FirstFrame {
    run: Arc<Run>,
    /// The number of the last frame that the client has, if it counts them.
    received: Option<u64>,
    wanted: Wanted,
    /// How long its first output after a silence waits for more.
    after_silence: Duration,
}

/// Reads the first frame. `None` when the client left before.
async fn first_frame(
    session: &Session,
    receiver: &mut SplitStream<WebSocket>,
) -> Option<Result<FirstFrame, String>> {
    let text = match timeout(FIRST_FRAME, next_message(receiver, |_| None)).await {
        Ok(Some(FromClient::Input(RunInput::Line(text)))) => text,
        Ok(_) => return None,
        Err(_) => return Some(Err("Invalid API parameters: the first frame is missing".to_owned())),
    };
    let call: IncomingExecute = match serde_json::from_str(&text) {
        Ok(call) => call,
        Err(error) => return Some(Err(format!("Invalid API parameters: {error}"))),
    };
    let (received, wanted) = (call.received, Wanted::of(&call));
    let listens = call.mode.as_deref() == Some("listen");
    let after_silence = if listens { OF_LISTENER } else { Duration::ZERO };
    let begun = match call.mode.as_deref() {
        Some("query") => begin(session, call.run_id(), Work::query(call)).await,
        Some("batch") => begin(session, call.run_id(), Work::batch(&call)).await,
        Some("listen") if received.is_none() => {
            Err(ApiError::invalid_params("a listener has to count frames"))
        }
        Some("listen") => listen(session, call.run_id()).await,
        Some("continue") => known_run(session, call.run_id()),
        None | Some("") => Err(ApiError::invalid_params("mode is missing or empty!")),
        Some(_) => Err(ApiError::invalid_params("mode has an invalid value.")),
    };
    Some(
        begun
            .map(|run| FirstFrame { run, received, wanted, after_silence })
            .map_err(|refusal| format!("BackendError: {}", refusal.summary())),
    )
}

/// A binary frame that is no input line.
enum Note {
    /// It was handled.
    Done,
    /// A piece of the input.
    Piece(InputBytes<'static>),
    /// The window has changed.
    Window(Window),
}

/// What a client sends while its run goes on.
enum FromClient {
    Input(RunInput),
    Window(Window),
}

/// The next message: a text, in a text frame or a binary one that `note` does not know, or a note. `None` when the client leaves.
async fn next_message(
    receiver: &mut SplitStream<WebSocket>,
    mut note: impl FnMut(&[u8]) -> Option<Note>,
) -> Option<FromClient> {
    let line = |text: &str| Some(FromClient::Input(RunInput::Line(text.to_owned())));
    let mut leaving = false;
    // The answer to a close frame is sent by reading on.
    while let Some(Ok(message)) = receiver.next().await {
        match message {
            Message::Text(text) if !leaving => return line(text.as_str()),
            Message::Binary(bytes) if !leaving => match note(&bytes) {
                Some(Note::Done) => {}
                Some(Note::Piece(piece)) => return Some(FromClient::Input(RunInput::Piece(piece))),
                Some(Note::Window(window)) => return Some(FromClient::Window(window)),
                None => {
                    if let Ok(text) = std::str::from_utf8(&bytes) {
                        return line(text);
                    }
                }
            },
            Message::Close(_) => leaving = true,
            _ => {}
        }
    }
    None
}

/// Hands input and changes of the window to the run, and acknowledgements to `collector`, until the client leaves.
async fn read(
    session: &Session,
    run: &Arc<Run>,
    collector: &Collector,
    wanted: Wanted,
    receiver: &mut SplitStream<WebSocket>,
) {
    #[derive(serde::Deserialize)]
    struct Received {
        received: u64,
    }
    let note = |bytes: &[u8]| {
        if !collector.counts() {
            return None;
        }
        if let Some(piece) = InputBytes::from_frame(bytes).filter(|_| wanted.binary) {
            let InputBytes { bytes, end, ahead } = piece;
            return Some(Note::Piece(InputBytes { bytes: bytes.into_owned().into(), end, ahead }));
        }
        if let Ok(piece) = serde_json::from_slice::<InputPiece>(bytes) {
            return Some(Note::Piece(piece.into()));
        }
        if let Ok(change) = serde_json::from_slice::<WindowChange>(bytes) {
            return Some(Note::Window(change.window));
        }
        let received = serde_json::from_slice::<Received>(bytes).ok()?;
        collector.received(received.received);
        Some(Note::Done)
    };
    while let Some(message) = next_message(receiver, note).await {
        match message {
            FromClient::Input(input) => answer(session, run, input).await,
            FromClient::Window(window) => {
                session.command(SessionCommand::Window(run.clone(), window)).await;
            }
        }
    }
}

/// Sends the run's output until the run ends or the client leaves. When an active run is silent, an empty frame reports
/// that the run has begun. The genuine server sends such a frame every two seconds.
async fn write(
    run: &Run,
    collector: &Collector,
    wanted: Wanted,
    after_silence: Duration,
    sender: &mut Sender,
) -> StreamEnd {
    let silence = async {
        run.begun().await;
        tokio::time::sleep(SILENCE).await;
    };
    tokio::pin!(silence);
    let mut seen = 0;
    let mut last_frame: Option<Instant> = None;
    loop {
        let in_a_stream = last_frame.is_some_and(|at| at.elapsed() < SILENCE);
        let wait = if in_a_stream { IN_A_STREAM } else { after_silence };
        let options = CollectOptions { window: None, linger: wait, quiet: wait };
        let collected = tokio::select! {
            biased;
            collected = collector.collect(options, seen) => collected,
            () = &mut silence, if last_frame.is_none() => {
                if sender.send(Message::text(frame::empty_frame())).await.is_err() {
                    return StreamEnd::Left;
                }
                last_frame = Some(Instant::now());
                continue;
            }
        };
        let Some(delivery) = collected else { return StreamEnd::TakenOver };
        match &delivery.outcome {
            Outcome::Waiting { question, .. } => seen = *question,
            Outcome::Ended(end @ (End::Destroyed(_) | End::Shutdown)) => {
                let end = end.clone();
                let is_sent = delivery.items.is_empty() || send_as_continued(delivery, wanted, sender).await;
                return if is_sent { StreamEnd::Ended(end) } else { StreamEnd::Left };
            }
            _ => {}
        }
        let message = match frame::output(&delivery, wanted) {
            Some(frame) => Message::binary(frame),
            None => Message::text(frame::frame(&delivery, wanted)),
        };
        if sender.send(message).await.is_err() {
            return StreamEnd::Left;
        }
        last_frame = Some(Instant::now());
        let outcome = delivery.outcome.clone();
        delivery.delivered();
        if let Outcome::Ended(end) = outcome {
            return StreamEnd::Ended(end);
        }
    }
}

/// An error frame has no console, so the last output is sent before it.
async fn send_as_continued(mut delivery: Delivery, wanted: Wanted, sender: &mut Sender) -> bool {
    delivery.outcome = Outcome::Continued;
    let is_sent = sender.send(Message::text(frame::frame(&delivery, wanted))).await.is_ok();
    if is_sent {
        delivery.delivered();
    }
    is_sent
}

async fn send_error(mut sender: Sender, receiver: SplitStream<WebSocket>, status: RunStatus, why: &str) {
    let frame = frame::error_frame(status, why);
    if let Ok(Ok(())) = timeout(CLOSING, sender.send(Message::text(frame))).await {
        let _ = close(sender, receiver).await;
    }
}

/// Sends a close frame and waits briefly for the client's. Returns whether that came: then the client has received
/// everything.
async fn close(mut sender: Sender, mut receiver: SplitStream<WebSocket>) -> bool {
    let goodbye = async {
        let frame =
            axum::extract::ws::CloseFrame { code: axum::extract::ws::close_code::NORMAL, reason: "".into() };
        let mut came = false;
        if sender.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(message)) = receiver.next().await {
                came |= matches!(message, Message::Close(_));
            }
        }
        came
    };
    timeout(CLOSING, goodbye).await.unwrap_or(false)
}
