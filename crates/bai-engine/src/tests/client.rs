//! A simple client: it signs, sends, and returns the replies.

use crate::run::Run;
use crate::session::Session;
use crate::{Engine, EngineOptions, Expectation, Keypair, Workdirs};
use bai_protocol::create::PYTHON_SHELL;
use bai_protocol::execute::RunId;
use bai_protocol::sign::{self, Signed};
use bai_protocol::version::NEWEST;
use futures_util::{SinkExt, StreamExt};
use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// The image that tests run: any Python.
pub(super) const IMAGE: &str = "python";

/// The limit of every wait in a test, so that a failure does not hang.
pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("{what} never came"))
}

/// An engine with folders of its own, and a client with its key pair.
pub(super) struct Lab {
    pub(super) engine: Engine,
    pub(super) folder: TempDir,
    pub(super) keypair: Keypair,
    pub(super) http: reqwest::Client,
}

/// The parts of a request that are signed and sent. Tests change them to make errors.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) date: Option<String>,
    pub(super) version: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) keypair: Keypair,
    /// The hash that the signature covers.
    pub(super) body_sha256: Option<String>,
}

impl Lab {
    pub(super) async fn new() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let workdirs = Workdirs::Own(folder.path().join("sessions"));
        Lab::with(folder, EngineOptions::on_loopback(workdirs)).await
    }

    pub(super) async fn with(folder: TempDir, options: EngineOptions) -> Lab {
        Lab::expecting(folder, options, None).await
    }

    pub(super) async fn expecting(
        folder: TempDir,
        options: EngineOptions,
        expectation: Option<Expectation<'_>>,
    ) -> Lab {
        // Another test may have been faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let keypair = options.keypair.clone();
        let engine = Engine::start_expecting(options, expectation).await.unwrap();
        let http = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
        Lab { engine, folder, keypair, http }
    }

    pub(super) fn host(&self) -> String {
        self.engine.endpoint().strip_prefix("http://").unwrap().to_owned()
    }

    pub(super) fn parts(&self, method: Method, target: &str) -> Parts {
        Parts {
            method,
            target: target.to_owned(),
            date: Some(Timestamp::now().to_string()),
            version: Some(NEWEST.to_string()),
            content_type: None,
            keypair: self.keypair.clone(),
            body_sha256: None,
        }
    }

    /// The headers that make `parts` a signed request.
    pub(super) fn sign(&self, parts: &Parts) -> Vec<(&'static str, String)> {
        let date = parts.date.clone().unwrap_or_default();
        let day: String = date.chars().filter(char::is_ascii_digit).take(8).collect();
        let version = parts.version.clone().unwrap_or_default();
        let host = self.host();
        let signed = Signed {
            method: parts.method.as_str(),
            target: &parts.target,
            date: &date,
            day: &day,
            host: &host,
            content_type: parts.content_type.as_deref(),
            version: &version,
            body_sha256: parts.body_sha256.as_deref(),
        };
        let signature = sign::signature(parts.keypair.secret_key().expose_secret(), &signed);
        let mut headers =
            vec![("authorization", sign::authorization(parts.keypair.access_key(), &signature))];
        headers.extend(parts.date.clone().map(|date| ("date", date)));
        headers.extend(parts.version.clone().map(|version| ("x-backendai-version", version)));
        headers.extend(parts.body_sha256.clone().map(|hash| (sign::BODY_SHA256, hash)));
        headers.extend(parts.content_type.clone().map(|content_type| ("content-type", content_type)));
        headers
    }

    /// Sends a request with these parts.
    pub(super) async fn send(&self, parts: &Parts, body: impl Into<reqwest::Body>) -> reqwest::Response {
        let url = format!("{}{}", self.engine.endpoint(), parts.target);
        let mut request = self.http.request(parts.method.clone(), url);
        for (name, value) in self.sign(parts) {
            request = request.header(name, value);
        }
        soon(&parts.target, request.body(body).send()).await.unwrap()
    }

    /// Sends JSON and reads JSON; every error must be a problem.
    pub(super) async fn call(&self, method: Method, target: &str, body: Value) -> (StatusCode, Value) {
        let mut parts = self.parts(method, target);
        let mut text = String::new();
        if !body.is_null() {
            parts.content_type = Some("application/json".into());
            text = body.to_string();
        }
        let reply = self.send(&parts, text).await;
        read(reply).await
    }

    pub(super) async fn get(&self, target: &str) -> (StatusCode, Value) {
        self.call(Method::GET, target, Value::Null).await
    }

    pub(super) async fn post(&self, target: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, target, body).await
    }

    /// Makes a running session; returns its id.
    pub(super) async fn session(&self, name: &str) -> String {
        // Not the shell that happens to be installed.
        let config = json!({"environ": {PYTHON_SHELL: "plain"}});
        let (status, reply) =
            self.post("/session", json!({"name": name, "image": IMAGE, "config": config})).await;
        assert_eq!((status, &reply["status"]), (StatusCode::CREATED, &json!("RUNNING")), "{reply}");
        reply["sessionId"].as_str().unwrap().to_owned()
    }

    /// Sends execute calls until there is output or a new status; returns the last result with all output. The split of
    /// output into replies depends on the load of the machine.
    pub(super) async fn execute(&self, session: &str, mode: &str, run: &str, code: &str) -> Value {
        let mut result = self.execute_once(session, mode, run, code).await;
        let mut console: Vec<Value> = Vec::new();
        loop {
            for record in result["console"].as_array().unwrap() {
                match console.last_mut() {
                    Some(last) if last[0] == record[0] && record[1].is_string() => {
                        last[1] =
                            json!(format!("{}{}", last[1].as_str().unwrap(), record[1].as_str().unwrap()));
                    }
                    _ => console.push(record.clone()),
                }
            }
            if result["status"] != "continued" {
                result["console"] = json!(console);
                return result;
            }
            result = self.execute_once(session, "continue", run, "").await;
        }
    }

    /// One execute call; returns the result.
    pub(super) async fn execute_once(&self, session: &str, mode: &str, run: &str, code: &str) -> Value {
        let body = json!({"mode": mode, "code": code, "runId": run, "run_id": run, "options": {}});
        let (status, mut reply) = self.post(&format!("/session/{session}"), body).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        reply["result"].take()
    }

    /// Runs code by polling; returns its output and its exit code.
    pub(super) async fn run(&self, session: &str, code: &str) -> (String, i64) {
        let run = uuid::Uuid::new_v4().simple().to_string();
        let result = self.execute(session, "query", &run, code).await;
        assert_eq!(result["status"], "finished", "{result}");
        (text_of(&result), result["exitCode"].as_i64().unwrap())
    }

    pub(super) async fn open(&self, session: &str) -> Ws {
        self.try_open(&format!("/stream/session/{session}/execute")).await.unwrap()
    }

    pub(super) async fn try_open(&self, target: &str) -> Result<Ws, Error> {
        let mut request = format!("ws://{}{target}", self.host()).into_client_request().unwrap();
        for (name, value) in self.sign(&self.parts(Method::GET, target)) {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let connect = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        soon("the upgrade", connect).await.map(|(socket, _)| Ws(socket))
    }

    /// Starts a query over a WebSocket.
    pub(super) async fn query(&self, session: &str, code: &str) -> Ws {
        let mut ws = self.open(session).await;
        ws.send(&json!({"mode": "query", "code": code, "options": {}}).to_string()).await;
        ws
    }

    /// The engine's state.
    pub(super) fn engine_session(&self, session: &str) -> Arc<Session> {
        self.engine.state().sessions.find(session).unwrap()
    }

    /// A run, once the engine has it.
    pub(super) async fn run_of(&self, session: &str, run: &str) -> Arc<Run> {
        let session = self.engine_session(session);
        let id = RunId::from_wire(run);
        soon("the run", session.until(|session| session.run(&id).is_some())).await;
        session.run(&id).unwrap()
    }

    /// The id of the run that is active.
    pub(super) async fn current_run(&self, session: &str) -> Option<String> {
        let (_, info) = self.get(&format!("/session/{session}")).await;
        info["currentRunId"].as_str().map(str::to_owned)
    }

    /// Reads events until one with this name arrives; returns the names until then.
    pub(super) async fn listen(&self, target: &str) -> Events {
        let reply = self.send(&self.parts(Method::GET, target), "").await;
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        Events { reply, unread: String::new() }
    }
}

