//! Following a session's status until it is the wanted one, by events and by polling: whoever waits for a session waits here. What is
//! asked of the session before and after belongs to `create` and `ending`.

use super::error::{ClientError, ErrorKind};
use super::events::EventStream;
use super::session::ComputeSession;
use bai_protocol::info::SessionInfo;
use bai_protocol::status::SessionStatus;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The interval for reading the status in addition to the events, which may not arrive.
const POLL: Duration = Duration::from_secs(2);

/// The status until which a session is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// It runs.
    Running,
    /// It runs, or has run: a short batch session may be over at the first look.
    Begun,
    /// It has run.
    Over,
    /// It has ended, whether it ran or not: its name is free.
    Ended,
}

impl Goal {
    fn is_reached(self, status: &SessionStatus) -> bool {
        let over = matches!(status, SessionStatus::Terminated | SessionStatus::Lost);
        match self {
            Goal::Running => status.is_executable(),
            Goal::Begun => status.is_executable() || *status == SessionStatus::Terminating || over,
            Goal::Over => over,
            Goal::Ended => status.is_dead() && *status != SessionStatus::Terminating,
        }
    }

    /// Whether this goal includes a session that ends.
    fn allows(self, status: &SessionStatus) -> bool {
        matches!(self, Goal::Over | Goal::Ended) && *status == SessionStatus::Terminating
    }

    /// The failure to reach it in time.
    fn missed(self, name: &str, status: &SessionStatus, limit: Duration) -> ClientError {
        let (what, hint) = match self {
            Goal::Ended => {
                (format!("wait for the end of {name}"), "the server goes on ending it: look again later")
            }
            _ => (format!("wait for {name}"), "it stays in the queue: attach to it later, or destroy it"),
        };
        let why = format!("it is still {status} after {} s", limit.as_secs());
        ClientError::new(ErrorKind::Timeout, what, why).with_hint(hint)
    }
}

impl ComputeSession {
    /// Follows the status from `status` on, by events and by polling.
    pub(super) async fn follow(
        &self,
        status: SessionStatus,
        goal: Goal,
        max_wait: Option<Duration>,
        mut on_status: impl FnMut(&SessionStatus) + Send,
    ) -> Result<SessionStatus, ClientError> {
        on_status(&status);
        let mut status = status;
        let deadline = max_wait.map(|wait| Instant::now() + wait);
        let mut events: Option<EventStream> = None;
        let mut next_poll = Instant::now();
        loop {
            if goal.is_reached(&status) {
                return Ok(status);
            }
            if status.is_dead() && !goal.allows(&status) {
                return Err(self.why_it_failed(&status).await);
            }
            // The stream has only events from now on, so subscribe first and ask afterwards (`docs/wire` §10, row 52).
            let events = events.get_or_insert_with(|| self.events());
            let seen = tokio::select! {
                event = events.next() => event.and_then(|event| event.status()),
                () = sleep_until(next_poll) => {
                    next_poll = Instant::now() + POLL;
                    self.poll_status().await?
                }
                () = until(deadline) => {
                    return Err(goal.missed(self.name(), &status, max_wait.unwrap_or_default()));
                }
            };
            if let Some(seen) = seen.filter(|seen| *seen != status) {
                on_status(&seen);
                status = seen;
            }
        }
    }

    /// The current status, or `None` if the server cannot report it now.
    async fn poll_status(&self) -> Result<Option<SessionStatus>, ClientError> {
        match self.info().await {
            // Servers of API v3 have no status, and answer only for sessions that run.
            Ok(info) => Ok(Some(info.status.unwrap_or(SessionStatus::Running))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(SessionStatus::Terminated)),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Auth
                        | ErrorKind::LoginEnded
                        | ErrorKind::ClockSkew
                        | ErrorKind::Forbidden
                        | ErrorKind::ServerEnded
                ) =>
            {
                Err(error)
            }
            Err(error) => {
                tracing::debug!(%error, "the status could not be read; still waiting");
                Ok(None)
            }
        }
    }

    async fn why_it_failed(&self, status: &SessionStatus) -> ClientError {
        let why = match self.info().await {
            Ok(info) => {
                reason(&info).map_or_else(|| format!("it is {status}"), |r| format!("it is {status}: {r}"))
            }
            Err(_) => format!("it is {status}"),
        };
        ClientError::new(ErrorKind::SessionFailed, format!("start the session {}", self.name()), why)
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The reason for the state of a session: the server's word for it, and the messages of its errors.
pub(super) fn reason(info: &SessionInfo) -> Option<String> {
    let mut parts: Vec<String> = info.status_info.iter().filter(|text| !text.is_empty()).cloned().collect();
    if let Some(data) = &info.status_data {
        let error = data.get("error").unwrap_or(data);
        let errors =
            error.get("collection").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![error.clone()]);
        for error in errors {
            let text = |key: &str| error.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            parts.extend(text("repr").or_else(|| text("message")).or_else(|| text("msg")).map(str::to_owned));
        }
    }
    (!parts.is_empty()).then(|| parts.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_reason_of_a_failure_is_read_in_every_format() {
        let info = |status_info: &str, data: Value| {
            serde_json::from_value::<SessionInfo>(json!({"statusInfo": status_info, "statusData": data}))
                .unwrap()
        };
        let single = json!({"error": {"src": "agent", "name": "X", "repr": "ImageNotFound('x')"}});
        assert_eq!(
            reason(&info("failed-to-start", single)).as_deref(),
            Some("failed-to-start: ImageNotFound('x')")
        );
        let many =
            json!({"error": {"name": "MultiAgentError", "collection": [{"repr": "A"}, {"repr": "B"}]}});
        assert_eq!(reason(&info("None", many)).as_deref(), Some("A: B"));
        assert_eq!(reason(&info("user-requested", json!(null))).as_deref(), Some("user-requested"));
        assert_eq!(reason(&info("", json!({"scheduler": {"msg": 3}}))), None);
    }
}
