//! The two ZeroMQ sockets of a runner: operations are pulled from one, replies are pushed into the other.
//!
//! The library counts what waits to be sent by messages and not by bytes, and learns that the other side has gone by
//! losing what it writes to it. So each reply holds a share of a fixed number of bytes until it is written, and when
//! the agent's connection for operations ends, the socket of replies is opened anew: what follows waits for the next
//! agent.

use super::messages::Message;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use zeromq::{
    Endpoint, PullSocket, PushSocket, Socket, SocketEvent, SocketRecv, SocketSend, ZmqError, ZmqMessage,
};

/// Bytes that may be on their way to the agent, besides what the system's own buffers hold.
const ON_THE_WAY: u32 = 2 << 20;
/// What even the smallest reply counts for: its place in the queues.
const LEAST: u32 = 256;
/// Operations that are read ahead.
const READ_AHEAD: usize = 64;
/// How soon it is tried again to open a port that another program has taken in the meantime.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A socket that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}: {source}")]
pub(super) struct BindError {
    address: SocketAddr,
    source: ZmqError,
}

type Events = BoxStream<'static, SocketEvent>;

async fn bind<S: Socket>(address: SocketAddr) -> Result<(S, Events, SocketAddr), BindError> {
    let mut socket = S::new();
    let events = socket.monitor().boxed();
    let failed = |source| BindError { address, source };
    let port = match socket.bind(&format!("tcp://{address}")).await.map_err(failed)? {
        Endpoint::Tcp(_, port) => port,
        _ => address.port(),
    };
    Ok((socket, events, SocketAddr::new(address.ip(), port)))
}

/// Opens both sockets; port 0 picks a free one.
pub(super) async fn open(host: IpAddr, ports: [u16; 2]) -> Result<(Operations, Replies), BindError> {
    let [operations, replies] = ports.map(|port| SocketAddr::new(host, port));
    let (socket, events, address) = bind(operations).await?;
    let (gone, agents) = watch::channel(());
    let operations = Operations { socket, events, read: VecDeque::new(), gone, address };
    let (socket, events, address) = bind(replies).await?;
    let room = Arc::new(Semaphore::new(ON_THE_WAY as usize));
    Ok((operations, Replies { socket, events, address, room, agents }))
}

/// Where operations come from.
pub(super) struct Operations {
    socket: PullSocket,
    events: Events,
    /// What was read beyond the last message.
    read: VecDeque<Vec<Bytes>>,
    /// Tells that an agent has gone.
    gone: watch::Sender<()>,
    pub(super) address: SocketAddr,
}

impl Operations {
    /// The parts of the next message. Cancel-safe.
    ///
    /// Everything that has arrived is read before the first is given: so the end of an agent is known before its
    /// successor is answered.
    pub(super) async fn next(&mut self) -> Vec<Bytes> {
        loop {
            if let Some(message) = self.read.pop_front() {
                return message;
            }
            tokio::select! {
                Some(event) = self.events.next() => self.note(&event),
                message = self.socket.recv() => self.keep(message),
            }
            while self.read.len() < READ_AHEAD
                && let Some(message) = self.socket.recv().now_or_never()
            {
                self.keep(message);
            }
            while let Some(Some(event)) = self.events.next().now_or_never() {
                self.note(&event);
            }
        }
    }

    fn keep(&mut self, message: Result<ZmqMessage, ZmqError>) {
        match message {
            Ok(message) => self.read.push_back(message.into_vec()),
            // The connection that it came from is closed by now.
            Err(error) => {
                tracing::warn!(%error, "something came that is no message");
                self.gone.send_replace(());
            }
        }
    }

    fn note(&self, event: &SocketEvent) {
        if let SocketEvent::Disconnected(_) = event {
            tracing::info!("the agent has gone");
            self.gone.send_replace(());
        }
    }
}

/// Where replies go.
pub(super) struct Replies {
    socket: PushSocket,
    events: Events,
    pub(super) address: SocketAddr,
    room: Arc<Semaphore>,
    /// Changes when an agent has gone.
    agents: watch::Receiver<()>,
}

/// A payload with its share of what may be on its way.
struct Charged {
    payload: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Replies {
    /// Sends what comes until nothing more can come. While no agent is there, or it does not read, the first waits.
    pub(super) async fn send_all(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(Message { name, payload }) = self.unless_gone(&mut messages).await {
            let size = u32::try_from(payload.len()).unwrap_or(u32::MAX).clamp(LEAST, ON_THE_WAY);
            let Some(share) = self.share(size).await else { return };
            let payload = Bytes::from_owner(Charged { payload, _share: share });
            let mut message = ZmqMessage::from(name);
            message.push_back(payload);
            self.send(message).await;
        }
        // All shares are back when all is written.
        let _ = self.share(ON_THE_WAY).await;
    }

    async fn unless_gone(&mut self, messages: &mut mpsc::Receiver<Message>) -> Option<Message> {
        loop {
            tokio::select! { biased;
                Ok(()) = self.agents.changed() => self.reopen().await,
                message = messages.recv() => return message,
            }
        }
    }

    async fn share(&mut self, size: u32) -> Option<OwnedSemaphorePermit> {
        loop {
            let room = Arc::clone(&self.room);
            tokio::select! { biased;
                Ok(()) = self.agents.changed() => self.reopen().await,
                share = room.acquire_many_owned(size) => return share.ok(),
            }
        }
    }

    async fn send(&mut self, message: ZmqMessage) {
        // A failure says that the agent to whom it would have gone is no longer there.
        while let Err(error) = self.socket.send(message.clone()).await {
            if matches!(error, ZmqError::ReturnToSender { .. }) {
                tokio::select! { biased;
                    Ok(()) = self.agents.changed() => self.reopen().await,
                    _ = self.events.next() => {}
                }
            }
        }
    }

    /// A new socket at the same port, that knows nothing of agents that have gone.
    async fn reopen(&mut self) {
        self.room = Arc::new(Semaphore::new(ON_THE_WAY as usize));
        self.socket.unbind_all().await;
        self.socket = PushSocket::new();
        loop {
            match bind(self.address).await {
                Ok((socket, events, _)) => {
                    (self.socket, self.events) = (socket, events);
                    return;
                }
                Err(error) => tracing::warn!(%error, "replies cannot be sent"),
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}
