//! One file on its way to standard output: byte for byte, but to a terminal without control characters. A thread of its own writes, so that a
//! signal is received also while the reader of the output is slow or stopped.

use crate::cli::closed_streams;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table;
use crate::render::{Flow, sanitize};
use crate::terminal::Screen;
use bai_protocol::byte_text;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// How many pieces may wait for the writer.
const WAITING: usize = 2;

/// The end of the writer that takes the pieces.
pub(super) struct StdoutFile {
    pieces: mpsc::Sender<Bytes>,
    whole: oneshot::Sender<()>,
    written: oneshot::Receiver<Result<Flow, CliError>>,
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
        let (pieces, waiting) = mpsc::channel(WAITING);
        let (whole, is_whole) = oneshot::channel();
        let (done, written) = oneshot::channel();
        std::thread::spawn(move || {
            let result = if is_terminal { show(waiting, is_whole) } else { write(waiting) };
            // A signal may have ended the command.
            let _ = done.send(result);
        });
        Ok((path, StdoutFile { pieces, whole, written }))
    }

    /// Where the pieces go. It is closed when no more are wanted.
    pub(super) fn pieces(&self) -> &mpsc::Sender<Bytes> {
        &self.pieces
    }

    /// Waits until everything is written. `is_whole` says whether all of the file came.
    pub(super) async fn finish(self, is_whole: bool) -> Result<(), CliError> {
        if is_whole {
            // A writer that has ended says why.
            let _ = self.whole.send(());
        } else {
            drop(self.whole);
        }
        drop(self.pieces);
        let ended_early = || CliError::new(ExitStatus::Failed, "the writer of the output ended early");
        self.written.await.unwrap_or_else(|_| Err(ended_early())).map(drop)
    }

    pub(super) fn is_a_folder(path: &str) -> CliError {
        let shown = byte_text::shown(path);
        let why = format!("{shown} is a folder; only a single file can go to standard output");
        CliError::new(ExitStatus::Usage, why)
    }
}

/// Writes each piece as it comes.
fn write(mut pieces: mpsc::Receiver<Bytes>) -> Result<Flow, CliError> {
    while let Some(piece) = pieces.blocking_recv() {
        if table::write_bytes(&piece)? == Flow::Closed {
            return Ok(Flow::Closed);
        }
    }
    Ok(Flow::Open)
}

/// Writes the whole file, as text: a character that cannot be shown may be cut by the end of a piece.
fn show(mut pieces: mpsc::Receiver<Bytes>, is_whole: oneshot::Receiver<()>) -> Result<Flow, CliError> {
    let mut text = Vec::new();
    while let Some(piece) = pieces.blocking_recv() {
        text.extend_from_slice(&piece);
    }
    match is_whole.blocking_recv() {
        Ok(()) => table::write(&sanitize::text(&String::from_utf8_lossy(&text))),
        Err(_) => Ok(Flow::Open),
    }
}
