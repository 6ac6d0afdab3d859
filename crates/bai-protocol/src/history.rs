//! A session's history and relations (`docs/wire` §2.6–§2.7, §8.3): history, dependencies, commits, background tasks.

use super::lenient;
use super::status::SessionStatus;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The time of each status of a session, the earliest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusHistory(pub Vec<(SessionStatus, String)>);

impl StatusHistory {
    /// Reads `{"PENDING": "2026-…"}`, bare or below `result`, names in any case. Times are ISO 8601.
    pub fn from_wire(body: &Value) -> Self {
        let map = body.get("result").filter(|value| value.is_object()).unwrap_or(body);
        let entries = map.as_object().into_iter().flatten();
        let mut found: Vec<_> = entries
            .filter_map(|(name, time)| Some((SessionStatus::from(name.clone()), time.as_str()?.to_owned())))
            .collect();
        // All times are written alike and in the same zone, so their texts have their order.
        found.sort_by(|a, b| a.1.cmp(&b.1));
        StatusHistory(found)
    }
}

/// A session in the graph of dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DependencyNode {
    /// UUID.
    pub session_id: String,
    /// Name.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub session_name: String,
    /// Its status, as text: some servers write `SessionStatus.RUNNING`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub status: String,
    /// The sessions that it depends on.
    #[serde(default = "Vec::new", deserialize_with = "lenient::list")]
    pub depends_on: Vec<DependencyNode>,
}

impl DependencyNode {
    /// Its status.
    pub fn session_status(&self) -> SessionStatus {
        let name = self.status.rsplit('.').next().unwrap_or_default();
        SessionStatus::from(name.to_owned())
    }
}

/// A report of a server about abuse by a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AbuseReport {
    /// UUID of the container.
    pub kernel: String,
    /// The report. Untrusted text.
    pub abuse_report: String,
}

/// The address of a session of the system type for SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DirectAccess {
    /// Such as `SYSTEM`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub kernel_role: String,
    /// Such as `system`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub session_type: String,
    /// The host to connect to.
    pub public_host: String,
    /// Ports there.
    #[serde(default = "Vec::new", deserialize_with = "lenient::list")]
    pub sshd_ports: Vec<u16>,
}

/// A commit that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Commit {
    /// The background task that does it.
    #[serde(rename = "bgtask_id")]
    pub task_id: String,
    /// UUID of the container.
    #[serde(default)]
    pub kernel: Option<String>,
    /// The file on the agent.
    #[serde(default)]
    pub path: Option<String>,
}

/// Whether a commit is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitState {
    /// No commit is under way.
    Ready,
    /// A commit is under way.
    Ongoing,
    /// A status that this crate does not know.
    Other(String),
}

impl CommitState {
    /// Reads `{"status": "ready"}`, bare or below `result`.
    pub fn from_wire(body: &Value) -> Self {
        let status = body.pointer("/status").or_else(|| body.pointer("/result/status"));
        match status.and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase().as_str() {
            "ready" => CommitState::Ready,
            "ongoing" => CommitState::Ongoing,
            other => CommitState::Other(other.to_owned()),
        }
    }
}

/// An event of a background task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TaskEvent {
    /// It makes progress.
    Progress {
        /// The amount done, in the task's own unit.
        current: f64,
        /// The amount in all, in the same unit; 0 when unknown.
        total: f64,
        /// Its current step. Untrusted text.
        message: String,
    },
    /// It is done.
    Done {
        /// Its message. Untrusted text.
        message: String,
        /// Errors in parts of it. Untrusted text.
        errors: Vec<String>,
    },
    /// It failed, with its message. Untrusted text.
    Failed(String),
    /// It was cancelled, with its message. Untrusted text.
    Cancelled(String),
}

impl TaskEvent {
    /// Reads an event under its current name or its name before 22.09. `None` for other events.
    pub fn parse(name: &str, data: &str) -> Option<Self> {
        let body: Value = serde_json::from_str(data).unwrap_or_default();
        let message = body.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |key: &str| body.get(key).and_then(Value::as_f64).unwrap_or_default();
        match name.strip_prefix("bgtask_").or_else(|| name.strip_prefix("task_"))? {
            "updated" => Some(TaskEvent::Progress {
                current: number("current_progress"),
                total: number("total_progress"),
                message,
            }),
            "done" | "partial_success" => {
                let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
                let errors = errors.map(|e| e.as_str().map_or_else(|| e.to_string(), str::to_owned));
                Some(TaskEvent::Done { message, errors: errors.collect() })
            }
            "failed" => Some(TaskEvent::Failed(message)),
            "cancelled" => Some(TaskEvent::Cancelled(message)),
            _ => None,
        }
    }

    /// Whether it is the last event.
    pub fn is_last(&self) -> bool {
        !matches!(self, TaskEvent::Progress { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_history_is_ordered_by_time_in_every_field() {
        let map = json!({"RUNNING": "2026-01-01T00:00:09+00:00", "pending": "2026-01-01T00:00:01+00:00", "x": null});
        for body in [map.clone(), json!({"result": map})] {
            let names: Vec<_> =
                StatusHistory::from_wire(&body).0.into_iter().map(|(status, _)| status).collect();
            assert_eq!(names, [SessionStatus::Pending, SessionStatus::Running]);
        }
        assert_eq!(StatusHistory::from_wire(&json!([])), StatusHistory::default());
    }

    #[test]
    fn a_graph_is_read_with_pythons_names_of_statuses() {
        let node: DependencyNode = serde_json::from_value(json!({
            "session_id": "b", "session_name": "second", "status": "SessionStatus.PENDING", "status_changed": "x",
            "depends_on": [{"session_id": "a", "session_name": "first", "status": "RUNNING", "depends_on": []}],
        }))
        .unwrap();
        assert_eq!(node.session_status(), SessionStatus::Pending);
        assert_eq!(node.depends_on.first().map(DependencyNode::session_status), Some(SessionStatus::Running));
    }

    #[test]
    fn task_events_are_read_under_old_and_new_names() {
        let progress = TaskEvent::parse(
            "bgtask_updated",
            r#"{"task_id":"t","message":"m","current_progress":1,"total_progress":4.0}"#,
        );
        assert_eq!(progress, Some(TaskEvent::Progress { current: 1.0, total: 4.0, message: "m".to_owned() }));
        let done = TaskEvent::parse("task_done", r#"{"message":"ok","errors":["one",2]}"#).unwrap();
        assert_eq!(done, TaskEvent::Done { message: "ok".into(), errors: vec!["one".into(), "2".into()] });
        assert!(done.is_last());
        assert_eq!(TaskEvent::parse("bgtask_failed", "nonsense"), Some(TaskEvent::Failed(String::new())));
        assert_eq!(TaskEvent::parse("server_close", "{}"), None);
    }

    #[test]
    fn a_commit_is_ready_or_ongoing() {
        assert_eq!(CommitState::from_wire(&json!({"status": "ready", "kernel": "u"})), CommitState::Ready);
        assert_eq!(CommitState::from_wire(&json!({"result": {"status": "ONGOING"}})), CommitState::Ongoing);
        assert_eq!(CommitState::from_wire(&json!({})), CommitState::Other(String::new()));
    }
}
