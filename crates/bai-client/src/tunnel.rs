//! One TCP connection to a service of a session, carried by one WebSocket (`docs/wire` §7.2).

mod carry;

pub(super) use carry::{Carrier, TunnelEnd};

use super::error::ClientError;
use super::session::ComputeSession;
use super::session_ref::SessionRef;
use super::upgrade;
use bai_protocol::service::ServiceParameters;
use reqwest::Upgraded;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The largest accepted frame, in bytes. Genuine servers send 256 KiB at most.
const FRAME_LIMIT: usize = 32 * 1024 * 1024;
/// How long the server may take to start the service: 35 s on genuine servers, plus the network.
const START_LIMIT: Duration = Duration::from_secs(45);
/// Bytes in flight between the tunnel and its user, for each direction.
const BUFFER: usize = 256 * 1024;

/// The service of a tunnel, and how it is started if it does not run yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TunnelOptions {
    /// Name of the app.
    pub app: String,
    /// One of the app's ports. Default: the first.
    pub port: Option<u16>,
    /// Options and environment of the service.
    pub parameters: ServiceParameters,
}

impl TunnelOptions {
    /// A tunnel to the first port of `app`, which is started as its definition says.
    pub fn new(app: impl Into<String>) -> Self {
        TunnelOptions { app: app.into(), ..TunnelOptions::default() }
    }
}

/// One TCP connection to a service. Reads and writes like a socket, with back-pressure both ways; dropping it
/// ends the connection.
///
/// The protocol cannot close only one direction. After a shutdown of the writing side the service notices nothing, and
/// the other direction goes on until it has been quiet for half a minute.
pub struct Tunnel {
    local: DuplexStream,
    ended: Arc<OnceLock<TunnelEnd>>,
    _alive: DropGuard,
}

impl Tunnel {
    /// Starts the service, if it does not run, and connects to it.
    ///
    /// # Errors
    /// [`super::ErrorKind::NotFound`] for an app that the session does not have, [`super::ErrorKind::Server`]
    /// for one that does not start, with the server's reason.
    pub async fn open(session: &ComputeSession, options: &TunnelOptions) -> Result<Tunnel, ClientError> {
        Tunnel::connect(&session.at, options).await
    }

    pub(super) async fn connect(
        session: &SessionRef,
        options: &TunnelOptions,
    ) -> Result<Tunnel, ClientError> {
        let socket = connect(session, options).await?;
        let (local, remote) = tokio::io::duplex(BUFFER);
        let ended = Arc::new(OnceLock::new());
        let alive = CancellationToken::new();
        let (result, gone) = (ended.clone(), alive.clone());
        tokio::spawn(async move {
            let mut carrier = Carrier::new(socket);
            let (mut reader, mut writer) = tokio::io::split(remote);
            let end = tokio::select! {
                end = carrier.run(&mut reader, &mut writer) => end,
                () = gone.cancelled() => TunnelEnd::LocalGone,
            };
            tracing::debug!(?end, "tunnel");
            // Set before the pipe closes, so that a reader at its end finds the reason.
            let _ = result.set(end);
            drop((reader, writer));
            carrier.close().await;
        });
        Ok(Tunnel { local, ended, _alive: alive.drop_guard() })
    }

    fn why(&self) -> Option<io::Error> {
        let kind = match self.ended.get()? {
            TunnelEnd::Finished | TunnelEnd::LocalGone => return None,
            TunnelEnd::Refused => io::ErrorKind::ConnectionRefused,
            TunnelEnd::Failed(_) | TunnelEnd::Lost(_) => io::ErrorKind::ConnectionReset,
        };
        Some(io::Error::new(kind, self.ended.get()?.clone()))
    }
}

/// Opens the WebSocket of a tunnel.
pub(super) async fn connect(
    session: &SessionRef,
    options: &TunnelOptions,
) -> Result<WebSocketStream<Upgraded>, ClientError> {
    let app = &options.app;
    // Servers of 26.x read `app`, older ones `service`.
    let mut query = vec![("app", app.clone()), ("service", app.clone())];
    query.extend(options.port.map(|port| ("port", port.to_string())));
    query.extend(options.parameters.to_query());
    let what = format!("connect to the app {app}");
    let stream = upgrade::Stream { what: &what, name: "/tcpproxy", query, within: START_LIMIT };
    let upgraded = upgrade::open(session, stream).await?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_LIMIT))
        .max_frame_size(Some(FRAME_LIMIT))
        .read_buffer_size(128 * 1024);
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.local).poll_read(context, buffer))?;
        match self.why() {
            Some(error) if buffer.filled().len() == before && buffer.remaining() > 0 => {
                Poll::Ready(Err(error))
            }
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.local).poll_write(context, bytes));
        Poll::Ready(written.map_err(|error| self.why().unwrap_or(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.local).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.local).poll_shutdown(context)
    }
}
