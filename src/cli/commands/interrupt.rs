//! `bai-repl interrupt`: Ctrl-C from another terminal.

use super::event;
use crate::cli::args::Subject;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table;
use crate::repl::interrupted;
use bai_client::InterruptOutcome;

/// Interrupts the session, and says what became of its program where the server tells it.
pub(in crate::cli) async fn run(context: &CommandContext, subject: &Subject) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    let outcome = session.interrupt_and_see().await?;
    let sentence = interrupted(&format!("session {}", session.name()), outcome);
    let mut event = event("interrupted", &session);
    if let Some(fields) = event.as_object_mut() {
        fields.insert("outcome".to_owned(), word(outcome).into());
    }
    table::report(context, &event, &sentence)?;
    Ok(ExitStatus::Ok)
}

/// The name of an outcome for programs.
fn word(outcome: InterruptOutcome) -> &'static str {
    match outcome {
        InterruptOutcome::Ended => "ended",
        InterruptOutcome::GoesOn => "goes-on",
        InterruptOutcome::NoCell => "no-cell",
        InterruptOutcome::KernelEnded => "kernel-ended",
        _ => "sent",
    }
}
