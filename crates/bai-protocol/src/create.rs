//! Creation of sessions (`docs/wire` §2.2): the body that we send, by API version, the body that a server
//! reads, and the reply.

mod request;
mod rules;

pub use request::{CreateRequest, MountOption, PYTHON_SHELL, SessionType};
pub use rules::{BadName, BadRequest, check_name};

use super::lenient;
use super::status::SessionStatus;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A create body as a server reads it: every alias, unknown keys ignored, null where something may be missing.
/// When a client sends a key under several names, the newest name counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IncomingCreate {
    /// The session's name.
    pub name: Option<String>,
    /// Image reference.
    pub image: Option<String>,
    /// Whether to answer at once.
    pub enqueue_only: bool,
    /// How long to wait, in seconds; 0 means without limit.
    pub max_wait_seconds: u64,
    /// Whether to reuse a live session of that name; true when missing.
    pub reuse: bool,
    /// Free text.
    pub tag: Option<String>,
    /// Project.
    pub group: Option<String>,
    /// Domain.
    pub domain: Option<String>,
    /// Shell text that runs first.
    pub bootstrap_script: Option<String>,
    /// Environment of the session's programs. Values that are not strings are written as JSON.
    pub environ: BTreeMap<String, String>,
    /// Whether it is for one script alone.
    pub is_for_script: bool,
    /// The environment that its programs begin with.
    pub creator_environment: Option<BTreeMap<String, String>>,
    /// Ports on which the user's own programs listen.
    pub preopen_ports: Vec<u16>,
    /// The type, such as `batch`.
    pub session_type: Option<String>,
    /// Number of containers, if it is given.
    pub cluster_size: Option<u64>,
    /// Virtual folders to mount, by name or UUID, each once.
    pub mounts: BTreeSet<String>,
    /// Names of the requested slots.
    pub slots: BTreeSet<String>,
    /// Names or UUIDs of the sessions that must succeed first.
    pub dependencies: Vec<String>,
    /// URL that gets a POST when the status changes.
    pub callback_url: Option<String>,
    /// Ids of the agents to run on.
    pub agents: Vec<String>,
    /// UUID of the network to join.
    pub network: Option<String>,
}

impl IncomingCreate {
    /// Reads a body. What has the wrong type counts as missing, so that a client of any age is served.
    pub fn from_wire(body: &Value) -> Self {
        let find =
            |names: &[&str]| names.iter().find_map(|name| body.get(name).filter(|value| !value.is_null()));
        let text = |names: &[&str]| find(names).and_then(Value::as_str).map(str::to_owned);
        let flag = |names: &[&str]| find(names).and_then(Value::as_bool);
        let config = |names: &[&str]| names.iter().find_map(|name| body.get("config")?.get(name));
        let environ = config(&["environ"]).and_then(Value::as_object);
        let ports = config(&["preopen_ports", "preopenPorts"]).and_then(Value::as_array);
        let mounts = [
            config(&["mounts"]),
            config(&["mount_map", "mountMap"]),
            config(&["mount_options", "mountOptions"]),
            config(&["mount_ids"]),
            config(&["mount_id_map", "mountIdMap"]),
        ];
        let cluster_size =
            find(&["clusterSize", "cluster_size"]).or_else(|| config(&["clusterSize", "cluster_size"]));
        let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        IncomingCreate {
            name: text(&["name", "session_name", "clientSessionToken"]),
            image: text(&["image", "lang"]),
            enqueue_only: flag(&["enqueueOnly", "enqueue_only"]).unwrap_or(false),
            max_wait_seconds: find(&["maxWaitSeconds", "max_wait_seconds"])
                .and_then(Value::as_u64)
                .unwrap_or(0),
            reuse: flag(&["reuseIfExists", "reuse"]).unwrap_or(true),
            tag: text(&["tag"]),
            group: text(&["group", "groupName", "group_name"]),
            domain: text(&["domain", "domainName", "domain_name"]),
            bootstrap_script: text(&["bootstrap_script", "bootstrapScript"]),
            environ: environ.into_iter().flatten().map(|(key, value)| (key.clone(), plain(value))).collect(),
            is_for_script: flag(&["forScript"]).unwrap_or(false),
            creator_environment: find(&["creatorEnvironment"])
                .and_then(Value::as_object)
                .map(|variables| variables.iter().map(|(key, value)| (key.clone(), plain(value))).collect()),
            preopen_ports: ports.into_iter().flatten().filter_map(port).collect(),
            session_type: text(&["type", "session_type", "sessionType"]),
            cluster_size: cluster_size.and_then(Value::as_u64),
            mounts: mounts.into_iter().flat_map(texts).collect(),
            slots: texts(config(&["resources"])).into_iter().collect(),
            dependencies: texts(find(&["dependencies"])),
            callback_url: text(&["callback_url", "callbackUrl", "callbackURL"]),
            agents: texts(config(&["agentList", "agent_list"])),
            network: config(&["attach_network", "attachNetwork"]).and_then(Value::as_str).map(str::to_owned),
        }
    }
}

/// The texts of a list, or the keys of a map whose values are not null.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::Object(map)) => {
            map.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// The reply to a create request. Servers give several of its keys under two names at once; the newer one counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "AnyReply")]
