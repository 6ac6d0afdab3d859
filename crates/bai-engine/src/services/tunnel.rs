//! One WebSocket that carries one connection to a service. Each direction goes at the pace of its slower end.

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bai_runner::{Connection, ServiceAddress};
use bytes::BytesMut;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

/// Bytes in one frame.
const PIECE: usize = 64 << 10;
/// How long closing the socket may take.
const CLOSING: Duration = Duration::from_secs(2);
/// The close code when no process serves the service: try again later.
const REFUSED: u16 = 1013;

type Service = Box<dyn Connection>;

/// Carries bytes until one side ends.
pub(super) async fn serve(socket: WebSocket, address: &ServiceAddress) {
    let (mut sender, mut receiver) = socket.split();
    let (code, reason) = match address.connect().await {
        Ok(service) => {
            let (reader, writer) = tokio::io::split(service);
            tokio::select! {
                biased;
                () = up(&mut receiver, writer) => return,
                code = down(reader, &mut sender) => (code, String::new()),
            }
        }
        // A missing socket file also means that no process listens.
        Err(error) if [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound].contains(&error.kind()) => {
            (REFUSED, String::new())
        }
        Err(error) => (close_code::ERROR, error.to_string().chars().take(40).collect()),
    };
    let goodbye = async {
        let frame = CloseFrame { code, reason: reason.into() };
        if sender.send(Message::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = receiver.next().await {}
        }
    };
    // Everything was sent, so a client that does not answer has lost nothing.
    let _ = timeout(CLOSING, goodbye).await;
}

/// From the client to the service, until the client leaves. A service that no longer reads may still write, so the
/// other direction reports its end.
async fn up(receiver: &mut SplitStream<WebSocket>, mut writer: WriteHalf<Service>) {
    let mut reads = true;
    while let Some(Ok(message)) = receiver.next().await {
        match message {
            Message::Binary(bytes) if reads => {
                reads = writer.write_all(&bytes).await.is_ok() && writer.flush().await.is_ok();
            }
            Message::Close(_) => return,
            // Text frames are ignored; the library answers pings.
            _ => {}
        }
    }
}

/// From the service to the client, until the service ends. Returns the close code.
async fn down(mut reader: ReadHalf<Service>, sender: &mut SplitSink<WebSocket, Message>) -> u16 {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PIECE);
        match reader.read_buf(&mut buffer).await {
            Ok(count) if count > 0 => {
                if sender.send(Message::Binary(buffer.split().freeze())).await.is_err() {
                    return close_code::AWAY;
                }
            }
            _ => return close_code::AWAY,
        }
    }
}
