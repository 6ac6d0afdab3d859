//! `bai-repl download`: files and folders of a session to this machine.

use super::stdout_file::StdoutFile;
use super::transfer::{self, TransferEnd};
use crate::cli::args::{Download as DownloadCommand, DownloadFlags};
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::json_lines;
use crate::cli::progress::TransferProgress;
use crate::cli::readiness::Patience;
use crate::cli::table;
use crate::format;
use bai_client::{
    ClientError, ComputeSession, DownloadOptions, Downloaded, DownloadedFile, ErrorKind, Progress,
};
use bai_protocol::byte_text;
use serde_json::json;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Copies files from the session that the command line names.
pub(in crate::cli) async fn run(
    context: &CommandContext,
    command: &DownloadCommand,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &command.subject).await?;
    download(context, &session, &command.flags).await
}

/// Copies files from this session. A file of this machine is replaced only with `--force`.
pub(in crate::cli) async fn download(
    context: &CommandContext,
    session: &ComputeSession,
    flags: &DownloadFlags,
) -> Result<ExitStatus, CliError> {
    if flags.to == Path::new("-") {
        return download_to_stdout(context, session, flags).await;
    }
    let bar = TransferProgress::start(context, 0);
    let mut arrived = Downloaded::default();
    let options = DownloadOptions { overwrite: flags.force };
    let on_progress = |progress: &Progress<'_>| {
        bar.of(progress.all_size);
        bar.at(progress.name, progress.all_done);
    };
    let download = session.download_into(&flags.paths, &flags.to, options, &mut arrived, on_progress);
    let patience = Patience::of(flags.wait.max_wait);
    let ended = transfer::until_signal(session, patience, async {
        download.await.map_err(|error| with_hint_at_files(context, error))
    });
    let ended = ended.await;
    transfer::print_left_out(&bar, &arrived.skipped);
    drop(bar);
    for DownloadedFile { from, to, bytes, .. } in arrived.files.iter().filter(|_| context.global.json) {
        let to = byte_text::text(flags.to.join(to).as_os_str().as_bytes());
        table::put_json(&json_lines::copied("downloaded", from, &to, *bytes))?;
    }
    let count = transfer::files_of(arrived.files.len());
    transfer::print_arrived(context, &ended, Some(&*count).filter(|_| !arrived.files.is_empty()));
    match ended? {
        TransferEnd::Stopped(exit) => return Ok(exit),
        TransferEnd::Done if context.global.json => {}
        TransferEnd::Done => {
            let sentence =
                format!("{count}, {} to {}", format::size(arrived.bytes), byte_text::shown_path(&flags.to));
            table::report(context, &json!({}), &sentence)?;
        }
    }
    Ok(transfer::exit_status(arrived.skipped.len()))
}

/// Adds where the files are listed to the error for a path that is missing.
fn with_hint_at_files(context: &CommandContext, error: ClientError) -> CliError {
    let is_missing = error.kind() == ErrorKind::NoSuchFile;
    let error = CliError::from(error);
    if is_missing {
        return error.hint(format!("{} lists the files", context.front_end.session_command("files")));
    }
    error
}

async fn download_to_stdout(
    context: &CommandContext,
    session: &ComputeSession,
    flags: &DownloadFlags,
) -> Result<ExitStatus, CliError> {
    let (path, output) = StdoutFile::start(context, &flags.paths)?;
    let copied = async {
        let read = match session.read_file_in_pieces(path, output.pieces()).await {
            Err(_) if session.list_files(path).await.is_ok() => Err(StdoutFile::is_a_folder(path)),
            read => read.map_err(|error| with_hint_at_files(context, error)),
        };
        let written = output.finish(read.is_ok()).await;
        read.and(written)
    };
    match transfer::until_signal(session, Patience::of(flags.wait.max_wait), copied).await? {
        TransferEnd::Stopped(exit) => Ok(exit),
        TransferEnd::Done => Ok(ExitStatus::Ok),
    }
}
