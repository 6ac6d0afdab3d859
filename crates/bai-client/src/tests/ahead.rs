//! The socket that is opened before its run: used once, replaced when the server closes it, and closed when nobody can use it.

use super::engine::Lab;
use super::server::{Asked, Server, frame, json, upgrade};
use super::*;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// What a server sees of its sockets.
#[derive(Debug, PartialEq)]
enum Seen {
    Opened,
    Code(String),
    Closed,
}

/// A server whose sockets run each code with the output `ok`.
struct Sockets {
    server: Server,
    seen: mpsc::UnboundedReceiver<Seen>,
    /// Closes the sockets that are unused.
    close: watch::Sender<()>,
}

impl Sockets {
    async fn start() -> Self {
        let (told, seen) = mpsc::unbounded_channel();
        let (close, closing) = watch::channel(());
        let server = Server::start(move |asked: Asked, stream| {
            let (told, mut closing) = (told.clone(), closing.clone());
            async move {
                if !asked.is("GET /stream/session/work/execute ") {
                    return json(stream, r#"{"status": "RUNNING"}"#).await;
                }
                closing.mark_unchanged();
                serve(upgrade(&asked, stream).await, told, closing).await;
                None
            }
        })
        .await;
        Sockets { server, seen, close }
    }

    async fn next(&mut self) -> Seen {
        soon(self.seen.recv()).await.unwrap()
    }
}

async fn serve(
    mut socket: WebSocketStream<TcpStream>,
    told: mpsc::UnboundedSender<Seen>,
    mut closing: watch::Receiver<()>,
) {
    told.send(Seen::Opened).unwrap();
    tokio::select! {
        first = socket.next() => if let Some(Ok(Message::Text(text))) = first {
            let first: serde_json::Value = serde_json::from_str(&text).unwrap();
            told.send(Seen::Code(first["code"].as_str().unwrap().to_owned())).unwrap();
            socket.send(Message::text(frame("finished", "ok"))).await.unwrap();
        },
        _ = closing.changed() => {
            let gone = CloseFrame { code: 1001.into(), reason: "idle".into() };
            socket.close(Some(gone)).await.unwrap();
        }
    }
    while let Some(Ok(_)) = socket.next().await {}
    told.send(Seen::Closed).unwrap();
}

async fn run_one(session: &ComputeSession, code: &str) {
    let outcome = finish(&mut begin(session, code, Transport::Auto).await, &[]).await;
    assert_eq!((outcome.stdout.as_str(), outcome.exit), ("ok", Some(Some(0))), "{:?}", outcome.lost);
}

/// Waits until the next run has a socket.
async fn connected(session: &ComputeSession) {
    let connected = async {
        while !session.is_connected_ahead() {
            tokio::task::yield_now().await;
        }
    };
    soon(connected).await;
}

#[tokio::test]
async fn each_run_finds_a_socket_that_is_open() {
    let mut sockets = Sockets::start().await;
    let session = sockets.server.session();
    session.connect_ahead();
    assert_eq!(sockets.next().await, Seen::Opened);
    for code in ["1", "2", "3"] {
        connected(&session).await;
        run_one(&session, code).await;
        assert_eq!(sockets.next().await, Seen::Code(code.into()));
        let mut after = [sockets.next().await, sockets.next().await];
        after.sort_by_key(|seen| *seen == Seen::Closed);
        assert_eq!(after, [Seen::Opened, Seen::Closed], "one for one");
    }
    // The last handle closes it.
    let clone = session.clone();
    drop(session);
    connected(&clone).await;
    drop(clone);
    assert_eq!(sockets.next().await, Seen::Closed);
}

#[tokio::test]
async fn a_socket_that_the_server_has_closed_gets_no_code() {
    let mut sockets = Sockets::start().await;
    let session = sockets.server.session();
    session.connect_ahead();
    assert_eq!(sockets.next().await, Seen::Opened);
    connected(&session).await;
    sockets.close.send_replace(());
    assert_eq!(sockets.next().await, Seen::Closed);
    // The code goes over another one, once.
    run_one(&session, "1").await;
    assert_eq!([sockets.next().await, sockets.next().await], [Seen::Opened, Seen::Code("1".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ahead_is_no_run_and_ends_with_the_session() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    session.connect_ahead();
    connected(&session).await;
    for code in ["x = 1", "x += 1", "print(x)"] {
        let outcome = finish(&mut begin(&session, code, Transport::Auto).await, &[]).await;
        assert_eq!(outcome.exit, Some(Some(0)));
    }
    assert_eq!(session.current_run().await.unwrap(), None);
    assert!(!session.is_busy());
    session.restart().await.unwrap();
    let outcome = finish(&mut begin(&session, "print('x' in globals())", Transport::Auto).await, &[]).await;
    assert_eq!(outcome.stdout, "False\n");
    // Another client ends it. The next run is refused, or lost where its code went over the socket before that was seen to close.
    let other = ComputeSession::attach(session.api(), "work").await.unwrap();
    other.destroy(DestroyOptions::default()).await.unwrap();
    match session.execute(Cell::query("1"), RunOptions::default()).await {
        Err(error) => assert!(error.says_session_is_gone(), "{error}"),
        Ok(mut run) => assert_eq!(finish(&mut run, &[]).await.lost.unwrap().session, SessionState::Gone),
    }
    lab.engine.shutdown().await;
}
