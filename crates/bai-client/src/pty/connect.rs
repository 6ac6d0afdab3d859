//! Finding the terminal of a session and connecting to it.

use super::handle::Size;
use super::link::{Codec, Link};
use super::{PtyOptions, PtySource};
use crate::app;
use crate::error::{ClientError, ErrorKind};
use crate::session_ref::SessionRef;
use crate::tunnel::{Tunnel, TunnelOptions};
use crate::upgrade;
use bai_protocol::byte_text;
use bai_protocol::pty::TTYD_SUBPROTOCOL;
use bai_protocol::service::{App, PTY_PROTOCOL};
use serde::Deserialize;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// The largest accepted frame, in bytes: 16 MiB of output are 22 MiB of base64.
const FRAME_LIMIT: usize = 64 * 1024 * 1024;
/// How long the upgrade of the `pty` stream, or of ttyd inside its tunnel, may take.
const UPGRADE_LIMIT: Duration = Duration::from_secs(15);
/// How long ttyd may take to send its token, which may be empty.
const TOKEN_LIMIT: Duration = Duration::from_secs(5);
const WHAT: &str = "open the terminal";

/// The service behind a terminal: found once, connected to as often as needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// ttyd, or a program with the same protocol, behind the app of this name.
    Ttyd(String),
    /// The `pty` stream, and one of its apps if it has several.
    Stream(Option<String>),
}

impl Source {
    /// Asks the session for its apps.
    pub(super) async fn find(session: &SessionRef, options: &PtyOptions) -> Result<Source, ClientError> {
        match &options.source {
            PtySource::Ttyd => Ok(Source::Ttyd("ttyd".into())),
            PtySource::Stream => Ok(Source::Stream(None)),
            PtySource::Auto => match app::list(session).await {
                Ok(apps) => Ok(choose(&apps)),
                // Servers without the list are older than ttyd.
                Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Source::Stream(None)),
                Err(error) => Err(error.with_what(WHAT)),
            },
            PtySource::App(name) => {
                let apps = app::list(session).await.map_err(|error| error.with_what(WHAT))?;
                named(&apps, name)
            }
        }
    }

    /// The name of the service, for the user.
    pub(super) fn service(&self) -> &str {
        match self {
            Source::Ttyd(app) | Source::Stream(Some(app)) => app,
            Source::Stream(None) => "pty",
        }
    }

    /// Connects, and waits for the first answer: a peer that stays silent is not a terminal.
    pub(super) async fn connect(&self, session: &SessionRef, size: Size) -> Result<Link, ClientError> {
        let mut link = match self {
            Source::Ttyd(app) => ttyd(session, app).await?,
            Source::Stream(app) => stream(session, app.as_deref()).await?,
        };
        link.greet(size).await?;
        Ok(link)
    }
}

fn choose(apps: &[App]) -> Source {
    let pty = apps.iter().find(|app| app.protocol == PTY_PROTOCOL);
    match (pty, apps.iter().any(|app| app.name == "ttyd")) {
        (Some(app), _) => Source::Stream(Some(app.name.clone())),
        (None, true) => Source::Ttyd("ttyd".into()),
        (None, false) => Source::Stream(None),
    }
}

fn named(apps: &[App], name: &str) -> Result<Source, ClientError> {
    let shown = byte_text::shown(name);
    match apps.iter().find(|app| app.name == name) {
        Some(app) if app.protocol == PTY_PROTOCOL => Ok(Source::Stream(Some(app.name.clone()))),
        Some(app) if app.protocol == "http" => Ok(Source::Ttyd(app.name.clone())),
        Some(app) => {
            let why =
                format!("the app {shown} speaks {}, which is not the protocol of a terminal", app.protocol);
            Err(ClientError::new(ErrorKind::NotATerminal, WHAT, why).about(name))
        }
        None => {
            let names: Vec<_> = apps.iter().map(|app| app.name.as_str()).collect();
            let why = format!("the session has no app {shown}");
            Err(ClientError::new(ErrorKind::NotFound, WHAT, why)
                .with_hint(format!("it has {}", byte_text::shown(&names.join(", ")))))
        }
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(FRAME_LIMIT)).max_frame_size(Some(FRAME_LIMIT))
}

