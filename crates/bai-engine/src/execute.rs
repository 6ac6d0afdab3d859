//! Code execution over plain HTTP (`docs/wire` §3), interrupt and completion.

use super::command::{SessionCommand, Work};
use super::error::{ApiError, ApiResult};
use super::frame::{self, Wanted};
use super::request::{json_body, json_reply, json_text, ready_session};
use super::run::{CollectOptions, End, Outcome, Run, RunInput};
use super::session::Session;
use super::state::ServerState;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use bai_protocol::byte_text;
use bai_protocol::complete::CompletionRequest;
use bai_protocol::execute::{IncomingExecute, InputPiece, RunId, TypedKeys};
use bai_protocol::signal::RunSignal;
use bai_runner::Kernel;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The genuine server waits 2 s. Here a reply goes out earlier, when there is output and no more comes for a moment.
const COLLECT_OPTIONS: CollectOptions = CollectOptions {
    window: Some(Duration::from_secs(2)),
    linger: Duration::from_millis(250),
    quiet: Duration::from_millis(30),
};

/// The error for a client with numbered frames when another such client takes over its run.
pub(super) const TAKEN_OVER: &str = "another client follows this run now";

/// `POST /{P}/{s}`.
pub(super) async fn execute(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    body: Body,
) -> ApiResult {
    let session = ready_session(&server, &reference)?;
    let body = json_body(body).await?;
    let call: IncomingExecute = serde_json::from_value(body.clone())
        .map_err(|error| ApiError::malformed_body(format!("the body is not an execute request: {error}")))?;
    let (received, wanted) = (call.received, Wanted::of(&call));
    let run = match call.mode.as_deref() {
        Some("query") => begin(&session, call.run_id(), Work::query(call)).await?,
        Some("batch") => begin(&session, call.run_id(), Work::batch(&call)).await?,
        Some("continue") => continued(&session, &call).await?,
        Some("input") => {
            let run = continued(&session, &call).await?;
            let input = match call.end {
                Some(end) => RunInput::Piece(InputPiece { input: call.code, end, ahead: call.ahead }.into()),
                None => RunInput::Line(call.code),
            };
            answer(&session, &run, input).await;
            run
        }
        Some("complete") => {
            let completion = complete_at(&session, &body).await?;
            return Ok(json_reply(StatusCode::OK, &json!({"result": completion})));
        }
        None | Some("") => return Err(ApiError::invalid_params("mode is missing")),
        Some(other) => return Err(ApiError::invalid_params(format!("mode has an invalid value: {other}"))),
    };
    let collector = run.attach(received);
    let Some(delivery) = collector.collect(COLLECT_OPTIONS, 0).await else {
        return Err(ApiError::invalid_state(TAKEN_OVER));
    };
    if let Outcome::Ended(End::Destroyed(why)) = &delivery.outcome {
        return Err(ApiError::execution_failed(why));
    }
    if matches!(delivery.outcome, Outcome::Ended(End::Shutdown)) {
        return Err(shutting_down());
    }
    let text = frame::reply(&delivery, wanted, run.id().as_str());
    delivery.delivered();
    Ok(json_text(StatusCode::OK, text))
}

fn shutting_down() -> ApiError {
    let title = "The server is shutting down.";
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "service-unavailable",
        title,
        "backendai_generic_unavailable",
    )
}

/// Queues a run. Without an id from the client it gets a random id.
pub(super) async fn begin(session: &Session, id: Option<RunId>, work: Work) -> ApiResult<Arc<Run>> {
    let id = id.unwrap_or_else(RunId::random);
    let run = session.enter(id.clone()).ok_or_else(|| in_use(&id))?;
    enter(session, run.clone(), SessionCommand::Begin(run, work)).await
}

/// Follows what no run owns. The session treats it as a run that never ends by itself.
pub(super) async fn listen(session: &Session, id: Option<RunId>) -> ApiResult<Arc<Run>> {
    let id = id.unwrap_or_else(RunId::random);
    let listener = session.enter_listener(id.clone()).ok_or_else(|| in_use(&id))?;
    enter(session, listener.clone(), SessionCommand::Listen(listener)).await
}

