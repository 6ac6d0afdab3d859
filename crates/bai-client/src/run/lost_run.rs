//! The examination after a run was lost: can its session still be used, and can the run be found again?

use super::SessionState;
use crate::error::{ClientError, ErrorKind};
use crate::session_ref::SessionRef;
use bai_protocol::capability::Capability;
use bai_protocol::execute::{ExecuteReply, ExecuteRequest, RunId, RunStatus};
use bai_protocol::status::SessionStatus;
use reqwest::Method;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long the server may be away before it counts as gone.
const AWAY_LIMIT: Duration = Duration::from_secs(20);
/// How long the trial run may take. A session that is not stuck answers within a second.
const TRIAL_LIMIT: Duration = Duration::from_secs(6);

/// The outcome for a run whose connection was lost.
pub(super) enum Recovery {
    /// The server may still have the run, under its id, with the missing output.
    Resumable,
    /// The run is lost, and the session is in this state.
    Lost(SessionState),
    /// The server has ended, as this error says, and the session with it.
    ServerEnded(ClientError),
}

/// Asks the server. Where an abandoned run may block its session, a trial run shows whether the session is stuck. The
/// lost program is not interrupted: it may still do what it was started for. `resumable` tells whether the server may
/// still have the run.
pub(super) async fn examine(session: &SessionRef, resumable: bool) -> Recovery {
    let capabilities = session.api.capabilities().await;
    let deadline = Instant::now() + AWAY_LIMIT;
    let mut pause = Duration::from_millis(100);
    let info = loop {
        match session.info().await {
            Ok(info) => break info,
            Err(error) if error.kind() == ErrorKind::ServerEnded => return Recovery::ServerEnded(error),
            Err(error) if error.says_session_is_gone() => return Recovery::Lost(SessionState::Gone),
            // A server that no longer listens has ended.
            Err(error)
                if error.kind() == ErrorKind::Connect
                    && capabilities.has(Capability::SessionsEndWithServer) =>
            {
                return Recovery::Lost(SessionState::Gone);
            }
            Err(error) if is_passing(&error) && Instant::now() + pause < deadline => {
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(3));
            }
            Err(_) => return Recovery::Lost(SessionState::Unknown),
        }
    };
    if info.status.as_ref().is_some_and(SessionStatus::is_dead) {
        return Recovery::Lost(SessionState::Gone);
    }
    let sends_again = capabilities.has(Capability::RunIds) && capabilities.has(Capability::NumberedFrames);
    match () {
        () if resumable && sends_again => Recovery::Resumable,
        () if capabilities.has(Capability::AbandonableRuns) => Recovery::Lost(SessionState::Usable),
        () => Recovery::Lost(try_out(session).await),
    }
}

fn is_passing(error: &ClientError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Connect | ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Busy | ErrorKind::Server
    )
}

/// Runs empty code, under an id of our own, and checks whether that is answered.
async fn try_out(session: &SessionRef) -> SessionState {
    let id = RunId::random();
    let deadline = Instant::now() + TRIAL_LIMIT;
    let mut request = ExecuteRequest::query(&id, "");
    loop {
        let Ok(answer) = timeout_at(deadline, ask(session, &request)).await else {
            return SessionState::Stuck;
        };
        match answer {
            Ok(RunStatus::Finished) => return SessionState::Usable,
            Ok(_) => request = ExecuteRequest::resume(&id),
            Err(error) => {
                return match error.kind() {
                    ErrorKind::NotFound => SessionState::Gone,
                    ErrorKind::Timeout | ErrorKind::Server => SessionState::Stuck,
                    _ => SessionState::Unknown,
                };
            }
        }
    }
}

async fn ask(session: &SessionRef, request: &ExecuteRequest) -> Result<RunStatus, ClientError> {
    let call = session.request("try the session out", Method::POST, "").await?;
    Ok(call.json(request)?.send().await?.json::<ExecuteReply>()?.result.status)
}
