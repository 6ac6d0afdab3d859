//! `bai-repl watch`: follows one session to its end, and tells by its exit code whether a batch session has succeeded. The events
//! themselves are those of `events`.

use super::events;
use crate::cli::args::Subject;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::stop_signals::StopSignal;
use crate::cli::table::{self, report};
use crate::render::Flow;
use crate::terminal;
use bai_client::{BatchOutcome, ComputeSession, ErrorKind, EventStream, SessionStatus};
use serde_json::json;

/// Shows the status now, each event, and the result. Ctrl-C interrupts it: the result is not known then.
pub(in crate::cli) async fn run(context: &CommandContext, subject: &Subject) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    let interrupted = terminal::interrupt_unless_ignored();
    let mut events = session.events();
    tokio::select! {
        biased;
        () = interrupted => Ok(StopSignal::Interrupt.exit()),
        () = table::reader_gone() => Ok(ExitStatus::Ok),
        ended = follow(context, &session, &mut events) => ended,
    }
}

async fn follow(
    context: &CommandContext,
    session: &ComputeSession,
    events: &mut EventStream,
) -> Result<ExitStatus, CliError> {
    // The status is read after it, so that no change is missed. Servers do not find a session that is over.
    match events.connected().await {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let status = status(session).await?;
    let told = json!({"event": "status", "session": session.name(), "id": session.id(), "status": status});
    report(context, &told, &format!("session {} is {}", session.name(), status.name()))?;
    let mut is_over = status.is_dead() && status != SessionStatus::Terminating;
    while !is_over {
        let event = events.next().await.ok_or_else(events::server_has_ended)?;
        if events::show(context, &event)? == Flow::Closed {
            return Ok(ExitStatus::Ok);
        }
        is_over = events::is_end(&event);
    }
    let outcome = session.wait_until_over(None, |_| ()).await?;
    let (result, exit) = match outcome {
        BatchOutcome::Success => ("success", ExitStatus::Ok),
        BatchOutcome::Failure => ("failure", ExitStatus::Failed),
        _ => return Ok(ExitStatus::Ok),
    };
    let over = json!({"event": "result", "session": session.name(), "id": session.id(), "result": result});
    report(context, &over, &format!("the command of session {} ended with {result}", session.name()))?;
    Ok(exit)
}

async fn status(session: &ComputeSession) -> Result<SessionStatus, CliError> {
    match session.info().await {
        Ok(info) => Ok(info.status.unwrap_or(SessionStatus::Running)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(session.summary().await?.status),
        Err(error) => Err(error.into()),
    }
}
