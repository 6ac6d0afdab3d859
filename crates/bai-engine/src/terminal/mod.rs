//! The terminal of a session: a shell, its viewers, and its last output. It knows no HTTP.
//!
//! The shell starts when the first viewer attaches, and it stays when all viewers leave. A viewer that attaches later
//! first gets the last output. Several viewers may watch and type at the same time. The exit code comes
//! last, in a type of frame of our own that other clients ignore.

mod broadcaster;
mod scrollback;

pub(super) use broadcaster::{Subscription, TerminalCommand};

use bai_runner::TerminalSpec;
use broadcaster::Broadcaster;
use std::io;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The access to a session's terminal, which starts when it is first needed.
#[derive(Debug, Default)]
pub(super) struct TerminalHandle(Mutex<Option<mpsc::Sender<TerminalCommand>>>);

impl TerminalHandle {
    /// Adds a viewer to the terminal. When no terminal runs, one is started as `spec` says, among `tasks` and until `stop`.
    pub(super) async fn attach(
        &self,
        spec: TerminalSpec,
        size: Option<(u16, u16)>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> io::Result<Subscription> {
        let mut running = self.0.lock().await;
        if let Some(commands) = running.as_ref() {
            let (reply, answer) = oneshot::channel();
            // A shell that is about to end does not answer.
            if commands.send(TerminalCommand::Attach { size, reply }).await.is_ok()
                && let Ok(viewer) = answer.await
            {
                return Ok(viewer);
            }
        }
        let (broadcaster, commands, viewer) = Broadcaster::start(spec)?;
        let stop = stop.clone();
        tasks.spawn(async move { stop.run_until_cancelled(broadcaster.run()).await });
        *running = Some(commands);
        Ok(viewer)
    }
}
