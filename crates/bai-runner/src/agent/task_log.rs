//! Copies of the output of batch steps (`docs/wire` §9.4): one in the container's log, which is our own standard
//! output and error, and one in a file if the user has made a folder for it.

use super::super::reply::Reply;
use super::container;
use bai_protocol::byte_text;
use bai_protocol::record::ConsoleRecord;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

/// How many pieces wait for the container's log. The log may go unread for long, and no session may wait for it, so
/// pieces without room are left out.
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
    /// The log of the kernel with this id, whose home is `workdir`.
    pub(super) fn start(workdir: PathBuf, kernel_id: String) -> std::io::Result<TaskLog> {
        let (console, pieces) = sync_channel(WAITING);
        // A write to a log without a reader blocks for ever, so it needs a thread of its own.
        std::thread::Builder::new().name("console".to_owned()).spawn(move || print(&pieces))?;
        Ok(TaskLog { console, workdir, kernel_id, file: None })
    }

    /// Copies the output of a step.
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
            && let Err(error) = file.write_all(&byte_text::bytes(text)).await
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
        // A lost log stops no step.
        let _ = match piece {
            Reply::Console(ConsoleRecord::Stdout(text)) => {
                let mut out = std::io::stdout().lock();
                out.write_all(&byte_text::bytes(&text)).and_then(|()| out.flush())
            }
            Reply::Console(ConsoleRecord::Stderr(text)) => {
                std::io::stderr().write_all(&byte_text::bytes(&text))
            }
            _ => Ok(()),
        };
    }
}
