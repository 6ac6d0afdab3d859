//! The body of a create request, with and without a template, in the form of each API version.

use crate::version::ApiVersion;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The requested session. Only the fields that are set are sent: null for an optional key is refused by modern servers
/// (`docs/wire` §10, row 26). Keys that are newer than the server's version are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CreateRequest {
    /// The session's name, 4 to 64 characters; see [`check_name`](super::check_name).
    pub name: String,
    /// Image reference or alias, such as `python:3.6`. Empty with a template: the template's own.
    pub image: String,
    /// UUID of the session template. It gives the fields that are not set here.
    pub template: Option<String>,
    /// The type of the session. Default: the template's, else interactive.
    pub session_type: Option<SessionType>,
    /// The shell command of a batch session.
    pub startup_command: Option<String>,
    /// The earliest start of a batch session: ISO 8601, or a time from now such as `10m`.
    pub starts_at: Option<String>,
    /// How long a batch session may run: seconds, or with a unit such as `30s`, `5m`, `1h`, `2d`, `1w`. From 24.09 on.
    pub batch_timeout: Option<String>,
    /// UUIDs or names of the sessions that must succeed before this one starts. From 22.03 on.
    pub dependencies: Vec<String>,
    /// URL that the server posts to when the status changes. From 22.03 on.
    pub callback_url: Option<String>,
    /// Place in the queue, 0 to 100; the server's default is 10. From 24.09 on.
    pub priority: Option<u8>,
    /// Machine architecture; the server's default is `x86_64`.
    pub architecture: Option<String>,
    /// The project to which it is charged.
    pub group: Option<String>,
    /// Domain.
    pub domain: Option<String>,
    /// Number of containers.
    pub cluster_size: Option<u32>,
    /// `single-node` or `multi-node`.
    pub cluster_mode: Option<String>,
    /// Free text.
    pub tag: Option<String>,
    /// Whether the server answers at once instead of waiting for RUNNING.
    pub enqueue_only: bool,
    /// How long a server that waits may wait, in seconds; 0 means without limit.
    pub max_wait_seconds: Option<u32>,
    /// Whether a live session of the same name and image is reused.
    pub reuse: bool,
    /// Environment of the session's programs.
    pub environ: BTreeMap<String, String>,
    /// What runs the cells of Python, for kernels of our runner: `ipython` or `plain`. It travels in the environment, under the name
    /// [`PYTHON_SHELL`].
    pub python_shell: Option<String>,
    /// Virtual folders by name, or `name/path` for a folder inside one.
    pub mounts: Vec<String>,
    /// Mount points of virtual folders, by name: a path in the container, below `/home/work` when relative.
    pub mount_map: BTreeMap<String, String>,
    /// How virtual folders are mounted, by name. From 20.09 on.
    pub mount_options: BTreeMap<String, MountOption>,
    /// Virtual folders by UUID. From 25.12 on.
    pub mount_ids: Vec<String>,
    /// Mount points of virtual folders, by UUID. From 25.12 on.
    pub mount_id_map: BTreeMap<String, String>,
    /// Slots by name: `cpu`, `mem`, `cuda.device`…
    pub resources: BTreeMap<String, String>,
    /// Options such as `shmem`. The words `true` and `false` are sent as booleans.
    pub resource_opts: BTreeMap<String, String>,
    /// Resource group.
    pub scaling_group: Option<String>,
    /// Ports for services that the user starts, 1024 to 65535.
    pub preopen_ports: Vec<u16>,
    /// Shell text that runs before services.
    pub bootstrap_script: Option<String>,
    /// Ids of the agents on which it runs, one for each container; for admins. From 20.09 on.
    pub agents: Vec<String>,
    /// UUID of the network that its containers join. From 24.09 on.
    pub network: Option<String>,
    /// Whether it is for one script alone, which runs as the language's own program runs it. For servers with
    /// [`Capability::CreatorEnvironment`](crate::capability::Capability::CreatorEnvironment).
    pub is_for_script: bool,
    /// The environment that its programs begin with, for the same servers. It may have secrets, so it is only for an engine of
    /// the same user on the same machine.
    pub creator_environment: Option<BTreeMap<String, String>>,
    /// Access key of the owner, when an admin acts for another user.
    pub owner_access_key: Option<String>,
}

/// The type of a session (`docs/wire` §2.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionType {
    /// It stays until it is destroyed or idle for too long.
    #[default]
    Interactive,
    /// It runs one command and ends.
    Batch,
    /// It serves a model; servers make these themselves.
    Inference,
    /// A helper of the server, for uploads for example.
    System,
}