pub struct CreateReply {
    /// UUID of the session. Servers up to API v4 give its name instead.
    pub session_id: String,
    /// The session's name; missing on old servers.
    pub session_name: Option<String>,
    /// Its status; missing on old servers, where a reply means RUNNING.
    pub status: SessionStatus,
    /// Whether it is new; missing on very old servers, which always create a new one.
    pub created: bool,
    /// Services; may be empty before the session runs.
    pub service_ports: Vec<ServicePort>,
    /// What the user should know about it; clusters have no such field.
    pub note: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyReply {
    session_id: Option<String>,
    kernel_id: Option<String>,
    session_name: Option<String>,
    status: Option<SessionStatus>,
    created: Option<bool>,
    #[serde(default, deserialize_with = "lenient::list")]
    service_ports: Vec<ServicePort>,
    #[serde(default, rename = "service_ports", deserialize_with = "lenient::list")]
    service_records: Vec<ServicePort>,
    note: Option<String>,
}

impl TryFrom<AnyReply> for CreateReply {
    type Error = &'static str;

    fn try_from(any: AnyReply) -> Result<Self, Self::Error> {
        Ok(CreateReply {
            session_id: any.session_id.or(any.kernel_id).ok_or("it names no session")?,
            session_name: any.session_name,
            status: any.status.unwrap_or(SessionStatus::Running),
            created: any.created.unwrap_or(true),
            service_ports: if any.service_ports.is_empty() { any.service_records } else { any.service_ports },
            note: any.note,
        })
    }
}

/// A service of a session. Fresh sessions give `ports`, reused ones `container_ports` (`docs/wire` §10, row 25).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AnyPort")]
pub struct ServicePort {
    /// Name of the app.
    pub name: String,
    /// `tcp`, `http`, `preopen`, `pty`…
    pub protocol: String,
    /// Ports in the container.
    pub ports: Vec<u16>,
}

#[derive(Deserialize)]
struct AnyPort {
    name: String,
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    protocol: String,
    #[serde(default, deserialize_with = "lenient::list")]
    ports: Vec<u16>,
    #[serde(default, deserialize_with = "lenient::list")]
    container_ports: Vec<u16>,
}

impl From<AnyPort> for ServicePort {
    fn from(any: AnyPort) -> Self {
        let ports = if any.ports.is_empty() { any.container_ports } else { any.ports };
        ServicePort { name: any.name, protocol: any.protocol, ports }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request() -> CreateRequest {
        CreateRequest {
            name: "work".into(),
            image: "python:3.6".into(),
            reuse: true,
            enqueue_only: true,
            ..Default::default()
        }
    }

    #[test]
    fn a_server_reads_every_alias() {
        let old = IncomingCreate::from_wire(&json!({
            "clientSessionToken": "work", "lang": "python:3.6", "enqueueOnly": true, "maxWaitSeconds": 5,
            "reuseIfExists": false, "newKey": {},
            "config": {"environ": {"A": 1, "B": "x"}, "mounts": null, "preopenPorts": [8190, "x", -1, 99999]},
        }));
        assert_eq!((old.name.as_deref(), old.image.as_deref()), (Some("work"), Some("python:3.6")));
        assert_eq!((old.enqueue_only, old.max_wait_seconds, old.reuse), (true, 5, false));
        assert_eq!(old.preopen_ports, [8190]);
        assert_eq!(old.environ, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "x".to_owned())].into());
        let sparse = IncomingCreate::from_wire(
            &json!({"session_name": "work", "image": "x", "config": null, "tag": null}),
        );
        assert_eq!((sparse.name.as_deref(), sparse.reuse), (Some("work"), true));
        let both = IncomingCreate::from_wire(&json!({"name": "new", "clientSessionToken": "old"}));
        assert_eq!(both.name.as_deref(), Some("new"));
        assert_eq!(IncomingCreate::from_wire(&json!([1])).name, None);
    }

    #[test]
    fn a_server_reads_the_request_that_we_send() {
        let sent = CreateRequest {
            environ: [("A".to_owned(), "1".to_owned())].into(),
            reuse: false,
            cluster_size: Some(2),
            mounts: vec!["data".into()],
            mount_map: [("data".to_owned(), "/data".to_owned())].into(),
            resources: [("cpu".to_owned(), "1".to_owned())].into(),
            ..request()
        };
        for version in super::super::version::KNOWN {
            let read = IncomingCreate::from_wire(&sent.to_wire(version.parse().unwrap()));
            assert_eq!((read.name.as_deref(), read.image.as_deref()), (Some("work"), Some("python:3.6")));
            assert_eq!(read.environ, sent.environ);
            assert_eq!(read.mounts, ["data".to_owned()].into());
            assert!(read.slots.iter().all(|slot| slot == "cpu"), "{:?}", read.slots);
            assert_eq!(read.cluster_size, Some(2), "{version}");
        }
    }

    #[test]
    fn replies_of_every_server_generation_are_read() {
        let read = |value| serde_json::from_value::<CreateReply>(value).unwrap();
        let old = read(json!({"kernelId": "work", "servicePorts": null}));
        assert!(old.created && old.service_ports.is_empty() && old.status == SessionStatus::Running);
        let fresh = read(json!({
            "sessionId": "u", "sessionName": "work", "status": "PENDING", "created": true,
            "servicePorts": [{"name": "ttyd", "protocol": "http", "ports": [7681], "url_template": "x"}],
        }));
        let reused = read(json!({
            "sessionId": "u", "sessionName": "work", "status": "RUNNING", "created": false,
            "service_ports": [{"name": "ttyd", "protocol": "http", "container_ports": [7681], "host_ports": [30001], "is_inference": false}],
        }));
        assert_eq!(fresh.service_ports, reused.service_ports);
        assert!(!reused.created);
        let both =
            read(json!({"sessionId": "u", "kernelId": "work", "servicePorts": [], "service_ports": []}));
        assert_eq!(both.session_id, "u");
        assert!(serde_json::from_value::<CreateReply>(json!({"status": "RUNNING"})).is_err());
    }
}
