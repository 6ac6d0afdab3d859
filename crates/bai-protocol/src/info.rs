//! Information about a session, its logs and its history (`docs/wire` §2.6, §2.8).

use super::execute::RunId;
use super::lenient;
use super::python;
use super::status::SessionStatus;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The reply to `GET /{P}/{s}`. Every field may be missing: the list differs in each generation of servers. Several
/// are Python's own rendering of a dictionary and not JSON, so they stay text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionInfo {
    /// Image reference.
    #[serde(deserialize_with = "lenient::text")]
    pub image: Option<String>,
    /// The image reference under its old name; modern servers send both names.
    #[serde(deserialize_with = "lenient::text")]
    pub lang: Option<String>,
    /// The status of the session; missing on API v3.
    pub status: Option<SessionStatus>,
    /// The reason for the status.
    #[serde(deserialize_with = "lenient::text")]
    pub status_info: Option<String>,
    /// Details of a failure.
    pub status_data: Option<Value>,
    /// Time since creation, in milliseconds.
    pub age: Option<f64>,
    /// The time of its creation.
    #[serde(deserialize_with = "lenient::text")]
    pub creation_time: Option<String>,
    /// The time of its end.
    #[serde(deserialize_with = "lenient::text")]
    pub termination_time: Option<String>,
    /// Cells run so far; stays 0 on 26.x.
    pub num_queries_executed: Option<u64>,
    /// Machine architecture.
    #[serde(deserialize_with = "lenient::text")]
    pub architecture: Option<String>,
    /// Free text of the creator.
    #[serde(deserialize_with = "lenient::text")]
    pub tag: Option<String>,
    /// Resources in use, as text; see [`SessionInfo::resources`].
    #[serde(deserialize_with = "lenient::text")]
    pub occupied_slots: Option<String>,
    /// Live statistics.
    pub last_stat: Option<Value>,
    /// The interpreter of the cells, such as `python 3.6.15 (/usr/bin/python3.6)`; only from the engine of bai-repl.
    #[serde(deserialize_with = "lenient::text")]
    pub interpreter: Option<String>,
    /// A note for the user, for example that it is not the requested version; only from the engine of bai-repl.
    #[serde(deserialize_with = "lenient::text")]
    pub note: Option<String>,
    /// The id of the active run, on servers with the capability `current-run`.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub current_run_id: Option<String>,
    /// The id of the first run whose client has gone before it has got the end; only from the engine of bai-repl.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub left_run_id: Option<String>,
    /// The id of the project that the session belongs to.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// The domain that the session belongs to.
    #[serde(deserialize_with = "lenient::text", skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    /// Fields that no code of ours reads.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

impl SessionInfo {
    /// The image reference, under either name.
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref().or(self.lang.as_deref())
    }

    /// The resources in use in the notation of requests, `cpu=1 mem=1g`. A text that cannot be read is returned
    /// unchanged, and an empty one gives `None`.
    pub fn resources(&self) -> Option<String> {
        let raw = self.occupied_slots.as_ref()?;
        let slots = python::dictionary(raw).or_else(|| serde_json::from_str(raw).ok());
        let text = slots.map_or_else(|| raw.clone(), |s| s.iter().map(slot).collect::<Vec<_>>().join(" "));
        Some(text).filter(|text| !text.is_empty())
    }

    /// The number of cells that the session has run, or `None` if the server does not count them.
    pub fn cells(&self) -> Option<u64> {
        self.num_queries_executed.filter(|count| *count > 0)
    }

    /// The active run, if the server reports one.
    pub fn current_run(&self) -> Option<RunId> {
        self.current_run_id.as_deref().map(RunId::from_wire)
    }

    /// The first run whose client has gone before it has got the end, if the server reports one.
    pub fn left_run(&self) -> Option<RunId> {
        self.left_run_id.as_deref().map(RunId::from_wire)
    }

    /// The environment that the session was created with, if the server reports it in a readable form.
    pub fn environ(&self) -> Option<BTreeMap<String, String>> {
        match self.rest.get("environ")? {
            Value::String(text) => python::dictionary(text),
            other => serde_json::from_value(other.clone()).ok(),
        }
    }
}

