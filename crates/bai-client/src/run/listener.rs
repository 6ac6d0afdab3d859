//! Output that no run owns: that of threads, timers and background processes between two cells. A listener uses the connection
//! and the state machine of a run, and never ends by itself.

use super::{Run, RunEvent, RunOptions, Start, Turns, start};
use crate::error::{ClientError, ErrorKind};
use crate::session_ref::SessionRef;
use bai_protocol::execute::RunId;
use bai_protocol::record::ConsoleRecord;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Receives output that no run owns. When it is dropped, such output waits for the next run or listener again.
#[derive(Debug)]
pub struct Listener {
    /// `None` only while it is dropped.
    run: Option<Run>,
}

/// What a listener receives, in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum IdleEvent {
    /// Output. Untrusted text.
    Console(ConsoleRecord),
    /// This run has begun. The output before this event is older than that of the run.
    Began(RunId),
}

impl Listener {
    pub(crate) async fn start(session: SessionRef, options: RunOptions) -> Result<Self, ClientError> {
        // Listening takes no turn: runs go on beside it.
        let turn = Turns::new(Arc::new(Semaphore::new(1))).try_take();
        let turn =
            turn.ok_or_else(|| ClientError::new(ErrorKind::Lost, "listen", "the session is closed"))?;
        Ok(Listener { run: Some(start(session, Start::Listen, options, turn).await?) })
    }

    /// The next event; `None` when the session or the connection has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<IdleEvent> {
        loop {
            match self.run.as_mut()?.next().await? {
                RunEvent::Console(record) => return Some(IdleEvent::Console(record)),
                RunEvent::Began(id) => return Some(IdleEvent::Began(id)),
                _ => {}
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            run.leave();
        }
    }
}
