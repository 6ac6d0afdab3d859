//! The files in a folder: listed, copied, moved, removed.

use super::super::files::row;
use super::super::stdout_file::StdoutFile;
use super::super::transfer::{self, TransferEnd};
use super::super::upload::{is_stdin, plan_into_folder};
use super::{event, find, pasted};
use crate::cli::closed_streams;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::json_lines;
use crate::cli::progress::TransferProgress;
use crate::cli::server::Server;
use crate::cli::stop_signals::StopSignals;
use crate::cli::table::{self, Column};
use crate::format;
use bai_client::{DownloadOptions, Downloaded, Failed, LINK_LEFT_OUT, UploadOptions, Uploaded, VFolder};
use bai_protocol::byte_text;
use serde_json::json;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a part of an upload may take to be removed.
const DISCARD_LIMIT: Duration = Duration::from_secs(10);
/// What helps when the storage lists only a part of a folder.
const HOW_TO_GET_THE_REST: &str =
    "each file can be used by its name, and a session that mounts the folder sees all of them";

/// Lists the files in a folder, sorted by name.
pub(super) async fn list(
    context: &CommandContext,
    folder: &VFolder,
    path: &str,
) -> Result<ExitStatus, CliError> {
    let listing = folder.list(path).await?;
    let columns = [Column::of("mode"), Column::number("size"), Column::of("modified"), Column::of("name")];
    let printed = table::print(context, &columns, &listing.entries.iter().map(row).collect::<Vec<_>>())?;
    let Some(why) = listing.cut else { return Ok(printed) };
    let error = CliError::new(ExitStatus::Failed, format!("not everything is listed: {why}"));
    Ok(error.hint(HOW_TO_GET_THE_REST).report())
}

/// Copies files of this machine to a folder. A mistake in the flags is reported before the first request.
pub(super) async fn upload(
    context: &CommandContext,
    server: &Server,
    folder: &str,
    files: &[PathBuf],
    to: &str,
    force: bool,
) -> Result<ExitStatus, CliError> {
    if is_stdin(files, to, "bai-repl vfolder upload FOLDER")? {
        return upload_stdin(context, server, folder, to, force).await;
    }
    let (files, to) = (files.to_vec(), to.to_owned());
    let plan = tokio::task::spawn_blocking(move || plan_into_folder(&files, &to)).await;
    let plan = plan.map_err(|error| CliError::new(ExitStatus::Failed, error))??;
    let folder = find(server, folder).await?;
    let bar = TransferProgress::start(context, plan.bytes());
    let uploads = plan.uploads();
    let mut arrived = Uploaded::default();
    let sent = folder.upload_into(&uploads, UploadOptions { overwrite: force }, &mut arrived, |progress| {
        bar.at(progress.name, progress.all_done);
    });
    let ended = until_signal(async { Ok(sent.await?) }).await;
    discard_unfinished(&folder, &mut arrived).await;
    plan.left_out.iter().for_each(|why| bar.print(why));
    plan.links.iter().for_each(|link| bar.print(&format!("{} is left out: {LINK_LEFT_OUT}", link.path)));
    transfer::print_left_out(&bar, &arrived.skipped);
    drop(bar);
    let sizes: HashMap<_, _> = arrived.files.iter().map(|file| (file.to.as_str(), file.bytes)).collect();
    for upload in uploads.iter().filter(|_| context.global.json) {
        if let Some(bytes) = sizes.get(upload.to.trim_start_matches("./")) {
            let from = byte_text::text(upload.from.as_os_str().as_bytes());
            table::put_json(&json_lines::copied("uploaded", &from, &upload.to, *bytes))?;
        }
    }
    let left_out = plan.left_out.len() + plan.links.len() + arrived.skipped.len();
    let count = transfer::files_of(arrived.files.len());
    let bytes = sizes.values().sum();
    finish(context, ended, &count, bytes, folder.name(), left_out)
}

/// Copies files of a folder to this machine.
pub(super) async fn download(
    context: &CommandContext,
    folder: &VFolder,
    paths: &[String],
    to: &Path,
    force: bool,
) -> Result<ExitStatus, CliError> {
    if to == Path::new("-") {
        let (path, output) = StdoutFile::start(context, paths)?;
        let read = match folder.read_in_pieces(path, output.pieces()).await {
            Err(error) if error.why().ends_with("is a folder") => Err(StdoutFile::is_a_folder(path)),
            read => read.map_err(CliError::from),
        };
        let written = output.finish(read.is_ok()).await;
        return read.and(written).map(|()| ExitStatus::Ok);
    }
    let bar = TransferProgress::start(context, 0);
    let mut arrived = Downloaded::default();
    let options = DownloadOptions { overwrite: force };
    let fetched = folder.download_into(paths, to, options, &mut arrived, |progress| {
        bar.of(progress.all_size);
        bar.at(progress.name, progress.all_done);
    });
    let ended = until_signal(async { Ok(fetched.await?) }).await;
    transfer::print_left_out(&bar, &arrived.skipped);
    drop(bar);
    for file in arrived.files.iter().filter(|_| context.global.json) {
        let to = byte_text::text(to.join(&file.to).as_os_str().as_bytes());
        table::put_json(&json_lines::copied("downloaded", &file.from, &to, file.bytes))?;
    }
    let count = transfer::files_of(arrived.files.len());
    finish(context, ended, &count, arrived.bytes, &byte_text::shown_path(to), arrived.skipped.len())
}

