//! A server that a test scripts byte by byte.

use super::super::*;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

pub(super) const HELLO: &str = r#"{"version":"v9.20250722","manager":"26.9.6"}"#;

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is(&self, start: &str) -> bool {
        self.line.starts_with(start)
    }
}

/// A running script. It ends with the test's runtime.
pub(super) struct Server {
    pub(super) endpoint: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers the hello by itself and hands every other request, with its connection, to `script`. A connection that
    /// the script gives back is read on.
    pub(super) async fn start<F, G>(script: F) -> Server
    where
        F: Fn(Asked, TcpStream) -> G + Send + Sync + 'static,
        G: Future<Output = Option<TcpStream>> + Send,
    {
        Server::with_hello(HELLO, script).await
    }

    pub(super) async fn with_hello<F, G>(hello: &'static str, script: F) -> Server
    where
        F: Fn(Asked, TcpStream) -> G + Send + Sync + 'static,
        G: Future<Output = Option<TcpStream>> + Send,
    {
        Server::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), hello, script)
    }

    pub(super) fn on<F, G>(listener: TcpListener, hello: &'static str, script: F) -> Server
    where
        F: Fn(Asked, TcpStream) -> G + Send + Sync + 'static,
        G: Future<Output = Option<TcpStream>> + Send,
    {
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Arc::new(script), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (script, seen) = (script.clone(), seen.clone());
                tokio::spawn(async move {
                    while let Some(request) = read(&mut stream).await {
                        if request.is("GET / ") {
                            reply(&mut stream, "200 OK", "application/json", hello).await;
                            continue;
                        }
                        seen.lock().unwrap().push(request.clone());
                        match script(request, stream).await {
                            Some(back) => stream = back,
                            None => return,
                        }
                    }
                });
            }
        });
        Server { endpoint, asked }
    }

    /// What was asked so far, hello left out.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn api(&self) -> Api {
        let credentials = Credentials::keypair("AKIATESTTESTTEST0001", "the-secret-key".to_owned());
        Api::new(ApiOptions::new(&self.endpoint).with_credentials(credentials)).unwrap()
    }

    pub(super) fn session(&self) -> ComputeSession {
        ComputeSession::new(&self.api(), "work".into(), None)
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let asked = Asked { line, headers, body: String::new() };
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked { body: String::from_utf8_lossy(&body).into_owned(), ..asked })
}

pub(super) async fn reply(stream: &mut TcpStream, status: &str, content_type: &str, body: &str) {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n");
    // A client that has left is the client's business.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

pub(super) async fn json(mut stream: TcpStream, body: &str) -> Option<TcpStream> {
    reply(&mut stream, "200 OK", "application/json", body).await;
    Some(stream)
}

pub(super) async fn status(mut stream: TcpStream, status: &str) -> Option<TcpStream> {
    reply(&mut stream, status, "text/plain", "").await;
    Some(stream)
}

/// Answers an upgrade and gives the socket.
pub(super) async fn upgrade(asked: &Asked, mut stream: TcpStream) -> WebSocketStream<TcpStream> {
    let accept = derive_accept_key(asked.header("sec-websocket-key").unwrap().as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    WebSocketStream::from_raw_socket(stream, Role::Server, None).await
}

/// A frame of the execute WebSocket.
pub(super) fn frame(status: &str, stdout: &str) -> String {
    let console: Vec<_> = (!stdout.is_empty()).then_some(("stdout", stdout)).into_iter().collect();
    serde_json::json!({"status": status, "console": console, "exitCode": 0, "options": null, "files": []})
        .to_string()
}

/// The body of a reply to an execute call.
pub(super) fn result(status: &str, stdout: &str) -> String {
    format!("{{\"result\": {}}}", frame(status, stdout))
}
