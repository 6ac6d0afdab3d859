//! The two ZeroMQ sockets of a runner: operations are pulled from one, replies are pushed into the other.
//!
//! The library limits its send queue by messages and not by bytes, and it notices a lost peer only when it loses what
//! it writes. So each reply holds a share of a fixed number of bytes until it is written. When the agent's connection
//! for operations ends, its connection for replies is closed too, and later replies wait for the next agent. The socket
//! itself stays open, because the next agent may already be connecting to it.

use super::messages::Message;
use super::relay::{self, Relay};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use zeromq::util::PeerIdentity;
use zeromq::{PullSocket, PushSocket, Socket, SocketEvent, SocketRecv, SocketSend, ZmqError, ZmqMessage};

/// How many bytes may be in flight to the agent, besides the system's own buffers.
const ON_THE_WAY: u32 = 2 << 20;
/// What the smallest reply counts for, in bytes: its place in the queues.
const LEAST: u32 = 256;
/// Operations that are read ahead.
const READ_AHEAD: usize = 64;

/// A socket that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}: {source}")]
pub(super) struct BindError {
    address: SocketAddr,
    source: ZmqError,
}

type Events = BoxStream<'static, SocketEvent>;

async fn bind<S: Socket>(address: SocketAddr) -> Result<(S, Events, Relay, SocketAddr), BindError> {
    let failed = |source| BindError { address, source };
    let (folder, inner) = relay::inner_socket().map_err(|error| failed(error.into()))?;
    let mut socket = S::new();
    let events = socket.monitor().boxed();
    socket.bind(&format!("ipc://{}", inner.display())).await.map_err(failed)?;
    let (relay, address) =
        Relay::start(address, folder, inner).await.map_err(|error| failed(error.into()))?;
    Ok((socket, events, relay, address))
}

/// Opens both sockets; port 0 picks a free one.
pub(super) async fn open(host: IpAddr, ports: [u16; 2]) -> Result<(Operations, Replies), BindError> {
    let [operations, replies] = ports.map(|port| SocketAddr::new(host, port));
    let (socket, events, relay, address) = bind(operations).await?;
    let (gone, agents) = watch::channel(());
    let operations = Operations { socket, events, read: VecDeque::new(), gone, _relay: relay, address };
    let (socket, events, relay, address) = bind(replies).await?;
    let room = Arc::new(Semaphore::new(ON_THE_WAY as usize));
    Ok((
        operations,
        Replies { socket, events, connected: HashSet::new(), _relay: relay, address, room, agents },
    ))
}

/// The socket for operations.
pub(super) struct Operations {
    socket: PullSocket,
    events: Events,
    /// Messages that were read ahead.
    read: VecDeque<Vec<Bytes>>,
    /// Signals that an agent has disconnected.
    gone: watch::Sender<()>,
    _relay: Relay,
    pub(super) address: SocketAddr,
}

impl Operations {
    /// The parts of the next message. Cancel-safe.
    ///
    /// All messages that have arrived are read before the first is returned. So the end of an agent is known before the
    /// next agent is answered.
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
            // The library has already closed this connection.
            Err(error) => {
                tracing::warn!(%error, "a peer sent something that is not a message");
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

/// The socket for replies.
pub(super) struct Replies {
    socket: PushSocket,
    events: Events,
    connected: HashSet<PeerIdentity>,
    _relay: Relay,
    pub(super) address: SocketAddr,
    room: Arc<Semaphore>,
    /// Changes when an agent has disconnected.
    agents: watch::Receiver<()>,
}

/// A payload with its share of the bytes that may be in flight.
struct CountedMessage {
    payload: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for CountedMessage {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Replies {
    /// Sends messages until the channel is closed. Without an agent that reads, the first message waits.
    pub(super) async fn send_all(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(Message { name, payload }) = self.unless_gone(&mut messages).await {
            let size = u32::try_from(payload.len()).unwrap_or(u32::MAX).clamp(LEAST, ON_THE_WAY);
            let Some(share) = self.share(size).await else { return };
            let payload = Bytes::from_owner(CountedMessage { payload, _share: share });
            let mut message = ZmqMessage::from(name);
            message.push_back(payload);
            self.send(message).await;
        }
        // All shares are returned once everything is written.
        let _ = self.share(ON_THE_WAY).await;
    }

    async fn unless_gone(&mut self, messages: &mut mpsc::Receiver<Message>) -> Option<Message> {
        loop {
            tokio::select! { biased;
                Ok(()) = self.agents.changed() => self.hang_up(),
                Some(event) = self.events.next() => self.note(event),
                message = messages.recv() => return message,
            }
        }
    }

    async fn share(&mut self, size: u32) -> Option<OwnedSemaphorePermit> {
        loop {
            let room = Arc::clone(&self.room);
            tokio::select! { biased;
                Ok(()) = self.agents.changed() => self.hang_up(),
                share = room.acquire_many_owned(size) => return share.ok(),
            }
        }
    }

    async fn send(&mut self, message: ZmqMessage) {
        // An error means that the agent has disconnected.
        while let Err(error) = self.socket.send(message.clone()).await {
            if matches!(error, ZmqError::ReturnToSender { .. }) {
                tokio::select! { biased;
                    Ok(()) = self.agents.changed() => self.hang_up(),
                    Some(event) = self.events.next() => self.note(event),
                }
            }
        }
    }

    fn note(&mut self, event: SocketEvent) {
        match event {
            SocketEvent::Accepted(_, peer) => drop(self.connected.insert(peer)),
            SocketEvent::Disconnected(peer) => drop(self.connected.remove(&peer)),
            _ => {}
        }
    }

    /// Closes all connections. If one of them belongs to the next agent, that agent connects again.
    fn hang_up(&mut self) {
        while let Some(Some(event)) = self.events.next().now_or_never() {
            self.note(event);
        }
        self.room = Arc::new(Semaphore::new(ON_THE_WAY as usize));
        let backend = self.socket.backend();
        self.connected.drain().for_each(|peer| backend.peer_disconnected(&peer));
    }
}
