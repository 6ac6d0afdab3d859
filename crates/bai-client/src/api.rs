//! A server: its endpoints, which of them answers, and our credentials. Requests to it are in `request`.

use super::endpoint::Endpoint;
use super::error::ClientError;
use super::options::{ApiOptions, Credentials};
use bai_protocol::version::{ApiVersion, Hello};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

/// A server. Cheap to clone; making one does no I/O.
///
/// ```no_run
/// # async fn example() -> Result<(), bai_client::ClientError> {
/// use bai_client::{Api, ApiOptions, Credentials};
/// let credentials = Credentials::keypair("AKIA…", "secret".to_owned());
/// let api = Api::new(ApiOptions::new("http://127.0.0.1:8081").with_credentials(credentials))?;
/// println!("{}", api.version().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    options: ApiOptions,
    endpoints: Vec<Endpoint>,
    current: AtomicUsize,
    server: OnceCell<(Hello, ApiVersion)>,
    turns: Mutex<HashMap<String, Weak<Semaphore>>>,
    /// The cookie of the last renewal, which replaces the one in the options.
    renewed: Mutex<Option<SecretString>>,
    /// Whether a connection of a run has broken.
    broke: AtomicBool,
}

impl Api {
    /// Checks the options. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`](super::ErrorKind::BadRequest) when the endpoint is not a valid URL or a key cannot be sent in a header.
    pub fn new(options: ApiOptions) -> Result<Api, ClientError> {
        options.check()?;
        let endpoints = Endpoint::parse_list(&options.endpoint)?;
        Ok(Api(Arc::new(Inner {
            options,
            endpoints,
            current: AtomicUsize::new(0),
            server: OnceCell::new(),
            turns: Mutex::default(),
            renewed: Mutex::default(),
            broke: AtomicBool::new(false),
        })))
    }

    /// The options.
    pub fn options(&self) -> &ApiOptions {
        &self.0.options
    }

    /// The endpoint in use, for the user.
    pub fn endpoint(&self) -> &str {
        self.endpoints_from_current().next().map_or("", |(_, endpoint)| endpoint.shown())
    }

    /// The server's answer to `GET /` and the version that both sides speak, once it was asked.
    pub(super) fn server(&self) -> &OnceCell<(Hello, ApiVersion)> {
        &self.0.server
    }

    /// All endpoints, beginning with the one that answered last.
    pub(super) fn endpoints_from_current(&self) -> impl Iterator<Item = (usize, &Endpoint)> {
        let current = self.0.current.load(Ordering::Relaxed);
        let (before, after) = self.0.endpoints.split_at_checked(current).unwrap_or((&[], &self.0.endpoints));
        let after = after.iter().enumerate().map(move |(i, endpoint)| (current + i, endpoint));
        after.chain(before.iter().enumerate())
    }

    pub(super) fn use_endpoint(&self, index: usize) {
        self.0.current.store(index, Ordering::Relaxed);
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.0.options.credentials
    }

    /// The cookie of the web server, in session mode.
    pub(super) fn session_id(&self) -> Option<SecretString> {
        let Credentials::WebSession { session_id } = self.credentials() else { return None };
        let renewed = self.0.renewed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(renewed.unwrap_or_else(|| session_id.clone()))
    }

    /// Looks for a newer cookie than the one in use. Returns whether there is one.
    pub(super) fn renew(&self) -> bool {
        let (Some(used), Some(renewal)) = (self.session_id(), &self.0.options.renewal) else { return false };
        let Some(newer) = renewal.find().filter(|id| id.expose_secret() != used.expose_secret()) else {
            return false;
        };
        tracing::info!("a newer login is used");
        *self.0.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(newer);
        true
    }

    /// How long an ordinary reply may take.
    pub(super) fn reply_limit(&self) -> Duration {
        self.0.options.read_timeout
    }

    /// Whether the connection of a run has broken since the start of this program.
    pub(super) fn has_broken(&self) -> bool {
        self.0.broke.load(Ordering::Relaxed)
    }

    /// The connection of a run has broken.
    pub(super) fn breaks(&self) {
        self.0.broke.store(true, Ordering::Relaxed);
    }

    /// The turn of a session, which a run holds: one permit for each session of this server, for all its handles
    /// (`docs/wire` §3.6).
    pub(super) fn turn(&self, session: &str) -> Arc<Semaphore> {
        let mut turns = self.0.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(session).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Semaphore::new(1));
        turns.insert(session.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("endpoint", &self.endpoint())
            .field("credentials", self.credentials())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_of_one_session_share_one_lock() {
        let api = Api::new(ApiOptions::new("http://127.0.0.1:1")).unwrap();
        let (a, b) = (api.turn("s"), api.clone().turn("s"));
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &api.turn("other")));
    }

    #[test]
    fn endpoints_are_tried_from_the_one_that_answered() {
        let api = Api::new(ApiOptions::new("http://a,http://b,http://c")).unwrap();
        api.use_endpoint(1);
        let order: Vec<_> = api.endpoints_from_current().map(|(i, e)| (i, e.shown())).collect();
        assert_eq!(order, [(1, "http://b"), (2, "http://c"), (0, "http://a")]);
        assert_eq!(api.endpoint(), "http://b");
    }
}
