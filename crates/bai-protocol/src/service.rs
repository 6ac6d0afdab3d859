//! Apps of a session and requests for them (`docs/wire` §7.2, §7.3): the list, the parameters of a start, the address for
//! the user.

use super::lenient;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The protocol name of an app that is a terminal on the `pty` stream.
pub const PTY_PROTOCOL: &str = "pty";

/// A service of a session as `GET /stream/{P}/{s}/apps` lists it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    /// Name, such as `jupyter`, or the number of a preopen port.
    pub name: String,
    /// `tcp`, `http`, `preopen`, `vnc`, `rdp`, `internal`, `pty`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub protocol: String,
    /// Ports in the container; the first is the default.
    #[serde(default, alias = "container_ports", deserialize_with = "lenient::list")]
    pub ports: Vec<u16>,
    /// The template of its address for the user; see [`App::url`]. Its query may contain a token, which is a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_template: Option<String>,
    /// Options that a start may set.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::list")]
    pub allowed_arguments: Vec<String>,
    /// Environment variables that a start may set.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "lenient::list")]
    pub allowed_envs: Vec<String>,
}

/// The address of a service behind a cluster's app proxy (`docs/wire` §7.3).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceAddress {
    /// The access token: a secret.
    pub token: String,
    /// URL of the proxy's coordinator.
    pub wsproxy_addr: String,
}

impl std::fmt::Debug for ServiceAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceAddress").field("wsproxy_addr", &self.wsproxy_addr).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url_template = self.url_template.as_deref().map(|template| template.split('?').next());
        f.debug_struct("App")
            .field("name", &self.name)
            .field("protocol", &self.protocol)
            .field("ports", &self.ports)
            .field("url_template", &url_template.flatten())
            .field("allowed_arguments", &self.allowed_arguments)
            .field("allowed_envs", &self.allowed_envs)
            .finish()
    }
}

impl App {
    /// The address for the user of an app that listens at `host` and `port`. An IPv6 address gets its brackets.
    pub fn url(&self, host: &str, port: u16) -> String {
        let bracketed =
            if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.into() };
        match &self.url_template {
            Some(template) => template
                .replace("{protocol}", &self.protocol)
                .replace("{host}", &bracketed)
                .replace("{port}", &port.to_string()),
            None if self.protocol == "http" => format!("http://{bracketed}:{port}/"),
            None => format!("{bracketed}:{port}"),
        }
    }
}

/// Reads an app list; members that are not apps are left out.
///
/// # Errors
/// The body is not JSON.
pub fn parse_apps(body: &[u8]) -> Result<Vec<App>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    lenient::list(&mut json)
}

/// Ports of a container that clusters reserve.
const RESERVED: [u16; 6] = [2000, 2001, 2002, 2003, 2200, 7681];
/// Protocols that a label may name. Not `pty`.
const PROTOCOLS: [&str; 5] = ["tcp", "http", "preopen", "vnc", "rdp"];

/// Whether a service, or the user, may open this port in a container.
pub fn may_be_opened(port: u16) -> bool {
    port > 1024 && port < u16::MAX && !RESERVED.contains(&port)
}

/// A malformed label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLabel {
    /// It is not `name:protocol:port`.
    #[error("{0:?} is not a service; a service looks like jupyter:http:8080 or name:tcp:[8081,8082]")]
    Shape(String),
    /// An unknown protocol.
    #[error("{0} is not a protocol of services")]
    Protocol(String),
    /// A reserved port, or one that is named twice.
    #[error("the port {0} is reserved or named twice")]
    Port(u16),
}

/// Reads the label `ai.backend.service-ports` of an image: `name:protocol:port` or `name:protocol:[port,port]`, with commas
/// between them (`docs/wire` §7.6).
///
/// # Errors
/// As [`BadLabel`] says; an empty label has no services.
pub fn parse_service_ports(label: &str) -> Result<Vec<App>, BadLabel> {
    let mut apps: Vec<App> = Vec::new();
    let mut rest = label.trim();
    while !rest.is_empty() {
        let shape = || BadLabel::Shape(rest.to_owned());
        let (name, after) = rest.split_once(':').ok_or_else(shape)?;
        let (protocol, after) = after.split_once(':').ok_or_else(shape)?;
        let (ports, after) = match after.strip_prefix('[') {
            Some(list) => list.split_once(']').ok_or_else(shape)?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(is_word) || !(after.is_empty() || after.starts_with(',')) {
            return Err(shape());
        }
        let ports: Result<Vec<u16>, _> = ports.split(',').map(|port| port.trim().parse()).collect();
        let ports = ports.map_err(|_| shape())?;
        rest = after.strip_prefix(',').unwrap_or_default();
        if protocol == PTY_PROTOCOL {
            continue;
        }
        if !PROTOCOLS.contains(&protocol) {
            return Err(BadLabel::Protocol(protocol.to_owned()));
        }
        for (n, port) in ports.iter().enumerate() {
            let known = apps.iter().flat_map(|app| &app.ports).chain(ports.iter().take(n));
            if !may_be_opened(*port) || known.into_iter().any(|known| known == port) {
                return Err(BadLabel::Port(*port));
            }
        }
        apps.push(App { name: name.to_owned(), protocol: protocol.to_owned(), ports, ..App::default() });
    }
    Ok(apps)
}

/// The value of an option of a service. On the wire: null, a string, or a list of strings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ArgumentValue {
    /// The option alone.
    Bare,
    /// The option and one value.
    One(String),
    /// The option and all values after it.
    Many(Vec<String>),
}

