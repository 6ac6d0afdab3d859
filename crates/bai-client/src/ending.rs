//! The end of a session: a server goes on ending a session after it has agreed to that, and the session holds its name meanwhile. Whoever
//! needs the name, or says that a session is gone, waits here.

use super::error::{ClientError, ErrorKind};
use super::follow::Goal;
use super::session::{ComputeSession, DestroyOptions};
use bai_protocol::status::SessionStatus;
use std::time::Duration;

/// How long a session may take to end.
const END_LIMIT: Duration = Duration::from_secs(90);

impl ComputeSession {
    /// Destroys the session and waits until its name is free. It succeeds if the session is already gone.
    ///
    /// # Errors
    /// As [`ComputeSession::destroy`]; [`ErrorKind::Timeout`] when it does not end within 90 s.
    pub async fn end(&self) -> Result<(), ClientError> {
        match self.destroy(DestroyOptions::default()).await {
            Ok(()) => {}
            Err(error) if error.says_session_is_gone() => return Ok(()),
            // In some states a server ends sessions only by force.
            Err(error) if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Server) => {
                self.destroy(DestroyOptions { forced: true, recursive: false }).await?;
            }
            Err(error) => return Err(error),
        }
        self.wait_until_ended(|_| ()).await
    }

    /// Waits until a session that was destroyed has ended, so that its name is free. `on_status` gets each status once, in order.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when it does not end within 90 s; else what the server says.
    pub async fn wait_until_ended(
        &self,
        on_status: impl FnMut(&SessionStatus) + Send,
    ) -> Result<(), ClientError> {
        self.follow_to_end(None, on_status).await
    }

    /// The same within a shorter time, if one is given.
    pub(super) async fn follow_to_end(
        &self,
        max_wait: Option<Duration>,
        on_status: impl FnMut(&SessionStatus) + Send,
    ) -> Result<(), ClientError> {
        let limit = max_wait.map_or(END_LIMIT, |wait| wait.min(END_LIMIT));
        match self.follow(SessionStatus::Terminating, Goal::Ended, Some(limit), on_status).await {
            Err(error) if !error.says_session_is_gone() => Err(error),
            _ => Ok(()),
        }
    }
}
