//! The messages between an agent and a runner, each a name and a payload (`docs/wire` §9.2, §9.3): reads requests and
//! writes replies. This module does no I/O.

use super::super::op::{Op, Step};
use super::super::reply::Reply;
use bai_protocol::byte_text;
use bai_protocol::complete::{CompletionOptions, CompletionRequest};
use bai_protocol::record::ConsoleRecord;
use bai_protocol::service::{App, ArgumentValue, ServiceParameters};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A message to the agent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) payload: Vec<u8>,
}

/// A request of an agent.
#[derive(Debug, PartialEq)]
pub(super) enum Request {
    /// An operation of the kernel, except `Complete`, which needs its own answer.
    Op(Op),
    Complete(CompletionRequest),
    StartService(ServiceStart),
    ShutdownService(String),
    StartModelService(Box<ModelStart>),
    /// The apps of this name; all apps when it is empty.
    Apps(String),
    /// An event outside the container, for the log.
    Event(String),
}

/// Which service to start, and on which ports.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ServiceStart {
    pub(super) name: String,
    #[serde(default)]
    pub(super) protocol: String,
    #[serde(default)]
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) ports: Option<Vec<u16>>,
    #[serde(default)]
    options: Option<ServiceOptions>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct ServiceOptions {
    arguments: Option<BTreeMap<String, ArgumentValue>>,
    envs: Option<BTreeMap<String, String>>,
}

impl ServiceStart {
    /// The ports on which it must listen.
    pub(super) fn listens(&self) -> Vec<u16> {
        let ports = self.ports.clone().unwrap_or_default();
        if ports.is_empty() { self.port.into_iter().collect() } else { ports }
    }

    /// The options and variables that this start sets.
    pub(super) fn parameters(&self) -> ServiceParameters {
        let ServiceOptions { arguments, envs } = self.options.clone().unwrap_or_default();
        ServiceParameters { arguments: arguments.unwrap_or_default(), envs: envs.unwrap_or_default() }
    }
}

/// A service that serves a model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ModelStart {
    pub(super) name: String,
    #[serde(default)]
    pub(super) model_path: Option<String>,
    pub(super) service: ModelService,
}

/// How a model is started and monitored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ModelService {
    pub(super) start_command: Value,
    #[serde(default)]
    pub(super) shell: Option<String>,
    #[serde(default)]
    pub(super) pre_start_actions: Option<Value>,
    pub(super) port: u16,
    #[serde(default)]
    pub(super) health_check: Option<HealthCheck>,
}

/// How a model's health is checked. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct HealthCheck {
    pub(super) enable: bool,
    pub(super) path: String,
    pub(super) interval: f64,
    pub(super) max_retries: u32,
    pub(super) max_wait_time: f64,
    pub(super) expected_status_code: u16,
}

impl Default for HealthCheck {
    fn default() -> Self {
        HealthCheck {
            // An agent that sends the table without this field wants the check.
            enable: true,
            path: "/".to_owned(),
            interval: 10.0,
            max_retries: 10,
            max_wait_time: 15.0,
            expected_status_code: 200,
        }
    }
}

/// A message that cannot be understood.
#[derive(Debug, PartialEq)]
pub(super) struct Unreadable {
    pub(super) why: String,
    /// The answer that the agent still waits for.
    pub(super) answer: Option<Message>,
}

#[derive(Deserialize)]
struct FlatCompletion {
    code: String,
    #[serde(flatten)]
    options: CompletionOptions,
}

impl Request {
    /// Reads the two parts of a message.
    pub(super) fn read(name: &[u8], payload: &[u8]) -> Result<Request, Unreadable> {
        // Invalid UTF-8 is replaced and not refused: a run without an answer would block the session.
        let text = String::from_utf8_lossy(payload);
        let step = || Step::from_wire(Some(&text));
        Ok(match name {
            b"code" => Request::Op(Op::Code(text.into_owned())),
            b"clean" => Request::Op(Op::Clean(step())),
            b"build" => Request::Op(Op::Build(step())),
            b"exec" => Request::Op(Op::Exec(step())),
            b"input" => Request::Op(Op::Input(text.into_owned())),
            b"interrupt" => Request::Op(Op::Interrupt),
            b"status" => Request::Op(Op::Status),
            b"complete" => {
                let flat: FlatCompletion = json(&text, "complete", Some(completion(&[])))?;
                Request::Complete(CompletionRequest { code: flat.code, options: flat.options })
            }
            b"start-service" => {
                Request::StartService(json(&text, "start-service", Some(service_failed(UNREADABLE)))?)
            }
            b"shutdown-service" => Request::ShutdownService(json(&text, "shutdown-service", None)?),
            b"start-model-service" => {
                let failed = Message { name: "model-service-result", ..service_failed(UNREADABLE) };
                Request::StartModelService(json(&text, "start-model-service", Some(failed))?)
            }
            b"get-apps" => Request::Apps(text.into_owned()),
            b"event" => Request::Event(text.into_owned()),
            other => {
                let why = format!("there is no operation {:?}", String::from_utf8_lossy(other));
                return Err(Unreadable { why, answer: None });
            }
        })
    }
}

