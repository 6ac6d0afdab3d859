//! Code execution over a WebSocket (`protocol.md` §3.10).
//!
//! Two differences to the genuine server, both on purpose: the socket is read all the time, so that pings, close frames
//! and input are never late; and a client that goes away leaves its run to go on, to be continued over HTTP or by a new
//! socket whose first frame is `{"mode": "continue", "runId": …}`. The first frame of a new run may bring a `runId` too.

use super::Shared;
use super::actor::Work;
use super::execute::{answer, begin, known_run};
use super::frame;
use super::refusal::{Answer, Refusal};
use super::request::{BODY_LIMIT, ready_session};
use super::run::{Delivery, End, Outcome, Patience, Run};
use super::session::Session;
use crate::protocol::execute::{IncomingExecute, RunStatus};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a client may take to say what it wants, and to answer a close frame.
const FIRST_FRAME: Duration = Duration::from_secs(30);
const CLOSING: Duration = Duration::from_secs(2);
/// How long output waits for company: a moment after a silence, longer in a stream of it.
const AFTER_SILENCE: Duration = Duration::from_millis(2);
const IN_A_STREAM: Duration = Duration::from_millis(8);
const SILENCE: Duration = Duration::from_millis(50);

type Sender = SplitSink<WebSocket, Message>;

/// `GET /stream/{P}/{s}/execute`.
pub(super) async fn execute(
    State(shared): State<Arc<Shared>>,
    Path(reference): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Answer<Response> {
    let session = ready_session(&shared, &reference)?;
    let upgrade = upgrade.max_message_size(BODY_LIMIT).max_frame_size(BODY_LIMIT);
    Ok(upgrade.on_upgrade(move |socket| async move { serve(&session, socket).await }))
}

async fn serve(session: &Session, socket: WebSocket) {
    let (mut sender, mut receiver) = socket.split();
    let run = match first_frame(session, &mut receiver).await {
        Some(Ok(run)) => run,
        Some(Err(why)) => return say_error(sender, receiver, RunStatus::Error, &why).await,
        None => return,
    };
    let attached = run.attach();
    let end = tokio::select! {
        end = write(&run, &mut sender) => end,
        () = read(session, &run, &mut receiver) => None,
    };
    drop(attached);
    match end {
        Some(End::Finished(_)) => close(sender, receiver).await,
        Some(End::Destroyed(why)) => say_error(sender, receiver, RunStatus::Error, &why).await,
        Some(End::Shutdown) => {
            say_error(sender, receiver, RunStatus::ServerRestarting, "The engine is shutting down.").await;
        }
        None => tracing::debug!(session = session.id(), run = %run.id(), "the client left; the run goes on"),
    }
}

/// Reads what the client wants. `None` when it left before it said so.
async fn first_frame(
    session: &Session,
    receiver: &mut SplitStream<WebSocket>,
) -> Option<Result<Arc<Run>, String>> {
    let text = match timeout(FIRST_FRAME, next_text(receiver)).await {
        Ok(text) => text?,
        Err(_) => return Some(Err("Invalid API parameters: no frame told what to run".to_owned())),
    };
    let call: IncomingExecute = match serde_json::from_str(&text) {
        Ok(call) => call,
        Err(error) => return Some(Err(format!("Invalid API parameters: {error}"))),
    };
    let begun = match call.mode.as_deref() {
        Some("query") => begin(session, call.run_id(), Work::Query(call.code)).await,
        Some("batch") => begin(session, call.run_id(), Work::Batch(call.batch())).await,
        Some("continue") => known_run(session, call.run_id()),
        None | Some("") => Err(Refusal::invalid_params("mode is missing or empty!")),
        Some(_) => Err(Refusal::invalid_params("mode has an invalid value.")),
    };
    Some(begun.map_err(|refusal| format!("BackendError: {}", refusal.summary())))
}

/// The next frame of text, whichever kind of frame it came in; nothing when the client leaves.
async fn next_text(receiver: &mut SplitStream<WebSocket>) -> Option<String> {
    let mut leaving = false;
    // Reading on after a close frame is what sends the answer to it.
    while let Some(Ok(message)) = receiver.next().await {
        match message {
            Message::Text(text) if !leaving => return Some(text.as_str().to_owned()),
            Message::Binary(bytes) if !leaving => {
                if let Ok(text) = std::str::from_utf8(&bytes) {
                    return Some(text.to_owned());
                }
            }
            Message::Close(_) => leaving = true,
            _ => {}
        }
    }
    None
}

/// Hands input to the run until the client leaves.
async fn read(session: &Session, run: &Arc<Run>, receiver: &mut SplitStream<WebSocket>) {
    while let Some(text) = next_text(receiver).await {
        answer(session, run, text).await;
    }
}

/// Sends what the run says. Gives its end, or `None` when the client cannot be reached.
async fn write(run: &Arc<Run>, sender: &mut Sender) -> Option<End> {
    let mut seen = 0;
    let mut last_frame: Option<Instant> = None;
    loop {
        let in_a_stream = last_frame.is_some_and(|at| at.elapsed() < SILENCE);
        let wait = if in_a_stream { IN_A_STREAM } else { AFTER_SILENCE };
        let delivery = run.collect(Patience { window: None, linger: wait, quiet: wait }, seen).await;
        match &delivery.outcome {
            Outcome::Waiting { question, .. } => seen = *question,
            Outcome::Ended(end @ (End::Destroyed(_) | End::Shutdown)) => {
                let end = end.clone();
                if !delivery.items.is_empty() {
                    send_as_continued(delivery, sender).await?;
                }
                return Some(end);
            }
            _ => {}
        }
        let frame = frame::frame(&delivery);
        sender.send(Message::text(frame)).await.ok()?;
        last_frame = Some(Instant::now());
        let outcome = delivery.outcome.clone();
        delivery.delivered();
        if let Outcome::Ended(end) = outcome {
            return Some(end);
        }
    }
}

/// An error frame has no console, so the last output goes before it.
async fn send_as_continued(mut delivery: Delivery, sender: &mut Sender) -> Option<()> {
    delivery.outcome = Outcome::Continued;
    sender.send(Message::text(frame::frame(&delivery))).await.ok()?;
    delivery.delivered();
    Some(())
}

async fn say_error(mut sender: Sender, receiver: SplitStream<WebSocket>, status: RunStatus, why: &str) {
    let frame = frame::error_frame(status, why);
    if let Ok(Ok(())) = timeout(CLOSING, sender.send(Message::text(frame))).await {
        close(sender, receiver).await;
    }
}

/// Says goodbye and waits a moment for the client's own.
async fn close(mut sender: Sender, mut receiver: SplitStream<WebSocket>) {
    let goodbye = async {
        let frame =
            axum::extract::ws::CloseFrame { code: axum::extract::ws::close_code::NORMAL, reason: "".into() };
        if sender.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = receiver.next().await {}
        }
    };
    // A client that does not answer loses nothing: everything was sent.
    let _ = timeout(CLOSING, goodbye).await;
}
