//! Session statuses (`docs/wire` §2.3). The list grew in almost every release, so unknown ones are kept.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The status of a session. It is written as the upper-case name of the REST API. Lower case, as in event names, is read
/// too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[allow(missing_docs, reason = "the names are the server's; `docs/wire` §2.3 explains them")]
#[non_exhaustive]
pub enum SessionStatus {
    Pending,
    Deprioritizing,
    Reserved,
    Scheduled,
    Preparing,
    Pulling,
    Prepared,
    Creating,
    Running,
    Restarting,
    RunningDegraded,
    Preempted,
    Rescheduling,
    Terminating,
    Terminated,
    Error,
    Cancelled,
    /// The session and its kernel are gone, and its files are kept (`docs/wire` §13.7). No cluster has this status.
    Lost,
    /// Only in the reply to create: `maxWaitSeconds` passed, and the session continues to start.
    Timeout,
    /// A status that this crate does not know.
    Unknown(String),
}

const NAMES: [(&str, SessionStatus); 19] = [
    ("PENDING", SessionStatus::Pending),
    ("DEPRIORITIZING", SessionStatus::Deprioritizing),
    ("RESERVED", SessionStatus::Reserved),
    ("SCHEDULED", SessionStatus::Scheduled),
    ("PREPARING", SessionStatus::Preparing),
    ("PULLING", SessionStatus::Pulling),
    ("PREPARED", SessionStatus::Prepared),
    ("CREATING", SessionStatus::Creating),
    ("RUNNING", SessionStatus::Running),
    ("RESTARTING", SessionStatus::Restarting),
    ("RUNNING_DEGRADED", SessionStatus::RunningDegraded),
    ("PREEMPTED", SessionStatus::Preempted),
    ("RESCHEDULING", SessionStatus::Rescheduling),
    ("TERMINATING", SessionStatus::Terminating),
    ("TERMINATED", SessionStatus::Terminated),
    ("ERROR", SessionStatus::Error),
    ("CANCELLED", SessionStatus::Cancelled),
    ("LOST", SessionStatus::Lost),
    ("TIMEOUT", SessionStatus::Timeout),
];

impl SessionStatus {
    /// All known statuses.
    pub fn known() -> impl Iterator<Item = SessionStatus> {
        NAMES.into_iter().map(|(_, status)| status)
    }

    /// All known statuses of live sessions: those that run, start, or wait to start.
    pub fn alive() -> impl Iterator<Item = SessionStatus> {
        Self::known().filter(|status| !status.is_dead() && *status != SessionStatus::Timeout)
    }

    /// Whether code can be run now.
    pub fn is_executable(&self) -> bool {
        matches!(self, SessionStatus::Running | SessionStatus::RunningDegraded)
    }

    /// Whether it can no longer start to run: it has ended, is ending, has failed, or is lost.
    pub fn is_dead(&self) -> bool {
        use SessionStatus::*;
        matches!(self, Terminating | Terminated | Error | Cancelled | Lost)
    }

    /// The upper-case name.
    pub fn name(&self) -> &str {
        if let SessionStatus::Unknown(name) = self {
            return name;
        }
        NAMES.iter().find(|(_, status)| status == self).map_or("", |(name, _)| name)
    }

    /// The status that an event's name reports: `session_started` is RUNNING, and any other `session_<status>` is
    /// that status (`docs/wire` §8.1). Events of kernels, and outcomes of batch sessions, report none.
    pub fn from_event(event: &str) -> Option<Self> {
        match event.strip_prefix("session_")? {
            "started" => Some(SessionStatus::Running),
            "enqueued" => Some(SessionStatus::Pending),
            "success" | "failure" | "restarted" => None,
            name => Some(SessionStatus::from(name.to_owned())),
        }
    }
}

impl From<String> for SessionStatus {
    fn from(name: String) -> Self {
        let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        known.map_or(SessionStatus::Unknown(name), |(_, status)| status.clone())
    }
}

impl From<SessionStatus> for String {
    fn from(status: SessionStatus) -> Self {
        status.name().to_owned()
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_written_in_any_case() {
        for (name, status) in NAMES {
            assert_eq!(SessionStatus::from(name.to_owned()), status);
            assert_eq!(SessionStatus::from(name.to_lowercase()), status);
            assert_eq!(status.to_string(), name);
        }
    }

    #[test]
    fn an_unknown_status_is_kept() {
        let status: SessionStatus = serde_json::from_str("\"HIBERNATED\"").unwrap();
        assert_eq!(status, SessionStatus::Unknown("HIBERNATED".into()));
        assert_eq!(serde_json::to_string(&status).unwrap(), "\"HIBERNATED\"");
        assert!(!status.is_executable() && !status.is_dead());
    }

    #[test]
    fn events_give_statuses() {
        assert_eq!(SessionStatus::from_event("session_started"), Some(SessionStatus::Running));
        assert_eq!(SessionStatus::from_event("session_creating"), Some(SessionStatus::Creating));
        assert_eq!(SessionStatus::from_event("session_error"), Some(SessionStatus::Error));
        assert_eq!(SessionStatus::from_event("kernel_started"), None);
        assert_eq!(SessionStatus::from_event("session_success"), None);
    }
}
