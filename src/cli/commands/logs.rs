//! `bai-repl logs`: shows the log of a session's container.

use crate::cli::args::{Logs, LogsFlags, Subject};
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::json_lines;
use crate::cli::table::{self, put_json, write};
use crate::render::{Flow, sanitize};
use crate::terminal::{self, Screen};
use bai_client::{ClientError, ComputeSession, ErrorKind, new_log_text};
use serde_json::json;
use std::time::Duration;

/// How often the log is requested while it is followed, because servers do not report changes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Shows the log of the session that the command line names.
pub(in crate::cli) async fn run(context: &CommandContext, command: &Logs) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &command.subject).await?;
    show_log(context, &session, &command.flags).await
}

/// Shows the log that the server keeps of a batch session.
pub(in crate::cli) async fn run_task_logs(
    context: &CommandContext,
    subject: &Subject,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    show(context, &session.task_log().await?).map(|_| ExitStatus::Ok)
}

/// Shows the log of this session, and follows it with `--follow`. Ctrl-C ends that with success.
pub(in crate::cli) async fn show_log(
    context: &CommandContext,
    session: &ComputeSession,
    flags: &LogsFlags,
) -> Result<ExitStatus, CliError> {
    let log = read(session, flags).await?;
    let flow = show(context, flags.lines.map_or(log.as_str(), |count| last_lines(&log, count)))?;
    if !flags.follow || flow == Flow::Closed {
        return Ok(ExitStatus::Ok);
    }
    let interrupted = terminal::interrupt_unless_ignored();
    tokio::select! {
        biased;
        () = interrupted => Ok(ExitStatus::Ok),
        () = table::reader_gone() => Ok(ExitStatus::Ok),
        ended = follow(context, session, flags, log) => ended,
    }
}

/// The log of the container that the flags name.
async fn read(session: &ComputeSession, flags: &LogsFlags) -> Result<String, ClientError> {
    match &flags.kernel {
        Some(kernel) => session.kernel_logs(kernel).await,
        None => session.logs().await,
    }
}

async fn follow(
    context: &CommandContext,
    session: &ComputeSession,
    flags: &LogsFlags,
    mut seen: String,
) -> Result<ExitStatus, CliError> {
    if context.global.json {
        put_json(&json!({"event": "connected"}))?;
    }
    let mut ticks = tokio::time::interval(POLL_INTERVAL);
    loop {
        ticks.tick().await;
        // This comes first, so that the log that is read afterwards is complete if the session is over.
        let over = is_over(session).await?;
        match read(session, flags).await {
            Ok(log) => {
                if show(context, new_log_text(&seen, &log))? == Flow::Closed {
                    return Ok(ExitStatus::Ok);
                }
                seen = log;
            }
            // The container is gone. Servers report that with different errors.
            Err(error) if over || error.kind() == ErrorKind::NotFound => {
                tracing::debug!(%error, "the log is gone");
                return Ok(ExitStatus::Ok);
            }
            Err(error) if is_temporary(&error) => tracing::debug!(%error, "the log could not be read"),
            Err(error) => return Err(error.into()),
        }
        if over {
            return Ok(ExitStatus::Ok);
        }
    }
}

async fn is_over(session: &ComputeSession) -> Result<bool, CliError> {
    match session.info().await {
        Ok(info) => Ok(info.status.is_some_and(|status| status.is_dead())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) if is_temporary(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the error is temporary. The log is not lost then.
fn is_temporary(error: &ClientError) -> bool {
    matches!(error.kind(), ErrorKind::Busy | ErrorKind::Timeout | ErrorKind::Lost | ErrorKind::Connect)
}

fn show(context: &CommandContext, text: &str) -> Result<Flow, CliError> {
    if text.is_empty() {
        return Ok(Flow::Open);
    }
    if context.global.json {
        write(&json_lines::line(&json!({"event": "log", "data": text})))
    } else if Screen::detect().stdout_tty {
        write(&sanitize::text(text))
    } else {
        write(text)
    }
}

/// The last lines of a text.
fn last_lines(text: &str, count: usize) -> &str {
    let body = text.strip_suffix('\n').unwrap_or(text);
    if count == 0 {
        return "";
    }
    let start = body.rmatch_indices('\n').nth(count - 1).map_or(0, |(position, _)| position + 1);
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole_lines() {
        for (text, count, last) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 1, "c"),
            ("a\nb\n", 9, "a\nb\n"),
            ("a\n\n", 1, "\n"),
            ("", 3, ""),
            ("a\n", 0, ""),
        ] {
            assert_eq!(last_lines(text, count), last, "{text:?} {count}");
        }
    }
}
