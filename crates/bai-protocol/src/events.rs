//! Session events, sent by the server as they happen (`docs/wire` §8.1).

use super::lenient;
use super::status::SessionStatus;
use serde::{Deserialize, Serialize};

/// The payload of one event. Not every server applies the query's filter, so compare `session_id`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EventData {
    /// The reason, such as `user-requested`, or empty.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub reason: String,
    /// Name of the session.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub session_name: String,
    /// UUID of the session.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub session_id: String,
    /// Access key of its owner.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub owner_access_key: String,
    /// Exit code of a batch session; null on 26.x.
    #[serde(deserialize_with = "lenient::exit_code")]
    pub exit_code: Option<i32>,
    /// The container; events of kernels only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_id: Option<String>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionEvent {
    /// Name, such as `session_started`.
    pub name: String,
    /// Payload.
    pub data: EventData,
}

impl SessionEvent {
    /// Reads an event; one whose payload is not an object has an empty payload.
    pub fn parse(name: &str, data: &str) -> Self {
        SessionEvent { name: name.to_owned(), data: serde_json::from_str(data).unwrap_or_default() }
    }

    /// The status of the session now, if the event reports one.
    pub fn status(&self) -> Option<SessionStatus> {
        SessionStatus::from_event(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_leniently() {
        let event = SessionEvent::parse(
            "session_started",
            r#"{"sessionName": "work", "sessionId": "u", "reason": null, "exitCode": null, "x": 1}"#,
        );
        assert_eq!(event.status(), Some(SessionStatus::Running));
        assert_eq!((event.data.session_id.as_str(), event.data.reason.as_str()), ("u", ""));
        assert_eq!(SessionEvent::parse("server_close", "nonsense").data, EventData::default());
    }
}
