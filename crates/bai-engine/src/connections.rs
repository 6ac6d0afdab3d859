//! Connections to an engine: which are accepted, which are ended, and how they are served. The requests on them are
//! checked in `auth`.
//!
//! A connection is a guest until one of its requests has a valid signature. The head of its first request has to arrive in
//! time, and the number of guests is limited: a new one ends the oldest. Each guest has a short time for its request
//! before it can be ended; until then new ones wait. So other users of the machine, who can reach a TCP address, can neither
//! occupy an engine nor keep its owner out, however many connections they open.

use super::listeners::PrivateListener;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long the head of a connection's first request may take.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How long a guest may stay although others need its place.
const STAY: Duration = Duration::from_millis(250);
/// How many guests there may be at once.
pub(super) const MOST_GUESTS: usize = 128;

/// A connection before it is served.
pub(super) trait Visitor {
    /// Prepares the connection.
    ///
    /// # Errors
    /// When the peer may not connect, or has gone.
    fn admit(&self) -> io::Result<()>;
}

impl Visitor for TcpStream {
    fn admit(&self) -> io::Result<()> {
        // Small frames must not wait for the acknowledgement of earlier ones.
        self.set_nodelay(true)
    }
}

impl Visitor for UnixStream {
    fn admit(&self) -> io::Result<()> {
        if bai_private::is_own_user(self.peer_cred()?.uid()) {
            return Ok(());
        }
        Err(bai_private::trust::Distrust::Owner.into())
    }
}

/// The listeners of an engine.
pub(super) struct Doors {
    pub(super) socket: Option<PrivateListener>,
    pub(super) tcp: Option<TcpListener>,
}

impl Doors {
    /// Serves all connections until `stop`, and then waits for the end of their requests.
    pub(super) async fn serve(self, router: Router, stop: CancellationToken) {
        tokio::join!(serve(self.socket, router.clone(), stop.clone()), serve(self.tcp, router, stop));
    }
}

async fn serve<L>(listener: Option<L>, router: Router, stop: CancellationToken)
where
    L: Listener,
    L::Io: Visitor,
{
    let Some(mut listener) = listener else { return };
    // Each door has its own guests: a crowd at one keeps nobody out at the other.
    let guests = Arc::new(Guests::default());
    let connections = TaskTracker::new();
    loop {
        let (io, _) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        if let Err(error) = io.admit() {
            tracing::debug!(%error, "a connection is refused");
            continue;
        }
        let guest = tokio::select! {
            () = stop.cancelled() => break,
            guest = guests.enter() => guest,
        };
        connections.spawn(connection(io, router.clone(), guest, stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Serves one connection until its peer leaves, it is sent away, or `stop` is cancelled and its request has ended.
async fn connection<I>(io: I, router: Router, guest: Arc<Guest>, stop: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let of_request = guest.clone();
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        of_request.heard.cancel();
        request.extensions_mut().insert(of_request.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(io), service).with_upgrades();
    tokio::pin!(connection);
    // An error of the connection is that of a peer that left.
    tokio::select! {
        _ = connection.as_mut() => return,
        why = guest.sent_away() => return tracing::debug!("a connection is ended: {why}"),
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// The connections without a signed request.
#[derive(Debug, Default)]
struct Guests {
    /// The oldest first.
    places: Mutex<VecDeque<Place>>,
    /// Notified when a guest has left.
    left: Notify,
}

/// The place of a guest.
#[derive(Debug)]
struct Place {
    since: Instant,
    sent_away: CancellationToken,
}

impl Guests {
    /// Waits for a place: until a guest leaves, or until the oldest has stayed long enough to be sent away.
    async fn enter(self: &Arc<Self>) -> Arc<Guest> {
        loop {
            match self.try_enter() {
                Ok(guest) => return guest,
                Err(until) => tokio::select! {
                    () = self.left.notified() => {}
                    () = tokio::time::sleep_until(until) => {}
                },
            }
        }
    }

    /// Takes a place. The error is the time at which the oldest guest can be sent away.
    fn try_enter(self: &Arc<Self>) -> Result<Arc<Guest>, Instant> {
        let now = Instant::now();
        let mut places = self.lock();
        if places.len() >= MOST_GUESTS {
            if let Some(oldest) = places.front()
                && oldest.since + STAY > now
            {
                return Err(oldest.since + STAY);
            }
            if let Some(oldest) = places.pop_front() {
                oldest.sent_away.cancel();
            }
        }
        let sent_away = CancellationToken::new();
        places.push_back(Place { since: now, sent_away: sent_away.clone() });
        Ok(Arc::new(Guest { sent_away, heard: CancellationToken::new(), guests: self.clone() }))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection, in the extensions of its requests.
#[derive(Debug)]
pub(super) struct Guest {
    /// Cancelled when others need the place.
    sent_away: CancellationToken,
    /// Cancelled when the head of the first request has arrived.
    heard: CancellationToken,
    guests: Arc<Guests>,
}

impl Guest {
    /// Marks the connection of a request as that of the engine's owner.
    pub(super) fn admit(request: &Request) {
        if let Some(guest) = request.extensions().get::<Arc<Guest>>() {
            guest.leave_list();
        }
    }

    fn leave_list(&self) {
        self.guests.lock().retain(|place| place.sent_away != self.sent_away);
        self.guests.left.notify_one();
    }

    /// Waits until the connection has to end, and tells why.
    async fn sent_away(&self) -> &'static str {
        let silent = async {
            if tokio::time::timeout(HEAD_LIMIT, self.heard.cancelled()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.sent_away.cancelled() => "too many connections wait without a signed request",
            () = silent => "no request came in time",
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.leave_list();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn every_guest_may_stay_for_a_while_and_one_that_leaves_makes_room() {
        let guests = Arc::new(Guests::default());
        let began = Instant::now();
        let owner = guests.enter().await;
        tokio::time::advance(STAY / 2).await;
        let mut crowd = VecDeque::new();
        for _ in 1..MOST_GUESTS {
            crowd.push_back(guests.enter().await);
        }
        assert!(guests.try_enter().is_err());
        crowd.pop_back();
        crowd.push_back(guests.enter().await);
        assert_eq!(began.elapsed(), STAY / 2);
        assert!(!owner.sent_away.is_cancelled());
        // It has not used its time.
        crowd.push_back(guests.enter().await);
        assert!(began.elapsed() >= STAY && owner.sent_away.is_cancelled());
        // The next one is as old as the crowd.
        assert!(guests.try_enter().is_err());
        // A request with a valid signature gives the place back.
        crowd[0].leave_list();
        crowd.push_back(guests.enter().await);
        assert!(crowd.iter().all(|guest| !guest.sent_away.is_cancelled()));
    }
}
