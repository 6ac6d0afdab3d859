//! A session in a list (`docs/wire` §2.5). Several of its fields are strings that contain JSON.

use super::create::{ServicePort, SessionType};
use super::lenient;
use super::status::SessionStatus;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One session in the list. Fields that the server does not send are missing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct SessionSummary {
    /// UUID; the name on servers before 20.03.
    #[serde(rename = "session_id")]
    pub id: String,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// `interactive`, `batch`, `inference` or `system`, in upper or lower case.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Image reference.
    #[serde(default)]
    pub image: Option<String>,
    /// Machine architecture.
    #[serde(default)]
    pub architecture: Option<String>,
    /// Its status.
    pub status: SessionStatus,
    /// The reason for the status.
    #[serde(default)]
    pub status_info: Option<String>,
    /// The time of its creation, ISO 8601.
    #[serde(default)]
    pub created_at: Option<String>,
    /// The time of its end, ISO 8601.
    #[serde(default)]
    pub terminated_at: Option<String>,
    /// How a batch session ended: `success`, `failure`, or `undefined` before that.
    #[serde(default)]
    pub result: Option<String>,
    /// Free text of the creator.
    #[serde(default)]
    pub tag: Option<String>,
    /// Project.
    #[serde(default, rename = "group_name")]
    pub group: Option<String>,
    /// Domain.
    #[serde(default, rename = "domain_name")]
    pub domain: Option<String>,
    /// Its owner.
    #[serde(default)]
    pub access_key: Option<String>,
    /// Resource group.
    #[serde(default)]
    pub scaling_group: Option<String>,
    /// The command of a batch session.
    #[serde(default)]
    pub startup_command: Option<String>,
    /// Virtual folders, by name.
    #[serde(default, deserialize_with = "lenient::list")]
    pub mounts: Vec<String>,
    /// `single-node` or `multi-node`, in upper or lower case.
    #[serde(default)]
    pub cluster_mode: Option<String>,
    /// Number of containers.
    #[serde(default)]
    pub cluster_size: Option<u32>,
    /// Place in the queue.
    #[serde(default)]
    pub priority: Option<u8>,
    /// The allocated slots by name, memory in bytes.
    #[serde(default, deserialize_with = "lenient::slots")]
    pub occupied_slots: BTreeMap<String, String>,
    /// The requested slots by name, memory in bytes.
    #[serde(default, deserialize_with = "lenient::slots")]
    pub requested_slots: BTreeMap<String, String>,
    /// Options such as `shmem`.
    #[serde(default, deserialize_with = "lenient::slots")]
    pub resource_opts: BTreeMap<String, String>,
    /// Its services.
    #[serde(default, deserialize_with = "lenient::list_in_text")]
    pub service_ports: Vec<ServicePort>,
}

impl SessionSummary {
    /// The type of the session, if it is a known one.
    pub fn session_type(&self) -> Option<SessionType> {
        match self.kind.as_deref()?.to_ascii_lowercase().as_str() {
            "interactive" => Some(SessionType::Interactive),
            "batch" => Some(SessionType::Batch),
            "inference" => Some(SessionType::Inference),
            "system" => Some(SessionType::System),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_within_strings_is_read() {
        let summary: SessionSummary = serde_json::from_value(json!({
            "session_id": "u", "status": "RUNNING", "type": "BATCH", "name": null, "mounts": null,
            "occupied_slots": "{\"cpu\": \"1\", \"mem\": 1024, \"x\": null}", "requested_slots": {"cpu": "2"},
            "service_ports": "[{\"name\": \"ttyd\", \"protocol\": \"http\", \"container_ports\": [7681]}]",
            "resource_opts": "not json",
        }))
        .unwrap();
        assert_eq!(summary.session_type(), Some(SessionType::Batch));
        let slots: Vec<_> = summary.occupied_slots.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(slots, [("cpu", "1"), ("mem", "1024")]);
        assert_eq!(summary.requested_slots.get("cpu").map(String::as_str), Some("2"));
        assert!(summary.resource_opts.is_empty());
        assert_eq!(summary.service_ports.first().map(|port| port.ports.clone()), Some(vec![7681]));
    }
}
