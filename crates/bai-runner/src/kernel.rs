//! The handle of a kernel. One task in `worker.rs` does the work.

use super::error::{KernelGone, StartError};
use super::kernel_spec::KernelSpec;
use super::language::{KernelInfo, Resolved};
use super::op::Op;
use super::registry;
use super::reply::Reply;
use super::worker::{KernelCommand, Worker};
use bai_protocol::complete::{Completion, CompletionRequest};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many requests wait for the worker, which never blocks.
const COMMANDS: usize = 64;
/// How many replies wait for the reader. Beyond that the program waits.
const REPLIES: usize = 16;
/// The limit for a completion. A later one would be useless.
const COMPLETE_WITHIN: Duration = Duration::from_secs(3);

/// A running kernel. Clones are handles to the same one; when the last is dropped its processes are killed.
#[derive(Debug, Clone)]
pub struct Kernel {
    commands: mpsc::Sender<KernelCommand>,
    info: Arc<KernelInfo>,
}

impl Kernel {
    /// Starts a kernel; returns when its interpreter takes cells. The receiver gives its replies. When they are not
    /// read, the user's program blocks in its next write.
    ///
    /// # Errors
    /// When no language accepts the image, or its interpreter is missing or does not start.
    pub async fn start(spec: KernelSpec) -> Result<(Kernel, mpsc::Receiver<Reply>), StartError> {
        let what = match &spec.executable {
            Some(executable) => registry::given(&spec.image, executable)?,
            None => {
                let spec = spec.clone();
                let found = tokio::task::spawn_blocking(move || spec.find()).await;
                found.map_err(|_| StartError::Stopped)??
            }
        };
        Self::start_resolved(what, spec).await
    }

    /// Starts a kernel with an interpreter that is already found: see [`KernelSpec::find`].
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_resolved(
        what: Resolved,
        spec: KernelSpec,
    ) -> Result<(Kernel, mpsc::Receiver<Reply>), StartError> {
        let mut info = what.info.clone();
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (replies, reply_receiver) = mpsc::channel(REPLIES);
        info.shell = Worker::start(what, spec, receiver, replies).await?;
        Ok((Kernel { commands, info: Arc::new(info) }, reply_receiver))
    }

    /// Sends an operation. `Code`, `Clean`, `Build` and `Exec` are queued, first in, first out. Each ends with exactly
    /// one finished reply, also when the kernel is restarted or dies. The other operations are served at once.
    ///
    /// # Errors
    /// When the kernel has been shut down.
    pub async fn send(&self, op: Op) -> Result<(), KernelGone> {
        self.commands.send(KernelCommand::Op(op)).await.map_err(|_| KernelGone)
    }

    /// Suggestions for the text at the cursor. Empty when the interpreter knows none, does not answer within three
    /// seconds, or is gone.
    pub async fn complete(&self, request: CompletionRequest) -> Completion {
        let (sender, answer) = oneshot::channel();
        let ask = async {
            self.commands.send(KernelCommand::Complete(request, sender)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(COMPLETE_WITHIN, ask).await.ok().flatten().unwrap_or_default()
    }

    /// The interpreter of this kernel.
    pub fn describe(&self) -> KernelInfo {
        KernelInfo::clone(&self.info)
    }

    /// Kills the kernel's processes and waits until they are gone. The receiver of replies ends.
    pub async fn shutdown(&self) {
        let (sender, done) = oneshot::channel();
        if self.commands.send(KernelCommand::Shutdown(sender)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Ends the interpreter and starts a new one. The running task and the waiting tasks end with exit code 137, each
    /// with its finished reply. Returns when the new interpreter takes cells.
    ///
    /// # Errors
    /// When the new interpreter does not start; the next `Code` tries again.
    pub async fn restart(&self) -> Result<(), StartError> {
        let (sender, done) = oneshot::channel();
        self.commands.send(KernelCommand::Restart(sender)).await.map_err(|_| StartError::Stopped)?;
        done.await.map_err(|_| StartError::Stopped)?
    }
}
