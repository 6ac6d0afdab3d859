//! `bai-repl commit` and `convert-to-image`: a cluster writes the container of a session to a file or to an image, in the background.

use super::event_with;
use crate::cli::args::{Commit, ConvertToImage};
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::progress::TaskProgress;
use crate::cli::stop_signals::StopSignal;
use crate::cli::table;
use crate::terminal;
use bai_client::{ComputeSession, ImageVisibility, Task, TaskEvent};
use serde_json::json;

/// Writes the container to a file of its machine.
pub(in crate::cli) async fn run_commit(
    context: &CommandContext,
    flags: &Commit,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &flags.subject).await?;
    let (commit, task) = session.commit(flags.filename.as_deref()).await?;
    let facts = [("task", json!(task.id())), ("path", json!(commit.path))];
    let begun = event_with("committing", &session, facts);
    let to = commit.path.map(|path| format!(" to {path}")).unwrap_or_default();
    table::report(context, &begun, &format!("the cluster writes {}{to}", session.name()))?;
    follow(context, &session, task, "committed", flags.no_wait).await
}

/// Makes an image of the container.
pub(in crate::cli) async fn run_convert(
    context: &CommandContext,
    flags: &ConvertToImage,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &flags.subject).await?;
    let visibility = if flags.project { ImageVisibility::Project } else { ImageVisibility::User };
    let task = session.export_to_image(&flags.name, visibility).await?;
    let facts = [("task", json!(task.id())), ("image", json!(flags.name))];
    let begun = event_with("converting", &session, facts);
    table::report(context, &begun, &format!("the cluster makes the image {}", flags.name))?;
    follow(context, &session, task, "converted", flags.no_wait).await
}

/// Shows the progress of the task until its end. Ctrl-C leaves it to the cluster.
async fn follow(
    context: &CommandContext,
    session: &ComputeSession,
    task: Task,
    done: &str,
    no_wait: bool,
) -> Result<ExitStatus, CliError> {
    if no_wait {
        return Ok(ExitStatus::Ok);
    }
    let interrupted = terminal::interrupt_unless_ignored();
    let bar = TaskProgress::start(context, session.name());
    let finish = task.finish(|told| {
        if let TaskEvent::Progress { current, total, message } = told {
            bar.at(*current, *total, message);
        }
    });
    let message = tokio::select! {
        biased;
        () = interrupted => {
            drop(bar);
            table::note(context, "the cluster goes on with it");
            return Ok(StopSignal::Interrupt.exit());
        }
        message = finish => message?,
    };
    drop(bar);
    let ended = event_with(done, session, [("message", json!(message))]);
    let detail = if message.is_empty() { String::new() } else { format!(": {message}") };
    table::report(context, &ended, &format!("{} is {done}{detail}", session.name()))?;
    Ok(ExitStatus::Ok)
}
