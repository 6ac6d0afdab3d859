//! Recordings of a genuine 26.9.6 server, played back: `tests/wire/`.

use super::server::{Asked, Server, reply, upgrade};
use super::*;
use bai_protocol::create::CreateRequest;
use bai_protocol::sign::{Signed, signature};
use bai_protocol::status::SessionStatus;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

fn recording(name: &str) -> Value {
    let path = format!("{}/tests/wire/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A server that answers as it did when it was recorded.
async fn played(names: &[&str]) -> Server {
    let exchanges: Vec<Value> =
        names.iter().flat_map(|name| recording(name)["exchanges"].as_array().unwrap().clone()).collect();
    Server::start(move |asked, stream| {
        let exchange = exchanges.iter().find(|exchange| exchange["request"]["line"] == asked.line.as_str());
        let exchange = exchange.unwrap_or_else(|| panic!("not recorded: {}", asked.line)).clone();
        async move { play(&exchange, &asked, stream).await }
    })
    .await
}

async fn play(exchange: &Value, asked: &Asked, mut stream: TcpStream) -> Option<TcpStream> {
    let response = &exchange["response"];
    if response["status"] == 101 {
        let mut socket = upgrade(asked, stream).await;
        for frame in exchange["frames"].as_array().unwrap() {
            let text = frame["payload"]["text"].as_str();
            match (frame["direction"].as_str().unwrap(), text) {
                ("server", Some(text)) => socket.send(Message::text(text)).await.unwrap(),
                ("client", Some(text)) => expect(&mut socket, text).await,
                _ => {}
            }
        }
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
        return None;
    }
    let headers = response["headers"].as_array().unwrap();
    let content_type =
        headers.iter().find(|header| header[0] == "Content-Type").map(|header| header[1].as_str().unwrap());
    let body = response["body"]["text"].as_str().unwrap_or_default();
    let status = format!("{} Recorded", response["status"]);
    reply(&mut stream, &status, content_type.unwrap_or("text/plain"), body).await;
    Some(stream)
}

/// The client sends what was recorded, apart from the run id that it adds.
async fn expect(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>, recorded: &str) {
    let sent = socket.next().await.unwrap().unwrap().into_text().unwrap();
    match serde_json::from_str::<Value>(recorded) {
        Ok(recorded) => {
            let mut sent: Value = serde_json::from_str(&sent).unwrap();
            sent.as_object_mut().unwrap().remove("runId");
            assert_eq!(sent, recorded);
        }
        Err(_) => assert_eq!(sent, recorded),
    }
}

fn session(server: &Server) -> ComputeSession {
    ComputeSession::new(&server.api(), "wire-e46e0".into(), None)
}

#[test]
fn our_signatures_equal_the_recorded_ones() {
    let names =
        ["create-reuse", "gql-sessions", "list-files-sub", "execute-input", "error-old-date", "match"];
    for name in names {
        for exchange in recording(name)["exchanges"].as_array().unwrap() {
            let recorded = &exchange["signature"];
            let text = |key: &str| recorded[key].as_str().unwrap();
            let signed = Signed {
                method: text("method"),
                target: text("rel_url"),
                date: text("date"),
                day: recorded["key_step_1"]["message"].as_str().unwrap(),
                host: text("host"),
                content_type: recorded["content_type"].as_str(),
                version: text("version"),
                body_sha256: None,
            };
            let hex = signature(text("secret_key"), &signed);
            assert!(recorded.to_string().contains(&hex), "{name}");
        }
    }
}

#[tokio::test]
async fn a_recorded_run_with_a_question_is_replayed() {
    let server = played(&["execute-input"]).await;
    let code = "name = input('Your name? ')\nprint('Hello,', name)";
    let outcome = finish(&mut begin(&session(&server), code, Transport::Auto).await, &["Ada"]).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), ("Your name? Hello, Ada\n", Some(Some(0))));
}

#[tokio::test]
async fn a_reused_session_is_accepted() {
    let server = played(&["create-reuse"]).await;
    let request = CreateRequest {
        name: "wire-e46e0".into(),
        image: "python:3.6".into(),
        reuse: true,
        ..CreateRequest::default()
    };
    let (session, created) = ComputeSession::create(&server.api(), request, |_| {}).await.unwrap();
    assert_eq!(session.id(), Some("6a6eff4e-365e-4983-9e0f-d8996bc43202"));
    assert_eq!((created.created, created.status), (false, SessionStatus::Running));
    assert!(created.service_ports.iter().any(|port| port.name == "ttyd" && port.ports == [7681]));
}

#[tokio::test]
async fn sessions_are_found_and_listed() {
    let server = played(&["match", "gql-sessions"]).await;
    let session = ComputeSession::attach(&server.api(), "wire-e46e0").await.unwrap();
    assert_eq!(session.id(), Some("6a6eff4e-365e-4983-9e0f-d8996bc43202"));
    let listed = server.api().sessions(&[SessionStatus::Running]).await.unwrap();
    assert_eq!((listed.len(), &listed[0].status), (1, &SessionStatus::Running));
}

#[tokio::test]
async fn files_are_listed_and_read() {
    let server = played(&["list-files-sub", "download-single"]).await;
    let entries = session(&server).list_files("sub").await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.filename.as_str()).collect::<Vec<_>>(), ["b.bin"]);
    assert_eq!(session(&server).read_file("a.txt").await.unwrap(), "alpha\n");
}

#[tokio::test]
async fn errors_have_their_kinds() {
    let server = played(&["error-old-date", "destroy-error-gone"]).await;
    let at = |name: &str| ComputeSession::new(&server.api(), name.into(), None);
    assert_eq!(at("nosuch").info().await.unwrap_err().kind(), ErrorKind::ClockSkew);
    let gone = at("wire2-e46e0").destroy(DestroyOptions::default()).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}
