//! `bai-repl download`: files and folders of a session to this machine.

use super::transfer::{self, TransferEnd};
use crate::cli::args::{Download as DownloadCommand, DownloadFlags};
use crate::cli::closed_streams;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::json_lines;
use crate::cli::progress::TransferProgress;
use crate::cli::table;
use crate::format;
use crate::render::{Flow, sanitize};
use crate::terminal::Screen;
use bai_client::{
    ClientError, ComputeSession, DownloadOptions, Downloaded, DownloadedFile, ErrorKind, Progress,
};
use bai_protocol::byte_text;
use serde_json::json;
use std::ops::ControlFlow;
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
        return download_to_stdout(context, session, &flags.paths).await;
    }
    let bar = TransferProgress::start(context, 0);
    let mut arrived = Downloaded::default();
    let options = DownloadOptions { overwrite: flags.force };
    let on_progress = |progress: &Progress<'_>| {
        bar.of(progress.all_size);
        bar.at(progress.name, progress.all_done);
    };
    let download = session.download_into(&flags.paths, &flags.to, options, &mut arrived, on_progress);
    let ended = transfer::until_signal(session, async {
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
    if !matches!(ended, Ok(TransferEnd::Done)) && !arrived.files.is_empty() && !context.global.json {
        eprintln!("bai-repl: {count} arrived");
    }
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
    paths: &[String],
) -> Result<ExitStatus, CliError> {
    let (path, mut output) = StdoutFile::start(context, paths)?;
    match session.read_file_in_pieces(path, |piece| output.take(piece)).await {
        Ok(()) => output.finish(),
        Err(_) if session.list_files(path).await.is_ok() => Err(StdoutFile::is_a_folder(path)),
        Err(error) => Err(with_hint_at_files(context, error)),
    }
}

/// One file on its way to standard output: byte for byte, but to a terminal without control characters.
pub(super) struct StdoutFile {
    is_terminal: bool,
    /// What is for a terminal. A character that cannot be shown may be cut by the end of a piece.
    text: Vec<u8>,
    written: Result<Flow, CliError>,
}

impl StdoutFile {
    /// Checks that one file can be written there. Returns its path.
    pub(super) fn start<'p>(
        context: &CommandContext,
        paths: &'p [String],
    ) -> Result<(&'p str, StdoutFile), CliError> {
        if context.global.json {
            let why = "--to - writes the file itself, so --json cannot be used";
            return Err(CliError::new(ExitStatus::Usage, why));
        }
        let [path] = paths else {
            let why = "only one file can be written to standard output";
            return Err(CliError::new(ExitStatus::Usage, why));
        };
        closed_streams::refuse_closed(&std::io::stdout(), "output")?;
        let is_terminal = Screen::detect().stdout_tty;
        Ok((path, StdoutFile { is_terminal, text: Vec::new(), written: Ok(Flow::Open) }))
    }

    /// Takes the next piece, and says whether more is wanted.
    pub(super) fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        if self.is_terminal {
            self.text.extend_from_slice(piece);
            return ControlFlow::Continue(());
        }
        self.written = table::write_bytes(piece);
        if matches!(self.written, Ok(Flow::Open)) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    /// Ends after the last piece.
    pub(super) fn finish(self) -> Result<ExitStatus, CliError> {
        let written = match self.is_terminal {
            true => table::write(&sanitize::text(&String::from_utf8_lossy(&self.text))),
            false => self.written,
        };
        written.map(|_| ExitStatus::Ok)
    }

    pub(super) fn is_a_folder(path: &str) -> CliError {
        let shown = byte_text::shown(path);
        let why = format!("{shown} is a folder; only a single file can go to standard output");
        CliError::new(ExitStatus::Usage, why)
    }
}
