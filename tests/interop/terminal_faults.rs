//! Terminals and tunnels against faulty servers: frames of 16 MiB, cut links, close codes, services that never answer.

use bai_client::pty::{LinkState, NotSent};
use bai_client::*;
use bai_protocol::pty::{PtyReply, PtyRequest};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::error::Error;
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{self, Message};

/// Waits with a time limit, so that a test fails and does not hang.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("{what} never came"))
}

/// A server with one session and these apps. It passes the WebSockets of its streams to the test.
struct Server {
    listener: TcpListener,
    apps: &'static str,
}

type Socket = WebSocketStream<TcpStream>;

impl Server {
    async fn new(apps: &'static str) -> (Server, ComputeSession) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = ApiOptions::new(format!("http://{}", listener.local_addr().unwrap()));
        let api =
            Api::new(api.with_credentials(Credentials::keypair("AKIATEST", "secret".to_owned()))).unwrap();
        let server = Server { listener, apps };
        let attach = ComputeSession::attach(&api, "work");
        let session = tokio::select! {
            session = attach => session.unwrap(),
            _ = server.socket() => panic!("no stream was asked for"),
        };
        (server, session)
    }

    /// Answers requests until one opens a WebSocket. Returns its path and the socket.
    async fn socket(&self) -> (String, Socket) {
        loop {
            let (mut stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
            // The reply closes the connection, so each request has its own.
            let Some(head) = head(&mut stream).await else { continue };
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let key = head.lines().find_map(|line| {
                line.to_lowercase().starts_with("sec-websocket-key:").then(|| line[18..].trim().to_owned())
            });
            if let Some(key) = key {
                let accept = derive_accept_key(key.as_bytes());
                let reply = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                stream.write_all(reply.as_bytes()).await.unwrap();
                return (path, WebSocketStream::from_raw_socket(stream, Role::Server, None).await);
            }
            let body = match path.split('?').next().unwrap() {
                "/" => r#"{"version":"v9.20250722","manager":"test"}"#,
                "/session/_/match" => {
                    r#"{"matches":[{"id":"00000000-0000-0000-0000-000000000001","name":"work","status":"RUNNING"}]}"#
                }
                path if path.ends_with("/apps") => self.apps,
                _ => "{}",
            };
            let reply = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
    }

    /// Accepts the next `pty` stream and sends a prompt.
    async fn terminal(&self) -> Socket {
        let (path, mut socket) = self.socket().await;
        assert!(path.ends_with("/pty?app=shell"), "{path}");
        let first = soon("the size", socket.next()).await.unwrap().unwrap().into_data();
        assert!(matches!(PtyRequest::parse(&first), Ok(PtyRequest::Resize { .. })));
        say(&mut socket, b"$ ").await;
        socket
    }
}

async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

const PTY: &str = r#"[{"name":"shell","protocol":"pty","ports":[]}]"#;
const TTYD: &str = r#"[{"name":"ttyd","protocol":"http","ports":[7681]}]"#;

async fn say(socket: &mut Socket, bytes: &[u8]) {
    let text = PtyReply::Output(Bytes::copy_from_slice(bytes)).to_text();
    socket.send(Message::binary(text.into_bytes())).await.unwrap();
}

async fn open(session: &ComputeSession) -> Result<Pty, ClientError> {
    Pty::open(session, PtyOptions { source: PtySource::Auto, rows: 0, columns: 0 }).await
}

async fn pair(server: &Server, session: &ComputeSession) -> (Pty, Socket) {
    let (pty, socket) = tokio::join!(open(session), server.terminal());
    let mut pty = pty.unwrap();
    assert_eq!(pty.next().await, Some(PtyEvent::Output(Bytes::from_static(b"$ "))));
    (pty, socket)
}

async fn next(pty: &mut Pty) -> Option<PtyEvent> {
    soon("an event", pty.next()).await
}

#[tokio::test]
async fn output_of_16_mib_in_one_frame_comes_in_pieces() {
    let (server, session) = Server::new(PTY).await;
    let (mut pty, mut socket) = pair(&server, &session).await;
    let data: Vec<u8> = (0..16 << 20).map(|at| (at % 253) as u8).collect();
    let mut got = Vec::new();
    let receive = async {
        while got.len() < data.len() {
            match pty.next().await {
                Some(PtyEvent::Output(bytes)) => {
                    assert!(bytes.len() <= 64 << 10);
                    got.extend_from_slice(&bytes);
                }
                other => panic!("{other:?}"),
            }
        }
    };
    soon("the output", async { tokio::join!(say(&mut socket, &data), receive) }).await;
    assert!(got == data);
}

#[tokio::test]
async fn unknown_frames_are_ignored_and_broken_ones_end_the_link() {
    let (server, session) = Server::new(PTY).await;
    let (mut pty, mut socket) = pair(&server, &session).await;
    socket.send(Message::text(r#"{"type":"new","x":[1]}"#)).await.unwrap();
    socket.send(Message::Ping(Bytes::from_static(b"x"))).await.unwrap();
    say(&mut socket, b"still here").await;
    assert_eq!(next(&mut pty).await, Some(PtyEvent::Output(Bytes::from_static(b"still here"))));
    socket.send(Message::text("{\"type\":\"out\"")).await.unwrap();
    assert!(
        matches!(next(&mut pty).await, Some(PtyEvent::LinkDown(why)) if why.contains("not what was agreed"))
    );
}

#[tokio::test]
async fn the_client_reconnects_after_every_kind_of_lost_link() {
    let (server, session) = Server::new(PTY).await;
    let (mut pty, mut socket) = pair(&server, &session).await;
    let close = |code: u16| Some(CloseFrame { code: CloseCode::from(code), reason: "because".into() });
    for way in [Some(1001), Some(1011), Some(1012), Some(1013), None] {
        match way {
            Some(code) => socket.send(Message::Close(close(code))).await.unwrap(),
            None => drop(socket),
        }
        let down = next(&mut pty).await;
        match (way, &down) {
            (Some(_), Some(PtyEvent::LinkDown(why))) => assert!(why.contains("because"), "{why}"),
            (None, Some(PtyEvent::LinkDown(_))) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(pty.handle().try_send(Bytes::from_static(b"rm")), Err(NotSent::LinkDown));
        assert!(matches!(pty.handle().status().link, LinkState::Down { .. }));
        socket = server.terminal().await;
        assert_eq!(next(&mut pty).await, Some(PtyEvent::LinkUp));
        assert_eq!(next(&mut pty).await, Some(PtyEvent::Output(Bytes::from_static(b"$ "))));
        // Input for the previous link does not arrive.
        pty.handle().send(Bytes::from_static(b"ls")).await.unwrap();
        let typed = soon("typing", async {
            loop {
                if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                    break PtyRequest::parse(text.as_bytes()).unwrap();
                }
            }
        });
        assert_eq!(typed.await, PtyRequest::Stdin(Bytes::from_static(b"ls")));
    }
    socket.send(Message::Close(close(1000))).await.unwrap();
    assert_eq!(next(&mut pty).await, Some(PtyEvent::Exited { code: None }));
    assert_eq!(next(&mut pty).await, None);
}

#[tokio::test]
async fn a_silent_link_is_closed() {
    let (server, session) = Server::new(PTY).await;
    let (mut pty, silent) = pair(&server, &session).await;
    let before = pty.handle().status().last_heard;
    assert!(
        matches!(next(&mut pty).await, Some(PtyEvent::LinkDown(why)) if why.starts_with("the other side was silent for"))
    );
    let LinkState::Down { since, .. } = pty.handle().status().link else { panic!("it is up") };
    assert_eq!(since, before);
    drop(silent);
}

#[tokio::test]
async fn dropping_a_terminal_closes_its_link() {
    let (server, session) = Server::new(PTY).await;
    let (pty, mut socket) = pair(&server, &session).await;
    let handle = pty.handle();
    drop(pty);
    let closed = soon("the goodbye", async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                return true;
            }
        }
        false
    });
    assert!(closed.await);
    assert_eq!(handle.send(Bytes::from_static(b"x")).await, Err(NotSent::Closed));
}

/// Accepts the next tunnel. Returns the socket and the first message.
async fn tunnel(server: &Server) -> (Socket, Vec<u8>) {
    let (path, mut socket) = server.socket().await;
    assert!(path.contains("/tcpproxy?app=ttyd&service=ttyd"), "{path}");
    let first = soon("a request", socket.next()).await.unwrap().unwrap().into_data();
    (socket, first.to_vec())
}

#[tokio::test]
async fn a_ttyd_that_never_answers_is_an_error() {
    let (server, session) = Server::new(TTYD).await;
    let never = async {
        let (mut asked_for_token, request) = tunnel(&server).await;
        assert!(request.starts_with(b"GET /token"));
        let (mut handshake, request) = tunnel(&server).await;
        let request = String::from_utf8(request).unwrap().to_lowercase();
        assert!(
            request.starts_with("get /ws") && request.contains("sec-websocket-protocol: tty"),
            "{request}"
        );
        while let Some(Ok(_)) = handshake.next().await {}
        drop(asked_for_token.next().await);
        std::future::pending::<()>().await
    };
    let error = tokio::select! {
        pty = open(&session) => pty.unwrap_err(),
        () = never => unreachable!(),
    };
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn an_app_other_than_ttyd_is_an_error() {
    let (server, session) = Server::new(TTYD).await;
    let other = async {
        for _ in 0..2 {
            let (mut socket, _) = tunnel(&server).await;
            socket
                .send(Message::binary(&b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"[..]))
                .await
                .unwrap();
            socket.send(Message::Close(None)).await.unwrap();
        }
        std::future::pending::<()>().await
    };
    let error = tokio::select! {
        pty = open(&session) => pty.unwrap_err(),
        () = other => unreachable!(),
    };
    assert_eq!(error.kind(), ErrorKind::NotABackend, "{error}");
}

#[tokio::test]
async fn tunnels_end_as_their_close_code_says() {
    let (server, session) = Server::new(TTYD).await;
    for (code, expected) in [
        (1000, Ok(())),
        (1001, Ok(())),
        (1013, Err(std::io::ErrorKind::ConnectionRefused)),
        (1011, Err(std::io::ErrorKind::ConnectionReset)),
    ] {
        let options = TunnelOptions::new("ttyd");
        let (tunnel, (_, mut socket)) = tokio::join!(Tunnel::open(&session, &options), server.socket());
        let mut tunnel = tunnel.unwrap();
        socket.send(Message::text("an unexpected text")).await.unwrap();
        socket.send(Message::binary(&b"last words"[..])).await.unwrap();
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        socket.send(Message::Close(Some(frame))).await.unwrap();
        let mut printed = Vec::new();
        let end = soon("the end", tunnel.read_to_end(&mut printed)).await;
        assert_eq!(printed, b"last words");
        assert_eq!(end.map(drop).map_err(|error| error.kind()), expected, "{code}");
    }
}

/// The errors below an error, those too that an I/O error wraps.
fn is_caused_by_web_socket(error: &(dyn Error + 'static)) -> bool {
    let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<tungstenite::Error>()
        || inside.is_some_and(|inner| is_caused_by_web_socket(inner))
        || error.source().is_some_and(is_caused_by_web_socket)
}

#[tokio::test]
async fn an_error_keeps_the_one_of_the_web_socket() {
    let (server, session) = Server::new(PTY).await;
    let broken = async {
        let (_, socket) = server.socket().await;
        break_off(socket).await;
    };
    let (pty, ()) = tokio::join!(open(&session), broken);
    let error = pty.unwrap_err();
    assert!(error.kind() == ErrorKind::Lost && is_caused_by_web_socket(&error), "{error}");

    let options = TunnelOptions::new("ttyd");
    let (tunnel, (_, socket)) = tokio::join!(Tunnel::open(&session, &options), server.socket());
    break_off(socket).await;
    let error = soon("the end", tunnel.unwrap().read_to_end(&mut Vec::new())).await.unwrap_err();
    assert!(is_caused_by_web_socket(&error), "{error}");
}

/// Sends a frame with a reserved opcode, and ends the connection.
async fn break_off(socket: Socket) {
    socket.into_inner().write_all(&[0x83, 0]).await.unwrap();
}