/// Options and environment for the start of a service: the parameters `arguments` and `envs`, each a JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceParameters {
    /// Options by name, dashes included.
    pub arguments: BTreeMap<String, ArgumentValue>,
    /// Environment variables.
    pub envs: BTreeMap<String, String>,
}

/// Why a text is not a parameter of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadParameter {
    /// An option without a name.
    #[error("{0:?} is not an option; an option looks like \"--port 8080\" or \"--verbose\"")]
    Argument(String),
    /// A variable without `=`, or with a name that the system refuses.
    #[error("{0:?} is not a variable; a variable looks like NAME=value")]
    Env(String),
    /// The JSON text of a query.
    #[error("{name} is not the JSON object that was agreed: {why}")]
    Json {
        /// `arguments` or `envs`.
        name: &'static str,
        /// The message of the parser.
        why: String,
    },
}

impl ServiceParameters {
    /// Adds an option in the notation of the command line: `--opt value`, `--opt=value` or `--opt`. The same option again makes a
    /// list of values.
    ///
    /// # Errors
    /// [`BadParameter::Argument`] when there is no name.
    pub fn add_argument(&mut self, text: &str) -> Result<(), BadParameter> {
        let trimmed = text.trim();
        let cut = trimmed.find(|c: char| c == '=' || c.is_whitespace());
        let (name, value) = match cut.and_then(|at| trimmed.split_at_checked(at)) {
            Some((name, rest)) => {
                let mut rest = rest.chars();
                rest.next();
                (name, Some(rest.as_str().trim_start().to_owned()))
            }
            None => (trimmed, None),
        };
        if name.trim_matches('-').is_empty() {
            return Err(BadParameter::Argument(text.to_owned()));
        }
        let values = match (self.arguments.remove(name), value) {
            (None | Some(ArgumentValue::Bare), None) => ArgumentValue::Bare,
            (None | Some(ArgumentValue::Bare), Some(value)) => ArgumentValue::One(value),
            (Some(before), None) => before,
            (Some(ArgumentValue::One(first)), Some(value)) => ArgumentValue::Many(vec![first, value]),
            (Some(ArgumentValue::Many(mut values)), Some(value)) => {
                values.push(value);
                ArgumentValue::Many(values)
            }
        };
        self.arguments.insert(name.to_owned(), values);
        Ok(())
    }

    /// Adds a variable in the notation `NAME=value`.
    ///
    /// # Errors
    /// [`BadParameter::Env`] when there is no name, no `=`, or a NUL.
    pub fn add_env(&mut self, text: &str) -> Result<(), BadParameter> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !text.contains('\0') => {
                self.envs.insert(name.to_owned(), value.to_owned());
                Ok(())
            }
            _ => Err(BadParameter::Env(text.to_owned())),
        }
    }

    /// The query parameters. An empty map gives none, since old servers refuse empty objects.
    pub fn to_query(&self) -> Vec<(&'static str, String)> {
        // They have only strings and lists of strings, which JSON can always represent.
        let mut query = Vec::new();
        if !self.arguments.is_empty() {
            query.push(("arguments", serde_json::to_string(&self.arguments).unwrap_or_default()));
        }
        if !self.envs.is_empty() {
            query.push(("envs", serde_json::to_string(&self.envs).unwrap_or_default()));
        }
        query
    }

    /// Reads the JSON texts of a query. A missing or empty text gives an empty map.
    ///
    /// # Errors
    /// [`BadParameter::Json`] for another shape.
    pub fn from_query(arguments: Option<&str>, envs: Option<&str>) -> Result<Self, BadParameter> {
        Ok(ServiceParameters { arguments: object("arguments", arguments)?, envs: object("envs", envs)? })
    }
}