const UNREADABLE: &str = "the request cannot be read";

fn json<T: serde::de::DeserializeOwned>(
    text: &str,
    name: &str,
    answer: Option<Message>,
) -> Result<T, Unreadable> {
    serde_json::from_str(text)
        .map_err(|error| Unreadable { why: format!("the payload of {name} is malformed: {error}"), answer })
}

fn of_json(name: &'static str, value: &Value) -> Message {
    Message { name, payload: value.to_string().into_bytes() }
}

/// Writes a reply of the kernel. `None` for what agents have no message for.
pub(super) fn reply(reply: Reply) -> Option<Message> {
    let code = |name, exit_code: i32| of_json(name, &json!({"exitCode": exit_code}));
    Some(match reply {
        Reply::Console(record) => console(record.plain()?),
        Reply::WaitingInput { is_password } => of_json("waiting-input", &json!({"is_password": is_password})),
        // Agents know no such message.
        Reply::InputWithdrawn => return None,
        Reply::Completion(found) => completion(&found.suggestions),
        Reply::CleanFinished { exit_code } => code("clean-finished", exit_code),
        Reply::BuildFinished { exit_code } => code("build-finished", exit_code),
        Reply::Finished { exit_code } => code("finished", exit_code),
        Reply::Status(status) => Message { name: "status", payload: status_payload(status.started_at) },
    })
}

fn console(record: ConsoleRecord) -> Message {
    let text = |name, text: String| Message { name, payload: text.into_bytes() };
    let bytes = |name, text: String| Message { name, payload: byte_text::bytes(&text).into_owned() };
    match record {
        ConsoleRecord::Stdout(output) => bytes("stdout", output),
        ConsoleRecord::Stderr(output) => bytes("stderr", output),
        ConsoleRecord::Media { mime, data } => of_json("media", &json!({"type": mime, "data": data})),
        ConsoleRecord::Html(html) => text("html", html),
        ConsoleRecord::Log(line) => text("log", line),
        // Agents know no other kinds, and our kernels send none.
        unknown => of_json("log", &unknown.to_wire()),
    }
}

/// MessagePack for a map of one string to one float, the only value in the protocol that is not JSON.
fn status_payload(started_at: f64) -> Vec<u8> {
    const KEY: &[u8] = b"started_at";
    let mut bytes = vec![0x81, 0xa0 | 10];
    bytes.extend_from_slice(KEY);
    bytes.push(0xcb);
    bytes.extend_from_slice(&started_at.to_be_bytes());
    bytes
}

/// The answer to `complete`.
pub(super) fn completion(suggestions: &[String]) -> Message {
    of_json("completion", &json!({"suggestions": suggestions}))
}

/// The answer to `start-service`: it runs, `status` says since when.
pub(super) fn service_runs(status: &'static str) -> Message {
    of_json("service-result", &json!({"status": status}))
}

/// The answer to `start-service`: it does not run.
pub(super) fn service_failed(why: &str) -> Message {
    of_json("service-result", &json!({"status": "failed", "error": why}))
}

/// The health of a model.
pub(super) fn model_status(name: &str, is_healthy: bool) -> Message {
    of_json("model-service-status", &json!({"model_name": name, "is_healthy": is_healthy}))
}