async fn stream(session: &SessionRef, app: Option<&str>) -> Result<Link, ClientError> {
    let query = app.map(|app| ("app", app.to_owned())).into_iter().collect();
    let stream = upgrade::Stream { what: WHAT, name: "/pty", query, within: UPGRADE_LIMIT };
    let upgraded = upgrade::open(session, stream).await?;
    let io: super::link::Io = Box::new(upgraded);
    let socket = WebSocketStream::from_raw_socket(io, Role::Client, Some(config())).await;
    Ok(Link::new(socket, Codec::Stream))
}

async fn ttyd(session: &SessionRef, app: &str) -> Result<Link, ClientError> {
    let options = TunnelOptions::new(app);
    let retitle = |error: ClientError| error.with_what(WHAT);
    let token = token(Tunnel::connect(session, &options).await.map_err(retitle)?).await;
    let tunnel = Tunnel::connect(session, &options).await.map_err(retitle)?;
    let bad =
        |kind, why: String| ClientError::new(kind, WHAT, format!("the app {} {why}", byte_text::shown(app)));
    // The name is only for the header: the connection exists.
    let mut request = "ws://localhost/ws"
        .into_client_request()
        .map_err(|error| bad(ErrorKind::BadRequest, error.to_string()).with_source(error))?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(TTYD_SUBPROTOCOL));
    let io: super::link::Io = Box::new(tunnel);
    let handshake = client_async_with_config(request, io, Some(config()));
    match timeout(UPGRADE_LIMIT, handshake).await {
        Ok(Ok((socket, _))) => Ok(Link::new(socket, Codec::Ttyd { token })),
        Ok(Err(error)) => {
            let why = format!("does not speak as ttyd does: {}", crate::cause(&error));
            Err(bad(ErrorKind::NotABackend, why).with_source(error))
        }
        Err(_) => {
            let why = format!("does not answer within {} s", UPGRADE_LIMIT.as_secs());
            Err(bad(ErrorKind::Timeout, why))
        }
    }
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// The token that a ttyd with a password requires; empty if it has no password or does not answer.
async fn token(mut tunnel: Tunnel) -> String {
    let asked = async {
        tunnel.write_all(b"GET /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        tunnel.flush().await?;
        let mut reply = Vec::new();
        let mut limited = (&mut tunnel).take(16 * 1024);
        while !is_whole(&reply) && limited.read_buf(&mut reply).await? > 0 {}
        Ok::<_, std::io::Error>(reply)
    };
    let Ok(Ok(reply)) = timeout(TOKEN_LIMIT, asked).await else { return String::new() };
    body(&reply)
        .and_then(|body| serde_json::from_slice::<Token>(body).ok())
        .map_or(String::new(), |t| t.token)
}

fn body(reply: &[u8]) -> Option<&[u8]> {
    let at = reply.windows(4).position(|four| four == b"\r\n\r\n")?;
    reply.get(at + 4..)
}

fn is_whole(reply: &[u8]) -> bool {
    body(reply).is_some_and(|body| serde_json::from_slice::<serde_json::Value>(body).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps(list: &[(&str, &str)]) -> Vec<App> {
        let app = |(name, protocol): &(&str, &str)| App {
            name: (*name).into(),
            protocol: (*protocol).into(),
            ..App::default()
        };
        list.iter().map(app).collect()
    }

    #[test]
    fn the_best_available_terminal_is_chosen() {
        let cluster = apps(&[("sshd", "tcp"), ("ttyd", "http")]);
        assert_eq!(choose(&cluster), Source::Ttyd("ttyd".into()));
        let engine = apps(&[("ttyd", "http"), ("shell", "pty")]);
        assert_eq!(choose(&engine), Source::Stream(Some("shell".into())));
        assert_eq!(choose(&[]), Source::Stream(None));
    }

    #[test]
    fn an_app_without_a_terminal_is_refused_with_a_hint() {
        let apps = apps(&[("sshd", "tcp"), ("ttyd", "http"), ("shell", "pty")]);
        assert_eq!(named(&apps, "shell").unwrap(), Source::Stream(Some("shell".into())));
        let error = named(&apps, "sshd").unwrap_err();
        assert_eq!((error.kind(), error.subject()), (ErrorKind::NotATerminal, Some("sshd")), "{error:?}");
        assert!(named(&apps, "nope").unwrap_err().hint().unwrap().contains("sshd, ttyd, shell"));
    }
}
