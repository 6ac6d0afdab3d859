//! A server of these tests that answers each request as a function says: for answers that no engine of ours gives.

use bai_testkit::Sandbox;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Starts a server that gives `answer` of the method, the target and the body, as JSON unless it is a text, and lets the programs of a new sandbox use it.
pub(super) fn sandbox_at(answer: impl Fn(&str, &str, &Value) -> Value + Send + Sync + 'static) -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sandbox = Sandbox::new();
    sandbox.set("BACKEND_ENDPOINT", format!("http://{}", listener.local_addr().unwrap()));
    sandbox.set("BACKEND_ACCESS_KEY", "AK");
    sandbox.set("BACKEND_SECRET_KEY", "SK");
    let answer = Arc::new(answer);
    // It runs until the test's process ends.
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, answer) = (client.unwrap(), answer.clone());
            std::thread::spawn(move || drop(serve(&client, &*answer)));
        }
    });
    sandbox
}

/// Answers one request.
fn serve(mut client: &TcpStream, answer: impl Fn(&str, &str, &Value) -> Value) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut key) = (0, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "sec-websocket-key" => key = Some(derive_accept_key(value.as_bytes())),
            _ => {}
        }
    }
    if let Some(key) = key {
        // The tunnel of an app, which stays silent.
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
        client.write_all(format!("{head}Sec-WebSocket-Accept: {key}\r\n\r\n").as_bytes())?;
        return std::io::copy(&mut reader, &mut std::io::sink()).map(drop);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let text = match answer(method, target, &body) {
        Value::String(text) => text,
        json => json.to_string(),
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    client.write_all(format!("{head}{text}").as_bytes())
}
