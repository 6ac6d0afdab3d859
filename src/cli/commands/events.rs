//! `bai-repl events`: shows the events of sessions as they happen.

use crate::cli::args::Events;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::json_lines;
use crate::cli::server::Server;
use crate::cli::table::{self, put_json, write};
use crate::render::{Flow, sanitize};
use crate::terminal;
use bai_client::{ComputeSession, EventStream};
use bai_protocol::events::SessionEvent;
use bai_protocol::status::SessionStatus;
use jiff::Timestamp;
use serde_json::json;

/// Maximum width of a name and of a reason.
const WIDTH: usize = 80;

/// Follows the events. Those of one session end with the session, those of all sessions with Ctrl-C, which is a success.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Events) -> Result<ExitStatus, CliError> {
    let server = Server::find(context).await?;
    let one = match &flags.session {
        Some(name) => Some(super::find(context, &server, name).await?),
        None => None,
    };
    let mut events = one.as_ref().map_or_else(|| server.api.events(), |session| session.events());
    let interrupted = terminal::interrupt_unless_ignored();
    tokio::select! {
        biased;
        () = interrupted => Ok(ExitStatus::Ok),
        () = table::reader_gone() => Ok(ExitStatus::Ok),
        ended = follow(context, &mut events, one.as_ref()) => ended,
    }
}

async fn follow(
    context: &CommandContext,
    events: &mut EventStream,
    one: Option<&ComputeSession>,
) -> Result<ExitStatus, CliError> {
    events.connected().await?;
    if let Some(session) = one {
        check_not_lost(session).await?;
    }
    if context.global.json {
        put_json(&json!({"event": "connected"}))?;
    } else if !context.global.quiet {
        eprintln!("following the events (Ctrl-C stops)");
    }
    while let Some(event) = events.next().await {
        let flow = show(context, &event)?;
        if flow == Flow::Closed || one.is_some() && is_end(&event) {
            return Ok(ExitStatus::Ok);
        }
    }
    Err(server_has_ended())
}

/// Shows one event.
pub(super) fn show(context: &CommandContext, event: &SessionEvent) -> Result<Flow, CliError> {
    write(&if context.global.json { for_programs(event) } else { for_people(event) })
}

/// Whether it is the last event of its session.
pub(super) fn is_end(event: &SessionEvent) -> bool {
    matches!(event.status(), Some(SessionStatus::Terminated | SessionStatus::Cancelled | SessionStatus::Lost))
}

/// The error when the events of a server have ended.
pub(super) fn server_has_ended() -> CliError {
    CliError::new(ExitStatus::Lost, "no more events: the server has ended, and its sessions with it")
}

/// A lost session has ended, so it has no more events.
async fn check_not_lost(session: &ComputeSession) -> Result<(), CliError> {
    let info = session.info().await?;
    if info.status != Some(SessionStatus::Lost) {
        return Ok(());
    }
    let files = info.status_info.map(|files| format!("; {files}")).unwrap_or_default();
    let sentence = format!("the session {} is lost, so it has no more events{files}", session.name());
    Err(CliError::new(ExitStatus::NotFound, sentence))
}

fn for_programs(event: &SessionEvent) -> String {
    let data = &event.data;
    json_lines::line(&json!({
        "event": event.name, "time": Timestamp::now().to_string(), "session": data.session_name,
        "id": data.session_id, "reason": data.reason, "exitCode": data.exit_code, "kernelId": data.kernel_id,
    }))
}

fn for_people(event: &SessionEvent) -> String {
    let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
    let data = &event.data;
    let [name, session, reason] =
        [&event.name, &data.session_name, &data.reason].map(|text| sanitize::name(text, WIDTH));
    let code = data.exit_code.map(|code| format!("exit code {code}")).unwrap_or_default();
    format!("{}\n", format!("{time}  {name:<20}  {session}  {reason}  {code}").trim_end())
}
