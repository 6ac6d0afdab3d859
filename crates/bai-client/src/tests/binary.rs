//! Binary frames of output and input: only where the server announces them, and a frame that cannot be read ends the run.

use super::server::{Asked, Server, frame, json, result, upgrade};
use super::*;
use bai_protocol::binary_frame::{InputBytes, OutputWriter, Stream};
use bai_protocol::byte_text;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const ABLE: &str = r#"{"version":"v9.20250722","capabilities":["numbered-frames","run-ids","binary-frames","byte-output","scripts"]}"#;
const OLDER: &str =
    r#"{"version":"v9.20250722","capabilities":["numbered-frames","run-ids","byte-output","scripts"]}"#;

/// A server that says `hello` and whose WebSocket does `script` after the first frame.
async fn socket_does<F, G>(hello: &'static str, script: F) -> Server
where
    F: Fn(WebSocketStream<TcpStream>, serde_json::Value) -> G + Clone + Send + Sync + 'static,
    G: Future<Output = ()> + Send,
{
    Server::with_hello(hello, move |asked: Asked, stream| {
        let script = script.clone();
        async move {
            if !asked.is("GET /stream/session/work/execute ") {
                let body =
                    if asked.is("GET ") { r#"{"status": "RUNNING"}"# } else { &result("finished", "") };
                return json(stream, body).await;
            }
            let mut socket = upgrade(&asked, stream).await;
            let first = socket.next().await.unwrap().unwrap().into_text().unwrap();
            script(socket, serde_json::from_str(&first).unwrap()).await;
            None
        }
    })
    .await
}

async fn printed(server: &Server, bytes: bool) -> RunOutcome {
    let options = RunOptions { bytes, ..RunOptions::default() };
    let mut run = server.session().execute(Cell::query("1"), options).await.unwrap();
    finish(&mut run, &[]).await
}

#[tokio::test]
async fn text_is_read_as_it_was_printed() {
    let server = socket_does(ABLE, |mut socket, first| async move {
        assert_eq!((&first["binary"], &first["received"]), (&true.into(), &0.into()));
        let mut output = OutputWriter::new(1, 0);
        output.push(Stream::Stdout, b"a\xff");
        output.push(Stream::Stderr, "é".as_bytes());
        output.push(Stream::Stdout, b"{}");
        socket.send(Message::binary(output.finish())).await.unwrap();
        socket.send(Message::text(frame("finished", "b"))).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    for (bytes, expected) in [(false, "a\u{fffd}{}b".to_owned()), (true, byte_text::text(b"a\xff{}b"))] {
        let outcome = printed(&server, bytes).await;
        assert_eq!((outcome.stdout, outcome.stderr), (expected, "é".to_owned()));
        assert_eq!(outcome.exit, Some(Some(0)));
    }
}

#[tokio::test]
async fn an_older_server_is_not_asked_and_its_binary_frames_are_json() {
    let server = socket_does(OLDER, |mut socket, first| async move {
        assert_eq!((first.get("binary"), &first["received"]), (None, &0.into()));
        socket.send(Message::binary(frame("continued", "a"))).await.unwrap();
        socket.send(Message::text(frame("waiting-input", ""))).await.unwrap();
        let piece = socket.next().await.unwrap().unwrap();
        assert_eq!(piece, Message::binary(&br#"{"input":"x","end":true}"#[..]));
        socket.send(Message::text(frame("finished", "b"))).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    assert_eq!(answered(&server).await.stdout, "ab");
}

#[tokio::test]
async fn input_is_sent_as_it_is() {
    let server = socket_does(ABLE, |mut socket, _| async move {
        socket.send(Message::text(frame("waiting-input", ""))).await.unwrap();
        let Message::Binary(piece) = socket.next().await.unwrap().unwrap() else { panic!("no binary frame") };
        let expected = InputBytes { bytes: b"x"[..].into(), end: true, ahead: false };
        assert_eq!(InputBytes::from_frame(&piece), Some(expected));
        socket.send(Message::text(frame("finished", "b"))).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    assert_eq!(answered(&server).await.stdout, "b");
}

/// Answers the question of a run with the last piece of its input.
async fn answered(server: &Server) -> RunOutcome {
    let mut run = server.session().execute(Cell::query("1"), RunOptions::default()).await.unwrap();
    let mut before = String::new();
    loop {
        match soon(run.next()).await.unwrap() {
            RunEvent::WaitingInput { .. } => break,
            RunEvent::Console(ConsoleRecord::Stdout(text)) => before += &text,
            other => panic!("{other:?}"),
        }
    }
    assert!(run.send_piece(b"x".to_vec(), Rest::None));
    let outcome = finish(&mut run, &[]).await;
    RunOutcome { stdout: before + &outcome.stdout, ..outcome }
}

#[tokio::test]
async fn a_frame_that_cannot_be_read_ends_the_run() {
    let server = socket_does(ABLE, |mut socket, _| async move {
        socket.send(Message::binary(frame("continued", "json"))).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let lost = printed(&server, false).await.lost.unwrap();
    assert_eq!(lost.error.kind(), ErrorKind::Server);
}