fn object<T: Default + serde::de::DeserializeOwned>(
    name: &'static str,
    text: Option<&str>,
) -> Result<T, BadParameter> {
    match text {
        None | Some("") => Ok(T::default()),
        Some(text) => {
            let value: Option<T> = serde_json::from_str(text)
                .map_err(|error| BadParameter::Json { name, why: error.to_string() })?;
            Ok(value.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_list_of_a_cluster_is_read() {
        let body = r#"[{"name": "sshd", "protocol": "tcp", "ports": [2200]}, {"name": "ttyd", "protocol": "http",
            "ports": [7681]}, {"name": "8190", "protocol": "preopen", "ports": [8190]}, {"name": "vs", "protocol":
            "http", "ports": [8180], "url_template": "{protocol}://{host}:{port}/?folder=/home/work",
            "allowed_arguments": ["--x"], "allowed_envs": null}, null, {"protocol": "tcp"}, {"name": "odd", "protocol": null}]"#;
        let apps = parse_apps(body.as_bytes()).unwrap();
        let names: Vec<_> = apps.iter().map(|app| app.name.as_str()).collect();
        assert_eq!(names, ["sshd", "ttyd", "8190", "vs", "odd"]);
        assert_eq!(apps[0].ports, [2200]);
        assert_eq!(apps[3].url("127.0.0.1", 8080), "http://127.0.0.1:8080/?folder=/home/work");
        assert_eq!(apps[1].url("::1", 80), "http://[::1]:80/");
        assert_eq!(apps[0].url("127.0.0.1", 22), "127.0.0.1:22");
        assert_eq!(apps[3].allowed_arguments, ["--x"]);
        assert!(parse_apps(b"<html>").is_err());
        assert!(parse_apps(b"{}").unwrap().is_empty());
    }

    #[test]
    fn a_label_lists_the_services_of_an_image() {
        let apps =
            parse_service_ports("jupyter:http:8080,my-app:tcp:[8081,8082],shell:pty:3000,x:preopen:9000")
                .unwrap();
        let rows: Vec<_> =
            apps.iter().map(|app| (app.name.as_str(), app.protocol.as_str(), &app.ports[..])).collect();
        let ports = [&[8080][..], &[8081, 8082], &[9000]];
        assert_eq!(
            rows,
            [("jupyter", "http", ports[0]), ("my-app", "tcp", ports[1]), ("x", "preopen", ports[2])]
        );
        assert_eq!(parse_service_ports(" "), Ok(Vec::new()));
        for shape in [
            "x",
            "x:http",
            ":http:8080",
            "x:http:",
            "x:http:[8080",
            "a b:http:8080",
            "x:http:[8080]y",
            "x:http:99999",
        ] {
            assert!(matches!(parse_service_ports(shape), Err(BadLabel::Shape(_))), "{shape}");
        }
        assert_eq!(parse_service_ports("x:pigeon:8080"), Err(BadLabel::Protocol("pigeon".into())));
        for (label, port) in [
            ("x:http:1024", 1024),
            ("x:http:65535", 65535),
            ("x:tcp:2200", 2200),
            ("x:tcp:[8080,8080]", 8080),
            ("x:tcp:8080,y:tcp:8080", 8080),
        ] {
            assert_eq!(parse_service_ports(label), Err(BadLabel::Port(port)), "{label}");
        }
    }

    #[test]
    fn an_app_is_written_without_empty_fields() {
        let app = App { name: "shell".into(), protocol: "pty".into(), ports: vec![], ..App::default() };
        assert_eq!(serde_json::to_string(&app).unwrap(), r#"{"name":"shell","protocol":"pty","ports":[]}"#);
    }

    #[test]
    fn options_are_read_as_users_write_them() {
        let mut parameters = ServiceParameters::default();
        for text in ["--port 8080", "--verbose", "--path=/a b", "-x 1", "-x 2", " -x 3 ", "--verbose"] {
            parameters.add_argument(text).unwrap();
        }
        parameters.add_env("A=b=c").unwrap();
        let query = parameters.to_query();
        assert_eq!(query[0].1, r#"{"--path":"/a b","--port":"8080","--verbose":null,"-x":["1","2","3"]}"#);
        assert_eq!(query[1], ("envs", r#"{"A":"b=c"}"#.to_owned()));
        assert_eq!(
            ServiceParameters::from_query(Some(&query[0].1), Some(&query[1].1)),
            Ok(parameters.clone())
        );
        assert!(parameters.add_argument("-- x").is_err() && parameters.add_argument("").is_err());
        assert!(parameters.add_env("A").is_err() && parameters.add_env("=x").is_err());
        assert!(ServiceParameters::default().to_query().is_empty());
    }

    #[test]
    fn a_query_of_another_shape_is_refused() {
        let none = ServiceParameters::default();
        assert_eq!(ServiceParameters::from_query(Some("null"), Some("")), Ok(none));
        for bad in ["{", "[]", r#"{"--x":1}"#, r#"{"--x":{}}"#] {
            assert!(ServiceParameters::from_query(Some(bad), None).is_err(), "{bad}");
        }
    }
}
