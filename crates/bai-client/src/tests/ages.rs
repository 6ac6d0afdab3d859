//! The client against servers of every age, from 18.12 to 24.09: paths, methods and keys as in `docs/wire` §1.2 and
//! §2.1 them, in `tests/wire/ages.json`. What 26.9.6 says is recorded, and is played in `replay.rs`.

use super::server::{Asked, Server, reply, upgrade};
use super::*;
use bai_protocol::create::CreateRequest;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

fn ages() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/ages.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A server of that age, which knows the requests of its time and no others.
async fn of(age: &Value) -> Server {
    let mut hello = json!({"version": age["version"]});
    if let Some(manager) = age["manager"].as_str() {
        hello["manager"] = json!(manager);
    }
    let exchanges: Vec<Value> = age["calls"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|call| call["exchanges"].as_array().unwrap().clone())
        .collect();
    Server::with_hello(hello.to_string().leak(), move |asked, stream| {
        let line = asked.line.trim_end_matches(" HTTP/1.1");
        let exchange = exchanges.iter().find(|exchange| exchange["line"] == line).cloned();
        async move {
            match exchange {
                Some(exchange) => answer(&exchange, &asked, stream).await,
                None => panic!("no server of that age knows {}", asked.line),
            }
        }
    })
    .await
}

async fn answer(exchange: &Value, asked: &Asked, mut stream: TcpStream) -> Option<TcpStream> {
    if let Some(body) = exchange.get("body") {
        let sent: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(&sent, body, "{}", asked.line);
    }
    if let Some(frames) = exchange["frames"].as_array() {
        let mut socket = upgrade(asked, stream).await;
        socket.next().await;
        for frame in frames {
            socket.send(Message::text(frame.to_string())).await.unwrap();
        }
        while let Some(Ok(_)) = socket.next().await {}
        return None;
    }
    let status = format!("{} As It Was", exchange["status"]);
    let (content_type, body) = match (&exchange["tar"], &exchange["event"]) {
        (Value::Object(files), _) => ("multipart/mixed; boundary=x", archive(files)),
        (_, Value::Array(event)) => {
            let event = format!("event: {}\ndata: {}\n\n", event[0].as_str().unwrap(), event[1]);
            ("text/event-stream", event)
        }
        _ if exchange["reply"].is_null() => ("text/plain", String::new()),
        _ => ("application/json", exchange["reply"].to_string()),
    };
    reply(&mut stream, &status, content_type, &body).await;
    Some(stream)
}

fn archive(files: &serde_json::Map<String, Value>) -> String {
    let mut body = String::new();
    for (name, content) in files {
        let content = content.as_str().unwrap().as_bytes();
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, content).unwrap();
        let tar = String::from_utf8(tar.into_inner().unwrap()).unwrap();
        body.push_str(&format!("--x\r\nContent-Encoding: identity\r\n\r\n{tar}\r\n"));
    }
    body + "--x--\r\n"
}

async fn create(api: &Api) -> (ComputeSession, String) {
    let request = CreateRequest {
        name: "work".into(),
        image: "python:3.6".into(),
        cluster_size: Some(2),
        reuse: true,
        enqueue_only: true,
        ..CreateRequest::default()
    };
    let (session, created) = ComputeSession::create(api, request, |_| {}).await.unwrap();
    (session, created.status.to_string())
}

/// Does what a call is for, and says what came of it.
async fn make(call: &str, session: &ComputeSession) -> Result<String, ClientError> {
    let done = |(): ()| "ok".to_owned();
    Ok(match call {
        "info" => {
            let info = session.info().await?;
            let status = info.status.as_ref().map_or("none".to_owned(), ToString::to_string);
            format!("{} {status}", info.image().unwrap_or_default())
        }
        "interrupt" => session.interrupt().await.map(done)?,
        "restart" => session.restart().await.map(done)?,
        "list files" => session.list_files("sub").await?.remove(0).filename,
        "download" => {
            let into = tempfile::tempdir().unwrap();
            session.download(&["a.txt".into()], into.path(), DownloadOptions::default()).await?;
            std::fs::read_to_string(into.path().join("a.txt")).unwrap()
        }
        "run" => finish(&mut begin(session, "1", Transport::Auto).await, &[]).await.stdout,
        "sessions" => match session.api().sessions(&[]).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => "unsupported".to_owned(),
            listed => {
                let found = listed?.remove(0);
                format!("{} {} {}", found.id, found.name.unwrap_or_default(), found.status)
            }
        },
        "apps" => session.apps().await?.remove(0).name,
        "attach" => ComputeSession::attach(session.api(), "work").await?.id().unwrap().to_owned(),
        "rename" => session.rename("other").await?.name().to_owned(),
        "history" => {
            let history = session.status_history().await?.0;
            history.iter().map(|(status, _)| status.name()).collect::<Vec<_>>().join(" ")
        }
        "stop service" => session.shutdown_service("ttyd").await.map(done)?,
        "event" => soon(session.events().next()).await.unwrap().name,
        other => panic!("what is {other}?"),
    })
}

#[tokio::test]
async fn every_server_generation_gets_its_own_requests() {
    for age in ages() {
        let server = of(&age).await;
        let (session, status) = create(&server.api()).await;
        for call in age["calls"].as_array().unwrap() {
            let name = call["do"].as_str().unwrap();
            let outcome = if name == "create" {
                status.clone()
            } else {
                soon(make(name, &session))
                    .await
                    .unwrap_or_else(|error| panic!("{} {name}: {error}", age["version"]))
            };
            assert_eq!(call["gives"], outcome, "{} {name}", age["version"]);
            for exchange in call["exchanges"].as_array().unwrap() {
                let line = format!("{} HTTP/1.1", exchange["line"].as_str().unwrap());
                assert!(server.asked().iter().any(|asked| asked.line == line), "{} {line}", age["version"]);
            }
        }
        for asked in server.asked() {
            assert_eq!(asked.header("x-backendai-version"), age["version"].as_str(), "{}", asked.line);
        }
    }
}