/// How one virtual folder is mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MountOption {
    /// `ro`, `rw` or `wd` (may also delete), within the folder's own permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// The folder inside the virtual folder that is mounted instead of all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subpath: Option<String>,
    /// The mount point, as in [`CreateRequest::mount_map`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_destination: Option<String>,
}

impl CreateRequest {
    /// An interactive session of this name and image, with the server's defaults for everything else.
    pub fn new(name: impl Into<String>, image: impl Into<String>) -> Self {
        CreateRequest { name: name.into(), image: image.into(), ..CreateRequest::default() }
    }

    /// The path below `/{P}` that takes this request.
    pub fn path(&self) -> &'static str {
        if self.template.is_some() { "/_/create-from-template" } else { "" }
    }

    /// The body for a server that speaks `version`. Keys that the official client does not yet send at that version are
    /// left out.
    pub fn to_wire(&self, version: ApiVersion) -> Value {
        let mut body = Map::new();
        body.insert(version.name_key().into(), json!(self.name));
        let mut put = |key: &str, since: &str, value: Value| insert(&mut body, version, key, since, value);
        put(version.image_key(), ALL, text(&self.image));
        put("template_id", "v5.20191215", json!(self.template));
        put("tag", ALL, json!(self.tag));
        let kind = self.session_type.or(self.template.is_none().then_some(SessionType::Interactive));
        put("type", "v4.20190615", json!(kind));
        put("group", "v4.20190615", json!(self.group));
        put("domain", "v4.20190615", json!(self.domain));
        put("enqueueOnly", "v4.20190615", json!(self.enqueue_only));
        put("maxWaitSeconds", "v4.20190615", json!(self.max_wait_seconds));
        put("reuseIfExists", "v4.20190615", json!(self.reuse));
        put("startupCommand", "v4.20190615", json!(self.startup_command));
        put("owner_access_key", "v4.20190615", json!(self.owner_access_key));
        put("starts_at", "v5.20191215", json!(self.starts_at));
        put("bootstrap_script", "v5.20191215", json!(self.bootstrap_script));
        put("clusterSize", "v6.20200815", json!(self.cluster_size));
        put("clusterMode", "v6.20200815", json!(self.cluster_mode));
        put("architecture", "v6.20220315", json!(self.architecture));
        put("dependencies", "v6.20220315", json!(self.dependencies));
        put("callback_url", "v6.20220315", json!(self.callback_url));
        put("priority", "v8.20240915", json!(self.priority));
        put("batch_timeout", "v8.20240915", json!(self.batch_timeout));
        if self.is_for_script {
            body.insert("forScript".into(), json!(true));
        }
        if let Some(environment) = &self.creator_environment {
            body.insert("creatorEnvironment".into(), json!(environment));
        }
        body.insert("config".into(), self.config(version));
        Value::Object(body)
    }

    fn config(&self, version: ApiVersion) -> Value {
        let mut config = Map::new();
        let mut put = |key: &str, since: &str, value: Value| insert(&mut config, version, key, since, value);
        let mut environ = self.environ.clone();
        if let Some(shell) = &self.python_shell {
            environ.entry(PYTHON_SHELL.to_owned()).or_insert_with(|| shell.clone());
        }
        put("environ", ALL, json!(environ));
        put("mounts", ALL, json!(self.mounts));
        put("scalingGroup", "v4.20190315", json!(self.scaling_group));
        put("resources", "v4.20190315", json!(self.resources));
        let options = self.resource_opts.iter().map(|(key, value)| (key.clone(), typed(value)));
        put("resource_opts", "v4.20190315", Value::Object(options.collect()));
        put("mount_map", "v5.20191215", json!(self.mount_map));
        put("preopen_ports", "v5.20191215", json!(self.preopen_ports));
        put("mount_options", "v6.20200815", json!(self.mount_options));
        put("agentList", "v6.20200815", json!(self.agents));
        put("attach_network", "v8.20240915", json!(self.network));
        put("mount_ids", "v9.20250722", json!(self.mount_ids));
        put("mount_id_map", "v9.20250722", json!(self.mount_id_map));
        if version.major() <= 5 {
            put("clusterSize", ALL, json!(self.cluster_size));
        }
        Value::Object(config)
    }
}

/// The variable that chooses what runs the cells of Python: `auto`, `ipython` or `plain`.
pub const PYTHON_SHELL: &str = "BAI_REPL_PYTHON_SHELL";

/// The version of the keys that have always existed.
const ALL: &str = "v4.20181215";

