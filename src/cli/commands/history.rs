//! `bai-repl status-history`, `graph` and `abuse-report`: what a server remembers of a session and its relations.

use crate::cli::args::Subject;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table::{self, Column, Row};
use crate::format;
use bai_client::{DependencyNode, ErrorKind};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

/// How far down a graph is shown. Its depth is a server's.
const DEEPEST: usize = 64;

/// Lists the statuses that the session had, and how long.
pub(in crate::cli) async fn run_status(
    context: &CommandContext,
    subject: &Subject,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    let history = session.status_history().await?.0;
    let times: Vec<Option<Timestamp>> = history.iter().map(|(_, time)| time.parse().ok()).collect();
    let row = |(index, (status, time)): (usize, &(_, String))| {
        let (from, to) = (times.get(index).copied().flatten(), times.get(index + 1).copied().flatten());
        let lasted = from.zip(to).map(|(from, to)| to.duration_since(from));
        let lasted = lasted.and_then(|time| Duration::try_from(time).ok());
        let status = bai_client::SessionStatus::name(status);
        Row {
            json: json!({"status": status, "time": time, "seconds": lasted.map(|time| time.as_secs_f64())}),
            cells: vec![
                status.to_owned(),
                format::time(time),
                lasted.map(format::duration).unwrap_or_default(),
            ],
        }
    };
    let rows: Vec<_> = history.iter().enumerate().map(row).collect();
    table::print(context, &[Column::of("status"), Column::of("since"), Column::number("lasted")], &rows)
}

/// Lists the session, those that it depends on, and theirs, each below the one that needs it.
pub(in crate::cli) async fn run_graph(
    context: &CommandContext,
    subject: &Subject,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    let mut rows = Vec::new();
    match session.dependency_graph().await {
        Ok(root) => add_rows(&root, 0, &mut rows),
        // Some servers have no graph for a session that depends on none; it was found just now.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    if rows.len() <= 1 {
        table::note(context, &format!("{} depends on no other session", session.name()));
    }
    table::print(context, &["session", "status", "id"].map(Column::of), &rows)
}

fn add_rows(node: &DependencyNode, depth: usize, rows: &mut Vec<Row>) {
    let status = node.session_status();
    let needs: Vec<_> = node.depends_on.iter().map(|other| &other.session_id).collect();
    let branch = if depth == 0 { String::new() } else { format!("└{} ", "──".repeat(depth - 1)) };
    rows.push(Row {
        json: json!({
            "session": node.session_name, "status": status, "id": node.session_id, "depth": depth, "depends_on": needs,
        }),
        cells: vec![
            format!("{branch}{}", node.session_name),
            status.name().to_owned(),
            node.session_id.clone(),
        ],
    });
    for other in node.depends_on.iter().filter(|_| depth < DEEPEST) {
        add_rows(other, depth + 1, rows);
    }
}

/// Shows the report about abuse. No report is a success.
pub(in crate::cli) async fn run_abuse_report(
    context: &CommandContext,
    subject: &Subject,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    let report = session.abusing_report().await?;
    if report.is_none() {
        table::note(context, &format!("there is no report about {}", session.name()));
        return Ok(ExitStatus::Ok);
    }
    let rows: Vec<_> = report
        .iter()
        .map(|report| Row {
            json: json!({"kernel": report.kernel, "report": report.abuse_report}),
            cells: vec![report.kernel.clone(), report.abuse_report.clone()],
        })
        .collect();
    table::print(context, &["kernel", "report"].map(Column::of), &rows)
}