/// Uploads standard input as one file. The storage wants to know its size first, so it is kept in a file without a name until then.
async fn upload_stdin(
    context: &CommandContext,
    server: &Server,
    folder: &str,
    to: &str,
    force: bool,
) -> Result<ExitStatus, CliError> {
    closed_streams::refuse_closed(&std::io::stdin(), "input")?;
    let folder = find(server, folder).await?;
    let read = tokio::task::spawn_blocking(|| {
        let mut file = tempfile::tempfile()?;
        std::io::copy(&mut std::io::stdin().lock(), &mut file).map(|_| file)
    });
    let failed = |error: &dyn std::fmt::Display| {
        CliError::new(ExitStatus::Failed, format!("cannot read standard input: {error}"))
    };
    let file = read.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let bytes = file.metadata().map_err(|error| failed(&error))?.len();
    let bar = TransferProgress::start(context, bytes);
    let mut arrived = Uploaded::default();
    let options = UploadOptions { overwrite: force };
    let sent = folder.upload_file(file, to, options, &mut arrived, |progress| {
        bar.at(progress.name, progress.all_done);
    });
    let ended = until_signal(async { Ok(sent.await?) }).await;
    discard_unfinished(&folder, &mut arrived).await;
    transfer::print_left_out(&bar, &arrived.skipped);
    drop(bar);
    if let TransferEnd::Stopped(exit) = ended? {
        return Ok(exit);
    }
    if arrived.skipped.is_empty() {
        let sentence = format!("{} to {to} of {}", format::size(bytes), folder.name());
        table::report(context, &json_lines::copied("uploaded", "-", to, bytes), &sentence)?;
    }
    Ok(transfer::exit_status(arrived.skipped.len()))
}

/// Removes what has arrived of a file that was cut off, or says where it stays: it uses space.
async fn discard_unfinished(folder: &VFolder, arrived: &mut Uploaded) {
    // The storage may be out of reach; what stays is named then.
    let _ = tokio::time::timeout(DISCARD_LIMIT, folder.discard_unfinished(arrived)).await;
    if let Some(staged) = arrived.unfinished() {
        let name = folder.name();
        let error =
            CliError::new(ExitStatus::Failed, format!("a part of the upload stays in {name}: {staged}"));
        error.hint(format!("bai-repl vfolder rm {} removes it", pasted(&[name, staged]))).report();
    }
}

/// Runs a transfer until it ends or a signal stops it. No program of ours runs anywhere for it, so nothing has to settle.
async fn until_signal(transfer: impl Future<Output = Result<(), CliError>>) -> Result<TransferEnd, CliError> {
    let mut signals = StopSignals::listen()?;
    tokio::select! {
        biased;
        signal = signals.recv() => Ok(TransferEnd::Stopped(signal.exit())),
        done = transfer => done.map(|()| TransferEnd::Done),
    }
}

/// Reports what has arrived.
fn finish(
    context: &CommandContext,
    ended: Result<TransferEnd, CliError>,
    count: &str,
    bytes: u64,
    to: &str,
    left_out: usize,
) -> Result<ExitStatus, CliError> {
    if !matches!(ended, Ok(TransferEnd::Done)) && bytes > 0 && !context.global.json {
        eprintln!("bai-repl: {count} arrived");
    }
    match ended? {
        TransferEnd::Stopped(exit) => return Ok(exit),
        TransferEnd::Done if context.global.json => {}
        TransferEnd::Done => {
            table::report(context, &json!({}), &format!("{count}, {} to {to}", format::size(bytes)))?;
        }
    }
    Ok(transfer::exit_status(left_out))
}

/// Makes folders in a folder.
pub(super) async fn make_folders(
    context: &CommandContext,
    folder: &VFolder,
    paths: &[String],
    exist_ok: bool,
) -> Result<ExitStatus, CliError> {
    let failed = folder.make_folders(paths, exist_ok).await?;
    report(context, folder, "made", paths, failed)
}

/// Moves or renames a file.
pub(super) async fn move_entry(
    context: &CommandContext,
    folder: &VFolder,
    from: &str,
    to: &str,
    force: bool,
) -> Result<ExitStatus, CliError> {
    let to = folder.move_entry(from, to, force).await?;
    let event = json!({"event": "moved", "folder": folder.name(), "from": from, "to": to});
    table::report(context, &event, &format!("{from} is now {to} in {}", folder.name()))?;
    Ok(ExitStatus::Ok)
}

/// Removes files for good.
pub(super) async fn remove(
    context: &CommandContext,
    folder: &VFolder,
    paths: &[String],
    recursive: bool,
) -> Result<ExitStatus, CliError> {
    let failed = folder.remove(paths, recursive).await?;
    report(context, folder, "removed", paths, failed)
}

/// Reports what was done with each of several paths. The first failure determines the exit code.
fn report(
    context: &CommandContext,
    folder: &VFolder,
    what: &str,
    paths: &[String],
    failed: Vec<Failed>,
) -> Result<ExitStatus, CliError> {
    let is_done = |path: &&String| failed.iter().all(|(bad, _)| bad != *path);
    let done: Vec<_> = paths.iter().filter(is_done).map(String::as_str).collect();
    if !done.is_empty() {
        let mut event = event(what, folder);
        if let Some(event) = event.as_object_mut() {
            event.insert("paths".to_owned(), json!(done));
        }
        table::report(context, &event, &format!("{what} in {}: {}", folder.name(), done.join(", ")))?;
    }
    let mut exit = ExitStatus::Ok;
    for (_, error) in failed {
        let is_folder = error.why().ends_with("is a folder");
        let error = CliError::from(error);
        let error = if is_folder { error.hint("-r removes folders with all that is in them") } else { error };
        let failure = error.report();
        exit = if exit == ExitStatus::Ok { failure } else { exit };
    }
    Ok(exit)
}
