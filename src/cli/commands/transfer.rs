//! What copying to and from a session has in common.

use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;

/// Files in one transfer, at most.
pub(super) const FILES: usize = 100_000;
/// Folders in one another, at most.
pub(super) const DEPTH: usize = 64;
/// Names in one sentence, at most.
const TOLD: usize = 5;

/// How a transfer ended that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TransferEnd {
    /// All is there.
    Done,
    /// Ctrl-C.
    Interrupted,
}

/// Runs a transfer until it ends or Ctrl-C calls it off.
pub(super) async fn until_ctrl_c(
    transfer: impl Future<Output = Result<(), CliError>>,
) -> Result<TransferEnd, CliError> {
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ok(TransferEnd::Interrupted),
        done = transfer => done.map(|()| TransferEnd::Done),
    }
}

/// Refuses to replace what is there.
pub(super) fn refuse_taken(names: &[String]) -> Result<(), CliError> {
    if names.is_empty() {
        return Ok(());
    }
    let mut told: Vec<_> =
        names.iter().take(TOLD).map(|name| name.trim_start_matches("./").to_owned()).collect();
    if names.len() > TOLD {
        told.push(format!("{} more", names.len() - TOLD));
    }
    let verb = if names.len() == 1 { "is" } else { "are" };
    Err(CliError::new(
        ExitStatus::Refused,
        format!("{} {verb} there already, so nothing was copied", told.join(", ")),
    )
    .hint("--force replaces what is there"))
}

/// A transfer that left something out has not done what it was asked to do.
pub(super) fn exit(left_out: &[String]) -> ExitStatus {
    if left_out.is_empty() { ExitStatus::Ok } else { ExitStatus::Failed }
}