async fn enter(session: &Session, run: Arc<Run>, command: SessionCommand) -> ApiResult<Arc<Run>> {
    if session.command(command).await {
        Ok(run)
    } else {
        Err(ApiError::no_such_session().because("the session has just ended"))
    }
}

fn in_use(id: &RunId) -> ApiError {
    ApiError::invalid_state(format!("a run with the id {id} is not over; continue it or choose another id"))
}

/// The run that a call continues.
pub(super) fn known_run(session: &Session, id: Option<RunId>) -> ApiResult<Arc<Run>> {
    let id = id.ok_or_else(|| ApiError::invalid_params("continuation requires explicit run ID"))?;
    session.run(&id).ok_or_else(|| ApiError::no_such_run(id.as_str()))
}

/// The run that a call continues, which may have another window now.
async fn continued(session: &Session, call: &IncomingExecute) -> ApiResult<Arc<Run>> {
    let run = known_run(session, call.run_id())?;
    if let Some(window) = call.window {
        session.command(SessionCommand::Window(run.clone(), window)).await;
    }
    Ok(run)
}

/// Gives the run input, now or at its next question.
pub(super) async fn answer(session: &Session, run: &Arc<Run>, input: RunInput) {
    if let Some(input) = run.input(input) {
        session.command(SessionCommand::Input(run.clone(), input)).await;
    }
}

/// `POST /{P}/{s}/interrupt`: succeeds also when no run is active. The body may name a run (`runId`), and another signal
/// for it, or be for what goes on between two runs (`idle`).
pub(super) async fn interrupt(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    body: Body,
) -> ApiResult {
    let session = ready_session(&server, &reference)?;
    let body = json_body(body).await?;
    let run = body.get("runId").and_then(Value::as_str).map(RunId::from_wire);
    let command = match (run, body.get("signal").is_some_and(|signal| !signal.is_null())) {
        (None, false) if body.get("idle") == Some(&Value::Bool(true)) => SessionCommand::InterruptIdle,
        (run, false) => SessionCommand::Interrupt(run),
        (Some(run), true) => {
            let signal: RunSignal = serde_json::from_value(body)
                .map_err(|error| ApiError::invalid_params(format!("signal: {error}")))?;
            SessionCommand::Signal(run, signal)
        }
        (None, true) => return Err(ApiError::invalid_params("a signal needs the run that it is for")),
    };
    session.command(command).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /{P}/{s}/secret`: the answer to a script that asks for a secret; null ends its question.
pub(super) async fn secret(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    body: Body,
) -> ApiResult {
    let session = ready_session(&server, &reference)?;
    let body = json_body(body).await?;
    let run = body.get("runId").and_then(Value::as_str).map(RunId::from_wire);
    let run = run.ok_or_else(|| ApiError::invalid_params("a secret needs the run that it is for"))?;
    let secret = body.get("secret").and_then(Value::as_str).map(str::to_owned);
    session.command(SessionCommand::Secret(run, secret)).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /{P}/{s}/keys`: what was typed for a script that wants keys.
pub(super) async fn keys(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    body: Body,
) -> ApiResult {
    let session = ready_session(&server, &reference)?;
    let TypedKeys { run_id, keys } = serde_json::from_value(json_body(body).await?)
        .map_err(|error| ApiError::invalid_params(format!("keys: {error}")))?;
    let keys = byte_text::bytes(&keys).into_owned();
    session.command(SessionCommand::Keys(RunId::from_wire(run_id), keys)).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /{P}/{s}/complete`.
pub(super) async fn complete(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    body: Body,
) -> ApiResult {
    let session = ready_session(&server, &reference)?;
    let body = json_body(body).await?;
    Ok(json_reply(StatusCode::OK, &complete_at(&session, &body).await?))
}

async fn complete_at(session: &Session, body: &Value) -> ApiResult<Value> {
    let options = body.get("options").cloned().unwrap_or_default();
    let request = CompletionRequest {
        code: body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned(),
        // Malformed options are ignored; only the code is used then.
        options: serde_json::from_value(options).unwrap_or_default(),
    };
    let (asker, kernel) = oneshot::channel::<Kernel>();
    session.command(SessionCommand::Kernel(asker)).await;
    let kernel =
        kernel.await.map_err(|_| ApiError::no_such_session().because("the session has just ended"))?;
    Ok(kernel.complete(request).await.to_wire())
}
