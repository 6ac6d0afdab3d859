//! The doors of an engine: who gets in, and who cannot keep others out.

use super::client::{IMAGE, Lab, Parts, read, slug, soon};
use crate::connections::MOST_GUESTS;
use crate::{EngineOptions, SocketFolder, Workdirs};
use bai_protocol::sign;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

const HELLO: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

async fn private_lab() -> Lab {
    // Another user can come so far.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let workdirs = Workdirs::Own(folder.path().join("sessions"));
    let socket = SocketFolder::At(folder.path().join("socket"));
    Lab::with(folder, EngineOptions::private(socket, workdirs)).await
}

#[tokio::test]
async fn a_private_engine_is_reached_through_its_socket_only() {
    let lab = private_lab().await;
    assert_eq!(lab.engine.endpoint(), "http://localhost");
    let mut socket = UnixStream::connect(lab.engine.socket().unwrap()).await.unwrap();
    socket.write_all(HELLO.as_bytes()).await.unwrap();
    let mut reply = String::new();
    soon("the hello", socket.read_to_string(&mut reply)).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 200") && reply.contains("v9.20250722"), "{reply}");
}

/// Tries to read the hello as another user; gives what came.
async fn hello_of_another_user(socket: &Path) -> Option<String> {
    let script = "use IO::Socket::UNIX; $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; \
        $s->send($ARGV[1]); local $/; print <$s>;";
    let mut command = bai_testkit::as_another_user("perl")?;
    command.args(["-MIO::Socket", "-e", script]).arg(socket).arg(HELLO);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Some(String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn another_user_cannot_enter() {
    let lab = private_lab().await;
    let socket = lab.engine.socket().unwrap().to_owned();
    let Some(output) = hello_of_another_user(&socket).await else { return };
    assert!(output.contains("Permission denied"), "{output}");
    // The folder is not the only lock.
    for (path, mode) in
        [(lab.folder.path(), 0o755), (socket.parent().unwrap(), 0o755), (socket.as_path(), 0o666)]
    {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let output = hello_of_another_user(&socket).await.unwrap();
    assert!(!output.contains("HTTP") && !output.contains("denied"), "{output}");
}

#[tokio::test]
async fn half_open_connections_keep_nobody_out() {
    let lab = Lab::new().await;
    let mut crowd = Vec::new();
    for _ in 0..3 * MOST_GUESTS {
        let mut socket = TcpStream::connect(lab.host()).await.unwrap();
        socket.write_all(b"GET /session/x HTTP/1.1\r\n").await.unwrap();
        crowd.push(socket);
    }
    assert_eq!(lab.get("/auth").await.0, StatusCode::OK);
    let mut oldest = crowd.swap_remove(0);
    assert_eq!(soon("the end", oldest.read(&mut [0; 64])).await.unwrap_or(0), 0);
    // Those who proved themselves stay: this client has one connection, and it is older than the second crowd.
    for _ in 0..2 * MOST_GUESTS {
        crowd.push(TcpStream::connect(lab.host()).await.unwrap());
    }
    assert_eq!(lab.get("/auth").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_request_whose_head_does_not_arrive_is_ended() {
    let lab = Lab::new().await;
    let mut slow = TcpStream::connect(lab.host()).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    assert_eq!(soon("the end", slow.read(&mut [0; 64])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn the_hello_proves_the_key_to_those_who_ask() {
    let lab = Lab::new().await;
    let url = lab.engine.endpoint();
    let (_, hello) = read(lab.http.get(&url).send().await.unwrap()).await;
    assert_eq!(hello["proof"], Value::Null);
    let ask = |challenge: String| lab.http.get(&url).header(sign::CHALLENGE, challenge).send();
    let (_, hello) = read(ask("a challenge".into()).await.unwrap()).await;
    let secret = lab.keypair.secret_key().expose_secret();
    let (instance, proof) = (hello["instance"].as_str().unwrap(), hello["proof"].as_str().unwrap());
    assert_eq!(hello["address"], "127.0.0.1");
    assert!(sign::verify_proof(secret, "a challenge", instance, "127.0.0.1", proof));
    let (_, hello) = read(ask("x".repeat(sign::LONGEST_CHALLENGE + 1)).await.unwrap()).await;
    assert_eq!(hello["proof"], Value::Null);
}

/// A request to create a session of this name, whose signature covers the body.
fn creation(lab: &Lab, name: &str) -> (Parts, String) {
    let mut parts = lab.parts(Method::POST, "/session");
    parts.content_type = Some("application/json".into());
    let body = json!({"name": name, "image": IMAGE, "enqueueOnly": true}).to_string();
    parts.body_sha256 = Some(sign::body_sha256(body.as_bytes()));
    (parts, body)
}

#[tokio::test]
async fn a_signed_body_cannot_be_exchanged() {
    let lab = Lab::new().await;
    let (parts, body) = creation(&lab, "ours");
    let (_, other) = creation(&lab, "theirs");
    let (status, problem) = read(lab.send(&parts, other).await).await;
    assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "generic-bad-request"), "{problem}");
    assert!(problem.to_string().contains("not the body that was signed"), "{problem}");

    // Nor can the hash be taken away.
    let (parts, _) = creation(&lab, "ours");
    let mut request = lab.http.post(format!("{}/session", lab.engine.endpoint()));
    for (name, value) in lab.sign(&parts).into_iter().filter(|(name, _)| *name != sign::BODY_SHA256) {
        request = request.header(name, value);
    }
    let (status, problem) = read(request.body(body.clone()).send().await.unwrap()).await;
    assert_eq!((status, slug(&problem)), (StatusCode::UNAUTHORIZED, "auth-failed"), "{problem}");
    assert!(lab.engine.state().sessions.all().is_empty());

    let (parts, body) = creation(&lab, "ours");
    assert_eq!(lab.send(&parts, body).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_signature_with_a_body_is_good_for_one_request() {
    let lab = Lab::new().await;
    let (parts, body) = creation(&lab, "once");
    assert_eq!(lab.send(&parts, body.clone()).await.status(), StatusCode::CREATED);
    let (status, problem) = read(lab.send(&parts, body).await).await;
    assert_eq!((status, slug(&problem)), (StatusCode::UNAUTHORIZED, "auth-failed"));
    assert!(problem.to_string().contains("used already"), "{problem}");
}
