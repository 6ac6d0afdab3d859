//! `bai-repl ls`: lists the sessions.

use crate::cli::args::{Ls, LsColumn};
use crate::cli::context::CommandContext;
use crate::cli::daemon::print_wait;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::name_cache::{self, NameKind};
use crate::cli::server::Server;
use crate::cli::table::{self, Column, Row};
use crate::format;
use bai_client::{Api, SessionSummary};
use bai_protocol::status::SessionStatus;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Lists the live and the lost sessions, or those that the flags select.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Ls) -> Result<ExitStatus, CliError> {
    let statuses = parse_statuses(&flags.status)?;
    let Some(server) = Server::find_running(context, &print_wait).await? else {
        table::note(context, "there are no sessions: no background engine is running");
        return Ok(ExitStatus::Ok);
    };
    let sessions = sessions(&server.api, flags, &statuses).await?;
    if statuses.is_empty() && !flags.all {
        let names = sessions.iter().filter_map(|session| session.name.as_deref());
        name_cache::remember(NameKind::Sessions, context, names);
    }
    print(context, sessions, flags)
}

/// Lists the sessions of this server for the prompt. Their names are not cached, because an engine may end with its prompt.
pub(in crate::cli) async fn list(
    context: &CommandContext,
    api: &Api,
    flags: &Ls,
) -> Result<ExitStatus, CliError> {
    let sessions = sessions(api, flags, &parse_statuses(&flags.status)?).await?;
    print(context, sessions, flags)
}

async fn sessions(
    api: &Api,
    flags: &Ls,
    statuses: &[SessionStatus],
) -> Result<Vec<SessionSummary>, CliError> {
    if statuses.is_empty() && !flags.all {
        Ok(api.live_and_lost_sessions().await?)
    } else {
        Ok(api.sessions(statuses).await?)
    }
}

fn print(
    context: &CommandContext,
    mut sessions: Vec<SessionSummary>,
    flags: &Ls,
) -> Result<ExitStatus, CliError> {
    sessions.sort_by_cached_key(|session| (text(session, flags.sort), session.id.clone()));
    if flags.reverse {
        sessions.reverse();
    }
    let now = Timestamp::now();
    let row = |session: &SessionSummary| Row {
        json: for_programs(session),
        cells: flags.columns.iter().map(|column| cell(session, *column, now)).collect(),
    };
    let columns: Vec<_> = flags.columns.iter().map(|column| Column::of(name(*column))).collect();
    let exit = table::print(context, &columns, &sessions.iter().map(row).collect::<Vec<_>>())?;
    for lost in sessions.iter().filter(|session| session.status == SessionStatus::Lost) {
        table::note(context, &about_lost(context, lost));
    }
    Ok(exit)
}

/// Where the files of a lost session are, and what can be done about it.
fn about_lost(context: &CommandContext, session: &SessionSummary) -> String {
    let name = session.name.as_deref().unwrap_or(&session.id);
    let files = session.status_info.as_deref().unwrap_or_default();
    let rm = context.front_end.command("rm");
    format!("{name} is lost, but {files}; a new session of its name gets them, and {rm} {name} deletes them")
}

/// Parses statuses. An unknown one is an error here: it would match no session, or break the server's reply.
fn parse_statuses(names: &[String]) -> Result<Vec<SessionStatus>, CliError> {
    let known = |name: &String| match SessionStatus::from(name.trim().to_owned()) {
        SessionStatus::Unknown(name) => {
            Err(CliError::new(ExitStatus::Usage, format!("\"{name}\" is not a status of a session")).hint(
                "examples are PENDING, PREPARING, RUNNING, TERMINATING, TERMINATED, ERROR and CANCELLED",
            ))
        }
        status => Ok(status),
    };
    names.iter().map(known).collect()
}

fn name(column: LsColumn) -> &'static str {
    match column {
        LsColumn::Name => "name",
        LsColumn::Status => "status",
        LsColumn::Reason => "reason",
        LsColumn::Image => "image",
        LsColumn::Created => "created",
        LsColumn::Ended => "ended",
        LsColumn::Tag => "tag",
        LsColumn::Project => "project",
        LsColumn::Id => "id",
    }
}

/// The server's text for a column.
fn text(session: &SessionSummary, column: LsColumn) -> String {
    let text = match column {
        LsColumn::Name => &session.name,
        LsColumn::Status => return session.status.name().to_owned(),
        LsColumn::Reason => &session.status_info,
        LsColumn::Image => &session.image,
        LsColumn::Created => &session.created_at,
        LsColumn::Ended => &session.terminated_at,
        LsColumn::Tag => &session.tag,
        LsColumn::Project => &session.group,
        LsColumn::Id => return session.id.clone(),
    };
    text.clone().unwrap_or_default()
}

fn cell(session: &SessionSummary, column: LsColumn, now: Timestamp) -> String {
    let text = text(session, column);
    let is_time = matches!(column, LsColumn::Created | LsColumn::Ended);
    if is_time && !text.is_empty() { format::ago(&text, now) } else { text }
}

fn for_programs(session: &SessionSummary) -> Value {
    json!({
        "name": session.name, "status": session.status, "reason": session.status_info, "image": session.image,
        "created": session.created_at, "ended": session.terminated_at, "tag": session.tag,
        "project": session.group, "id": session.id,
    })
}
