//! What uploads and downloads have in common.

use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::progress::TransferProgress;
use crate::cli::readiness::{Patience, no_answer};
use crate::cli::settle::{lost_patience, settle, tell_delays};
use crate::cli::stop_signals::StopSignals;
use bai_client::{ComputeSession, Skipped};

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
    /// A signal, such as that of Ctrl-C, has stopped it. The exit status tells which one.
    Stopped(ExitStatus),
}

/// Runs a transfer with this session until it ends, a signal stops it, or the session has run something else for too long. Then what it ran in the
/// session has ended.
pub(super) async fn until_signal(
    session: &ComputeSession,
    patience: Patience,
    transfer: impl Future<Output = Result<(), CliError>>,
) -> Result<TransferEnd, CliError> {
    let mut signals = StopSignals::listen()?;
    let stopped = tokio::select! {
        biased;
        signal = signals.recv() => Ok(TransferEnd::Stopped(signal.exit())),
        done = transfer => return done.map(|()| TransferEnd::Done),
        never = tell_delays(session) => match never {},
        waited = lost_patience(session, patience) => Err(no_answer(session, "it is given up", waited)),
    };
    settle(session).await;
    stopped
}

/// Says what has arrived of a transfer that did not come to its end: `arrived`, a number of files in words, unless that is none.
pub(super) fn print_arrived(
    context: &CommandContext,
    ended: &Result<TransferEnd, CliError>,
    arrived: Option<&str>,
) {
    let was_stopped = match ended {
        Ok(TransferEnd::Done) => return,
        Ok(TransferEnd::Stopped(_)) => true,
        Err(error) => error.exit() == ExitStatus::TimedOut,
    };
    match arrived {
        _ if context.global.json => {}
        Some(arrived) => eprintln!("bai-repl: {arrived} arrived"),
        None if was_stopped => eprintln!("bai-repl: nothing was copied"),
        None => {}
    }
}

/// Prints what was left out, each with the reason.
pub(super) fn print_left_out(bar: &TransferProgress, skipped: &[Skipped]) {
    for Skipped { name, why, .. } in skipped {
        bar.print(&format!("{name} is left out: {why}"));
    }
}

/// Refuses to go on without a file: what runs in the session may need it.
pub(super) fn refuse_left_out(skipped: &[Skipped]) -> Result<(), CliError> {
    match skipped.first() {
        Some(Skipped { name, why, .. }) => {
            Err(CliError::new(ExitStatus::Failed, format!("cannot upload {name}: {why}")))
        }
        None => Ok(()),
    }
}

/// A number of files in words.
pub(super) fn files_of(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// The exit status of a transfer: it fails if files were left out.
pub(in crate::cli) fn exit_status(left_out: usize) -> ExitStatus {
    if left_out == 0 { ExitStatus::Ok } else { ExitStatus::Failed }
}
