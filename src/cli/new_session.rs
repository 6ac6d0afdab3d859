//! The session of `:new IMAGE`. It is created while the prompt's session still lives, so that an image that does not
//! exist costs nothing. The next prompt takes it; until then, dropping it destroys it.

use super::context::CommandContext;
use super::error::CliError;
use super::server::{Server, destroy_session};
use bai_client::{ComputeSession, ErrorKind};
use bai_protocol::create::CreateRequest;
use std::sync::{Arc, Mutex, PoisonError};

/// A session that was created, and its server.
pub(super) struct NewSession {
    server: Option<Server>,
    request: CreateRequest,
    /// Whether a session of that name may be on the server.
    may_exist: bool,
}

impl NewSession {
    /// Creates the session and waits until it runs.
    async fn create(context: &CommandContext, request: CreateRequest) -> Result<Self, CliError> {
        let server = Server::open(context, false).await?;
        let api = server.api.clone();
        // The prompt takes the session by the same request.
        let request = CreateRequest { reuse: true, ..request };
        let mut new = NewSession { server: Some(server), request: request.clone(), may_exist: true };
        match ComputeSession::create(&api, request, |_| ()).await {
            Ok(_) => Ok(new),
            Err(error) => {
                let after = [ErrorKind::SessionFailed, ErrorKind::Timeout, ErrorKind::Lost];
                new.may_exist = after.contains(&error.kind());
                Err(error.into())
            }
        }
    }

    /// Its request and its server, for a prompt.
    pub(super) fn into_parts(mut self) -> (CreateRequest, Option<Server>) {
        (std::mem::take(&mut self.request), self.server.take())
    }
}

impl Drop for NewSession {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else { return };
        let (name, may_exist) = (self.request.name.clone(), self.may_exist);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if may_exist {
                    destroy_session(&server.api, &name).await;
                }
                server.close().await;
            });
        }
    }
}

/// Where the prompt that creates a session leaves it for the next prompt.
#[derive(Clone, Default)]
pub(super) struct NewSessionSlot(Arc<Mutex<Option<NewSession>>>);

impl NewSessionSlot {
    /// Creates a session and keeps it.
    pub(super) async fn create(
        &self,
        context: &CommandContext,
        request: CreateRequest,
    ) -> Result<(), CliError> {
        let new = NewSession::create(context, request).await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(new);
        Ok(())
    }

    /// Takes the session.
    pub(super) fn take(&self) -> Option<NewSession> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