/// One slot in the notation of requests: `cpu=1`, `mem=512m`.
fn slot((name, amount): (&String, &String)) -> String {
    let number =
        if amount.contains('.') { amount.trim_end_matches('0').trim_end_matches('.') } else { amount };
    let bytes = number.parse::<u64>().ok().filter(|bytes| name == "mem" && *bytes > 0);
    let sized = bytes.and_then(|bytes| {
        let units = [(1 << 30, 'g'), (1 << 20, 'm')];
        let (unit, letter) = units.into_iter().find(|(unit, _)| bytes.is_multiple_of(*unit))?;
        Some(format!("{}{letter}", bytes / unit))
    });
    format!("{name}={}", sized.unwrap_or_else(|| number.to_owned()))
}

/// The reply to `GET /{P}/{s}/logs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogsReply {
    /// Wrapper.
    pub result: Logs,
}

/// The text of a container's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// Standard output and standard error of the container.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub logs: String,
}

/// One session among those that match a prefix (`GET /{P}/_/match`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// UUID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Its status.
    pub status: SessionStatus,
}

/// The reply to `GET /{P}/_/match`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// The sessions.
    #[serde(default, deserialize_with = "lenient::list")]
    pub matches: Vec<Match>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pythons_none_is_none_and_stringified_dicts_stay_text() {
        let info: SessionInfo = serde_json::from_value(json!({
            "lang": "python:3.6", "status": "RUNNING", "statusInfo": "None", "terminationTime": "None", "age": 1234,
            "occupiedSlots": "{'cpu': Decimal('1')}", "statusData": null, "idleChecks": {"x": {}}, "numQueriesExecuted": 0,
        }))
        .unwrap();
        assert_eq!((&info.status_info, &info.termination_time), (&None, &None));
        assert_eq!(info.occupied_slots.as_deref(), Some("{'cpu': Decimal('1')}"));
        assert_eq!(info.cells(), None);
        assert_eq!((info.image(), info.age), (Some("python:3.6"), Some(1234.0)));
        assert!(info.rest.contains_key("idleChecks"));
    }

    #[test]
    fn the_image_has_two_names() {
        let read = |value| serde_json::from_value::<SessionInfo>(value).unwrap();
        assert_eq!(read(json!({"lang": "old"})).image(), Some("old"));
        assert_eq!(read(json!({"lang": "same", "image": "same"})).image(), Some("same"));
        assert_eq!(read(json!({})).image(), None);
    }

    #[test]
    fn the_active_run_and_the_owner_may_be_missing_or_invalid() {
        let sent = json!({"currentRunId": "r1", "groupId": "g1", "domainName": "default"});
        let info: SessionInfo = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(info.current_run(), Some(RunId::from_wire("r1")));
        assert_eq!((info.group_id.as_deref(), info.domain_name.as_deref()), (Some("g1"), Some("default")));
        for (name, value) in sent.as_object().unwrap() {
            assert_eq!(serde_json::to_value(&info).unwrap().get(name), Some(value));
        }
        let odd = json!({"currentRunId": null, "groupId": "None"});
        let info: SessionInfo = serde_json::from_value(odd).unwrap();
        assert_eq!((info.current_run(), info.group_id, info.domain_name), (None, None, None));
    }

    #[test]
    fn logs_may_be_null() {
        let logs: LogsReply = serde_json::from_value(json!({"result": {"logs": null}})).unwrap();
        assert_eq!(logs.result.logs, "");
    }

    #[test]
    fn resources_are_shown_in_the_syntax_of_requests() {
        let shown = |slots: &str| {
            SessionInfo { occupied_slots: Some(slots.to_owned()), ..SessionInfo::default() }.resources()
        };
        let slots = "{'cpu': Decimal('10.000000'), 'cuda.shares': Decimal('0.50'), 'mem': Decimal('1073741824.000000')}";
        assert_eq!(shown(slots).as_deref(), Some("cpu=10 cuda.shares=0.5 mem=1g"));
        assert_eq!(shown(r#"{"mem": "536870912"}"#).as_deref(), Some("mem=512m"));
        assert_eq!(shown("{'mem': Decimal('1000')}").as_deref(), Some("mem=1000"));
        assert_eq!(shown("cpu(1)").as_deref(), Some("cpu(1)"));
        assert_eq!(shown("{}"), None);
    }
}
