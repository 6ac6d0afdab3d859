//! What batch steps print is kept twice more (`docs/wire` §9.4): in the container's log, which is our own standard
//! output and error, and in a file, where the person has made the folder for it.

use super::super::reply::Reply;
use super::container;
use bai_protocol::record::ConsoleRecord;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// Pieces that wait for the container's log. Nobody may read it for long, and no session may wait for that: what does
/// not find room is left out there.
const WAITING: usize = 256;

/// The two copies.
pub(super) struct TaskLog {
    console: SyncSender<Reply>,
    workdir: PathBuf,
    kernel_id: String,
    /// The file of the step that runs.
    file: Option<File>,
}

impl TaskLog {
    /// Of the kernel with this id, whose home is `workdir`.
    pub(super) fn start(workdir: PathBuf, kernel_id: String) -> std::io::Result<TaskLog> {
        let (console, pieces) = sync_channel(WAITING);
        // Writing to a log that nobody reads takes for ever, which no task of the runtime may.
        std::thread::Builder::new().name("console".to_owned()).spawn(move || print(&pieces))?;
        Ok(TaskLog { console, workdir, kernel_id, file: None })
    }

    /// Notes what a step printed.
    pub(super) async fn note(&mut self, reply: &Reply) {
        let (Reply::Console(ConsoleRecord::Stdout(text)) | Reply::Console(ConsoleRecord::Stderr(text))) =
            reply
        else {
            return;
        };
        let _ = self.console.try_send(reply.clone());
        if self.file.is_none() {
            self.file = self.open().await;
        }
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(text.as_bytes()).await
        {
            tracing::warn!(%error, "the log of tasks cannot be written");
        }
    }

    /// A step is over.
    pub(super) async fn end(&mut self) {
        if let Some(mut file) = self.file.take() {
            let _ = file.flush().await;
        }
    }

    async fn open(&self) -> Option<File> {
        let path = container::task_log(&self.workdir, &self.kernel_id)?;
        let opened = async {
            tokio::fs::create_dir_all(path.parent()?).await.ok()?;
            tokio::fs::OpenOptions::new().create(true).append(true).open(&path).await.ok()
        };
        opened.await
    }
}

fn print(pieces: &Receiver<Reply>) {
    while let Ok(piece) = pieces.recv() {
        // A log that has gone is no reason to stop anything.
        let _ = match piece {
            Reply::Console(ConsoleRecord::Stdout(text)) => {
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }
            Reply::Console(ConsoleRecord::Stderr(text)) => std::io::stderr().write_all(text.as_bytes()),
            _ => Ok(()),
        };
    }
}
