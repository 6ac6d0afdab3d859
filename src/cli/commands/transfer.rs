//! What uploads and downloads have in common.

use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;

/// Maximum number of files in one transfer.
pub(super) const MAX_FILES: usize = 100_000;
/// Maximum depth of folders.
pub(super) const MAX_DEPTH: usize = 64;

/// Why a file beyond these limits is left out.
pub(super) const TOO_MANY: &str = "there are too many files";

/// How a transfer ended, if it did not fail.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TransferEnd {
    /// All files have arrived.
    Done,
    /// The user pressed Ctrl-C.
    Interrupted,
}

/// Runs a transfer until it ends or Ctrl-C cancels it.
pub(super) async fn until_ctrl_c(
    transfer: impl Future<Output = Result<(), CliError>>,
) -> Result<TransferEnd, CliError> {
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ok(TransferEnd::Interrupted),
        done = transfer => done.map(|()| TransferEnd::Done),
    }
}

/// The exit status of a transfer: it fails if files were left out.
pub(super) fn exit_status(left_out: &[String]) -> ExitStatus {
    if left_out.is_empty() { ExitStatus::Ok } else { ExitStatus::Failed }
}