/// Reads a reply; every error must be a problem.
pub(super) async fn read(reply: reqwest::Response) -> (StatusCode, Value) {
    let status = reply.status();
    let content_type = reply.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned());
    let text = soon("the body", reply.text()).await.unwrap();
    let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(
            content_type.as_deref(),
            Some("application/problem+json; charset=utf-8"),
            "{status} {text}"
        );
        assert!(value["type"].as_str().unwrap().starts_with("https://api.backend.ai/probs/"), "{text}");
        assert!(!value["title"].as_str().unwrap().is_empty());
    }
    (status, value)
}

/// The last part of a problem's type.
pub(super) fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default()
}

/// The text of a result or a frame on standard output and standard error.
pub(super) fn text_of(result: &Value) -> String {
    let console = result["console"].as_array().into_iter().flatten();
    console.filter(|r| r[0] == "stdout" || r[0] == "stderr").map(|r| r[1].as_str().unwrap()).collect()
}

/// An execute WebSocket.
pub(super) struct Ws(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Ws {
    pub(super) async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn send_message(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// The next message that is no ping or pong.
    pub(super) async fn next_message(&mut self) -> Message {
        loop {
            match soon("a message", self.0.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                message => return message.unwrap().unwrap(),
            }
        }
    }

    /// The next frame; `None` once the socket is closed.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            match soon("a frame", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_) | Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("{other:?}"),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Reads frames until one has this status; returns the text of all, and that frame.
    pub(super) async fn until(&mut self, status: &str) -> (String, Value) {
        let mut printed = String::new();
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("closed before {status}: {printed:.200}"));
            printed += &text_of(&frame);
            if frame["status"] == status {
                return (printed, frame);
            }
            assert_eq!(frame["status"], "continued", "{frame}");
        }
    }

    /// Reads frames until the text has arrived.
    pub(super) async fn until_printed(&mut self, wanted: &str) {
        let mut printed = String::new();
        while !printed.contains(wanted) {
            printed += &text_of(&self.next().await.unwrap());
        }
    }

    /// Reads until the pong with this number; returns the number of pongs.
    pub(super) async fn until_pong(&mut self, last: u16) -> usize {
        let mut count = 0;
        loop {
            if let Message::Pong(payload) = soon("a pong", self.0.next()).await.unwrap().unwrap() {
                count += 1;
                if *payload == last.to_be_bytes()[..] {
                    return count;
                }
            }
        }
    }

    /// The next message, which must be a pong.
    pub(super) async fn next_is_pong(&mut self) {
        let message = soon("a pong", self.0.next()).await.unwrap().unwrap();
        assert!(matches!(message, Message::Pong(_)), "{message:.100?}");
    }

    /// Reads until the server has closed it.
    pub(super) async fn until_closed(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// A stream of session events.
pub(super) struct Events {
    reply: reqwest::Response,
    unread: String,
}

impl Events {
    /// The names of the events until the one called `last`, each with its payload.
    pub(super) async fn until(&mut self, last: &str) -> Vec<(String, Value)> {
        let mut seen = Vec::new();
        loop {
            while let Some((event, rest)) = self.unread.split_once("\n\n") {
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                    seen.push((name.to_owned(), serde_json::from_str(data).unwrap()));
                }
                self.unread = rest.to_owned();
                if seen.last().is_some_and(|(name, _)| name == last) {
                    return seen;
                }
            }
            let chunk = soon("an event", self.reply.chunk()).await.unwrap().expect("the stream goes on");
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}