/// Adds a key if `version` knows it and it has a value.
fn insert(into: &mut Map<String, Value>, version: ApiVersion, key: &str, since: &str, value: Value) {
    let empty = value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
    if version.at_least(since) && !empty && !value.is_null() {
        into.insert(key.into(), value);
    }
}

fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn typed(text: &str) -> Value {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        _ => json!(text),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::version::NEWEST;

    pub(in crate::create) fn request() -> CreateRequest {
        CreateRequest {
            name: "work".into(),
            image: "python:3.6".into(),
            reuse: true,
            enqueue_only: true,
            ..Default::default()
        }
    }

    pub(in crate::create) fn everything() -> CreateRequest {
        let pair = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        CreateRequest {
            session_type: Some(SessionType::Batch),
            startup_command: Some("make".into()),
            starts_at: Some("10m".into()),
            batch_timeout: Some("1h".into()),
            dependencies: vec!["first".into()],
            callback_url: Some("http://127.0.0.1:9/".into()),
            priority: Some(20),
            architecture: Some("aarch64".into()),
            cluster_size: Some(2),
            cluster_mode: Some("single-node".into()),
            environ: pair("A", "1"),
            mounts: vec!["data".into()],
            mount_map: pair("data", "in"),
            mount_options: [(
                "data".to_owned(),
                MountOption { permission: Some("ro".into()), ..Default::default() },
            )]
            .into(),
            resource_opts: BTreeMap::from([
                ("shmem".into(), "64m".into()),
                ("allow_fractional_resource_fragmentation".into(), "true".into()),
            ]),
            scaling_group: Some("gpu".into()),
            preopen_ports: vec![8080],
            bootstrap_script: Some("true".into()),
            agents: vec!["i-one".into()],
            mount_ids: vec!["u".into()],
            ..request()
        }
    }

    #[test]
    fn optional_keys_are_left_out_and_never_null() {
        let expected = json!({
            "name": "work", "image": "python:3.6", "config": {}, "type": "interactive",
            "enqueueOnly": true, "reuseIfExists": true,
        });
        assert_eq!(request().to_wire(NEWEST), expected);
    }

    #[test]
    fn a_full_request_sends_the_keys_that_the_version_knows() {
        let expected = json!({
            "name": "work", "image": "python:3.6", "type": "batch", "enqueueOnly": true, "reuseIfExists": true,
            "startupCommand": "make", "starts_at": "10m", "batch_timeout": "1h", "dependencies": ["first"],
            "callback_url": "http://127.0.0.1:9/", "priority": 20, "architecture": "aarch64", "clusterSize": 2,
            "clusterMode": "single-node", "bootstrap_script": "true",
            "config": {
                "environ": {"A": "1"}, "mounts": ["data"], "mount_map": {"data": "in"},
                "mount_options": {"data": {"permission": "ro"}}, "scalingGroup": "gpu", "preopen_ports": [8080],
                "resource_opts": {"shmem": "64m", "allow_fractional_resource_fragmentation": true},
                "agentList": ["i-one"], "mount_ids": ["u"],
            },
        });
        assert_eq!(everything().to_wire(NEWEST), expected);
        let expected = json!({
            "clientSessionToken": "work", "lang": "python:3.6",
            "config": {"environ": {"A": "1"}, "mounts": ["data"], "clusterSize": 2},
        });
        assert_eq!(everything().to_wire("v4.20181215".parse().unwrap()), expected);
    }

    #[test]
    fn each_version_gets_its_own_keys() {
        let keys = |version: &str| {
            let body = everything().to_wire(version.parse().unwrap());
            let has = |key: &str| body.get(key).or_else(|| body["config"].get(key)).is_some();
            ["type", "starts_at", "mount_options", "dependencies", "priority", "mount_ids"].map(has)
        };
        assert_eq!(keys("v4.20190315"), [false; 6]);
        assert_eq!(keys("v4.20190615"), [true, false, false, false, false, false]);
        assert_eq!(keys("v5.20191215"), [true, true, false, false, false, false]);
        assert_eq!(keys("v6.20200815"), [true, true, true, false, false, false]);
        assert_eq!(keys("v6.20220315"), [true, true, true, true, false, false]);
        assert_eq!(keys("v8.20240915"), [true, true, true, true, true, false]);
        assert_eq!(keys("v9.20250722"), [true; 6]);
    }

    #[test]
    fn a_template_supplies_unset_values() {
        let body =
            CreateRequest { template: Some("t".into()), image: String::new(), ..request() }.to_wire(NEWEST);
        let expected = json!({
            "name": "work", "template_id": "t", "config": {}, "enqueueOnly": true, "reuseIfExists": true,
        });
        assert_eq!(body, expected);
    }
}