/// The answer to `get-apps`.
pub(super) fn apps(apps: &[App]) -> Message {
    let describe = |app: &App| {
        let mut row = json!({"name": app.name});
        let template = app.url_template.as_ref().map(|template| json!(template));
        let list = |names: &Vec<String>| (!names.is_empty()).then(|| json!(names));
        for (key, value) in [
            ("url_template", template),
            ("allowed_arguments", list(&app.allowed_arguments)),
            ("allowed_envs", list(&app.allowed_envs)),
        ] {
            if let (Some(row), Some(value)) = (row.as_object_mut(), value) {
                row.insert(key.to_owned(), value);
            }
        }
        row
    };
    let rows: Vec<Value> = apps.iter().map(describe).collect();
    of_json("apps-result", &json!({"status": "done", "data": rows}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bai_protocol::complete::Completion;

    fn read(name: &str, payload: &str) -> Request {
        Request::read(name.as_bytes(), payload.as_bytes()).unwrap()
    }

    #[test]
    fn every_operation_is_read() {
        assert_eq!(read("code", "é"), Request::Op(Op::Code("é".into())));
        assert_eq!(read("clean", ""), Request::Op(Op::Clean(Step::Skip)));
        assert_eq!(read("build", "*"), Request::Op(Op::Build(Step::Heuristic)));
        assert_eq!(read("exec", "ls"), Request::Op(Op::Exec(Step::Command("ls".into()))));
        assert_eq!(read("input", "x"), Request::Op(Op::Input("x".into())));
        assert_eq!(read("interrupt", ""), Request::Op(Op::Interrupt));
        assert_eq!(read("status", ""), Request::Op(Op::Status));
        let options = CompletionOptions { row: 1, col: 2, line: "os.".into(), post: String::new() };
        assert_eq!(
            read("complete", r#"{"code": "os.", "row": 1, "col": 2, "line": "os.", "post": null}"#),
            Request::Complete(CompletionRequest { code: "os.".into(), options })
        );
        assert_eq!(read("shutdown-service", "\"ttyd\""), Request::ShutdownService("ttyd".into()));
        assert_eq!(read("get-apps", "x"), Request::Apps("x".into()));
        assert_eq!(read("event", "{}"), Request::Event("{}".into()));
    }

    #[test]
    fn a_start_request_has_ports_and_parameters() {
        let start = r#"{"name": "x", "protocol": "http", "port": 8080, "ports": [8080, 8081],
            "options": {"arguments": {"--a": "b", "--c": null}, "envs": {"D": "e"}}}"#;
        let Request::StartService(start) = read("start-service", start) else { panic!() };
        assert_eq!(start.listens(), [8080, 8081]);
        assert_eq!(start.parameters().arguments.len(), 2);
        assert_eq!(start.parameters().envs["D"], "e");
        let start = r#"{"name": "x", "protocol": "tcp", "port": 2200, "options": null}"#;
        let Request::StartService(start) = read("start-service", start) else { panic!() };
        assert_eq!((start.listens(), start.parameters()), (vec![2200], ServiceParameters::default()));
        let model = r#"{"name": "m", "model_path": "/models", "service": {"start_command": ["x"], "port": 9000,
            "health_check": {"path": "/health"}}}"#;
        let Request::StartModelService(model) = read("start-model-service", model) else { panic!() };
        let check = model.service.health_check.as_ref().unwrap();
        assert_eq!((check.path.as_str(), check.expected_status_code), ("/health", 200));
    }

    #[test]
    fn invalid_requests_are_answered_if_the_agent_expects_a_reply() {
        let answer = |name: &str, payload: &[u8]| {
            Request::read(name.as_bytes(), payload).unwrap_err().answer.map(|answer| answer.name)
        };
        assert_eq!(answer("complete", b"{"), Some("completion"));
        assert_eq!(answer("start-service", b"[]"), Some("service-result"));
        assert_eq!(answer("start-model-service", b"{}"), Some("model-service-result"));
        assert_eq!(answer("shutdown-service", b"{}"), None);
        assert_eq!(answer("dance", b""), None);
        assert!(Request::read(&[0xff], b"").unwrap_err().why.contains("no operation"));
        // A run is answered whatever its text is.
        assert!(matches!(Request::read(b"code", &[b'a', 0xff]), Ok(Request::Op(Op::Code(_)))));
    }

    #[test]
    fn replies_are_written_as_agents_read_them() {
        let text = |message: Message| (message.name, String::from_utf8(message.payload).unwrap());
        let written = |this: Reply| text(reply(this).unwrap());
        assert_eq!(written(Reply::Console(ConsoleRecord::Stdout("é".into()))), ("stdout", "é".into()));
        assert_eq!(written(Reply::Console(ConsoleRecord::Html("<b>".into()))), ("html", "<b>".into()));
        let media = Reply::Console(ConsoleRecord::Media { mime: "image/png".into(), data: "data:".into() });
        assert_eq!(written(media), ("media", r#"{"data":"data:","type":"image/png"}"#.into()));
        let asks = Reply::WaitingInput { is_password: true };
        assert_eq!(written(asks), ("waiting-input", r#"{"is_password":true}"#.into()));
        let over = Reply::BuildFinished { exit_code: -9 };
        assert_eq!(written(over), ("build-finished", r#"{"exitCode":-9}"#.into()));
        let found = Completion { suggestions: vec!["a".into()], start: Some(0) };
        assert_eq!(written(Reply::Completion(found)), ("completion", r#"{"suggestions":["a"]}"#.into()));
        assert_eq!(status_payload(1.5), b"\x81\xaastarted_at\xcb\x3f\xf8\0\0\0\0\0\0");
        let app = App { name: "x".into(), allowed_envs: vec!["E".into()], ..App::default() };
        let row = r#"{"data":[{"allowed_envs":["E"],"name":"x"}],"status":"done"}"#;
        assert_eq!(text(apps(&[app])), ("apps-result", row.into()));
    }
}
