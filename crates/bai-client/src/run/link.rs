//! The connection of a run, over any transport.

use super::link_event::LinkEvent;
use super::lost_run::Recovery;
use super::poll::PollLink;
use super::socket::{NoSocket, SocketLink};
use super::turn::Turn;
use super::{Cell, PollReason, RunOptions, Transport};
use crate::api::Api;
use crate::error::ClientError;
use crate::session_ref::SessionRef;
use bai_protocol::capability::{Capabilities, Capability};
use bai_protocol::execute::{RunId, Window};
use futures_util::future::BoxFuture;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// What we ask of a server that can do more than the common API.
#[derive(Clone, Copy)]
pub(super) struct Extras {
    /// It numbers its frames, and repeats those that did not arrive.
    pub(super) numbers: bool,
    /// It sends output byte for byte.
    pub(super) bytes: bool,
    /// It sends the records for a client that watches.
    pub(super) live: bool,
    /// It sends text in binary frames over a WebSocket, and takes input in them.
    pub(super) binary: bool,
    /// It runs scripts as programs.
    pub(super) scripts: bool,
    /// The code may run twice.
    pub(super) repeats: bool,
    /// It tells the program about this window.
    pub(super) window: Option<Window>,
}

impl Extras {
    pub(super) fn of(capabilities: &Capabilities, options: &RunOptions) -> Self {
        Extras {
            numbers: capabilities.has(Capability::NumberedFrames),
            bytes: options.bytes && capabilities.has(Capability::ByteOutput),
            live: options.live && capabilities.has(Capability::LiveOutput),
            // Their text is bytes.
            binary: capabilities.has(Capability::ByteOutput)
                && capabilities.has(Capability::NumberedFrames)
                && capabilities.has(Capability::BinaryFrames),
            scripts: capabilities.has(Capability::Scripts),
            repeats: options.repeats,
            window: options.window.filter(|_| capabilities.has(Capability::Windows)),
        }
    }
}

/// The current connection of a run.
pub(super) enum Link {
    Socket(Box<SocketLink>),
    Poll(Box<PollLink>),
    /// It broke, and cannot be restored: only the files of the kernel tell what the run does.
    Broken(ClientError),
    /// Between two connections: it finds out the state of the run.
    Asking(ClientError, BoxFuture<'static, Recovery>),
}

impl Api {
    /// Why runs with these options are polled although no transport is demanded: a broken WebSocket would cost more than its speed is
    /// worth. `None` if they are not.
    pub async fn polls_because(&self, options: &RunOptions) -> Option<PollReason> {
        let reason = match options.transport {
            Transport::Auto if options.keeps_session => PollReason::SessionIsKept,
            Transport::Auto if self.has_broken() => PollReason::HasBroken,
            _ => return None,
        };
        self.loses_sessions().await.then_some(reason)
    }

    /// Whether a broken WebSocket costs a session of this server.
    pub async fn loses_sessions(&self) -> bool {
        let capabilities = self.capabilities().await;
        let survives = capabilities.has(Capability::AbandonableRuns)
            || capabilities.has(Capability::RunIds) && capabilities.has(Capability::NumberedFrames);
        !survives
    }
}

/// Opens the connection of a new run, and returns the first message if it is still to be sent. Over a socket that was opened ahead it is
/// sent here: a socket that does not take all of it has run nothing, and another one is opened.
pub(super) async fn connect(
    session: &SessionRef,
    capabilities: &Capabilities,
    cell: &Cell,
    run_id: &RunId,
    options: &RunOptions,
    turn: &Turn,
) -> Result<(Link, Option<Utf8Bytes>), ClientError> {
    let pty = options.pty.as_deref().filter(|_| capabilities.has(Capability::CellTerminals));
    let polling = || {
        let extras = Extras::of(capabilities, options);
        let link = PollLink::begin(session.clone(), run_id.clone(), (cell, pty), extras);
        (Link::Poll(Box::new(link)), None)
    };
    let version = session.api.version().await.map_err(|error| error.with_what("run the code"))?;
    let auto = options.transport == Transport::Auto;
    let is_at_stake = session.api.polls_because(options).await.is_some();
    if options.transport == Transport::Poll || is_at_stake || auto && !version.has_streaming_execute() {
        return Ok(polling());
    }
    let extras = Extras::of(capabilities, options);
    let first = SocketLink::first_frame((cell, pty), run_id, extras)?;
    if let Some(socket) = turn.socket() {
        let mut socket = socket.begin(options, extras);
        match socket.send(first.clone()).await {
            Ok(()) => return Ok((Link::Socket(Box::new(socket)), None)),
            Err(end) => tracing::debug!(error = %end.error, "the socket that was opened ahead is of no use"),
        }
    }
    match SocketLink::open(session).await {
        Ok(socket) => Ok((Link::Socket(Box::new(socket.begin(options, extras))), Some(first))),
        Err(NoSocket::Blocked(error)) if auto => {
            tracing::info!(%error, "no WebSocket; polling instead");
            Ok(polling())
        }
        Err(NoSocket::Blocked(error) | NoSocket::Refused(error)) => Err(error),
    }
}

/// Opens the connection of a listener, and returns the first message to send on it.
pub(super) async fn connect_listener(
    session: &SessionRef,
    run_id: &RunId,
    extras: Extras,
    options: &RunOptions,
) -> Result<(Link, Option<Utf8Bytes>), ClientError> {
    let first = SocketLink::listening(run_id, extras)?;
    match SocketLink::open(session).await {
        Ok(socket) => Ok((Link::Socket(Box::new(socket.begin(options, extras))), Some(first))),
        Err(NoSocket::Blocked(error) | NoSocket::Refused(error)) => Err(error),
    }
}

/// The next event of the link. Cancel-safe.
pub(super) async fn next(link: &mut Link, waiting: bool) -> LinkEvent {
    let result = match link {
        Link::Socket(socket) => socket.next(waiting).await,
        Link::Poll(poll) => return poll.next().await,
        Link::Broken(_) => return std::future::pending().await,
        Link::Asking(error, asking) => {
            let recovery = asking.await;
            return LinkEvent::Recovery(error.clone(), recovery);
        }
    };
    result.map_or_else(LinkEvent::End, LinkEvent::Frame)
}
