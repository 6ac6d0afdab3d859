//! The connection to a server: which endpoint answers, which version it speaks, who we are.

use super::endpoint::Endpoint;
use super::error::{ClientError, ErrorKind, looks_like_html};
use super::options::{ApiOptions, Credentials};
use super::request::Request;
use bai_protocol::capability::{Capabilities, Capability};
use bai_protocol::version::{ApiVersion, Hello};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

/// A server that we talk to. Cheap to clone; making one does no I/O.
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
    /// The cookie that the last renewal gave, in place of the one in the options.
    renewed: Mutex<Option<SecretString>>,
}

impl Api {
    /// Checks the options. No I/O.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] when the endpoint is no URL of ours or a key cannot stand in a header.
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
        })))
    }

    /// What the options say.
    pub fn options(&self) -> &ApiOptions {
        &self.0.options
    }

    /// The endpoint that is in use, for people.
    pub fn endpoint(&self) -> &str {
        self.endpoints_from_current().next().map_or("", |(_, endpoint)| endpoint.shown())
    }

    /// The API version that both sides speak; asked once (`protocol.md` §1.1).
    ///
    /// # Errors
    /// Whatever keeps the server from answering; [`ErrorKind::NotABackend`] when what answers is something else.
    pub async fn version(&self) -> Result<ApiVersion, ClientError> {
        Ok(self.server().await?.1)
    }

    /// What the server says about itself; asked once.
    ///
    /// # Errors
    /// As [`Api::version`].
    pub async fn hello(&self) -> Result<&Hello, ClientError> {
        Ok(&self.server().await?.0)
    }

    /// What the server can do beyond the common API; empty when the server cannot be asked.
    pub async fn capabilities(&self) -> Capabilities {
        self.hello().await.map(|hello| hello.capabilities.clone()).unwrap_or_default()
    }

    /// Whether the server announces this capability. False when the server cannot be asked.
    pub async fn has(&self, capability: Capability) -> bool {
        self.hello().await.is_ok_and(|hello| hello.capabilities.has(capability))
    }

    async fn server(&self) -> Result<&(Hello, ApiVersion), ClientError> {
        self.0.server.get_or_try_init(|| self.negotiate()).await
    }

    async fn negotiate(&self) -> Result<(Hello, ApiVersion), ClientError> {
        let what = "ask the server which version it speaks";
        let reply = self.request(what, Method::GET, "/").unsigned().limit(64 * 1024).send().await?;
        let Ok(hello) = serde_json::from_slice::<Hello>(&reply.body) else {
            let text = String::from_utf8_lossy(&reply.body);
            let why = if looks_like_html(&text) {
                format!("{} answers with a web page", self.endpoint())
            } else {
                format!("{} answers something else", self.endpoint())
            };
            return Err(ClientError::new(ErrorKind::NotABackend, what, why));
        };
        let theirs = hello
            .version
            .parse::<ApiVersion>()
            .map_err(|error| ClientError::new(ErrorKind::NotABackend, what, error.to_string()))?;
        let version = ApiVersion::negotiate(theirs).ok_or_else(|| {
            let why = format!("it speaks {theirs}, which is older than all that this program knows");
            ClientError::new(ErrorKind::Unsupported, what, why)
        })?;
        tracing::info!(server = %theirs, used = %version, manager = hello.manager.as_deref(), "version");
        Ok((hello, version))
    }

    /// A request to a path of the API. `what` completes "could not …" in errors; `path` is percent-encoded and
    /// begins with a slash.
    pub(super) fn request(&self, what: &str, method: Method, path: impl Into<String>) -> Request<'_> {
        Request::new(self, what, method, path.into())
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

    /// Looks for a newer cookie than the one in use. Whether there is one.
    pub(super) fn renew(&self) -> bool {
        let (Some(used), Some(renewal)) = (self.session_id(), &self.0.options.renewal) else { return false };
        let Some(newer) = renewal.look().filter(|id| id.expose_secret() != used.expose_secret()) else {
            return false;
        };
        tracing::info!("a newer login is taken up");
        *self.0.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(newer);
        true
    }

    /// How long an ordinary reply may take.
    pub(super) fn reply_limit(&self) -> Duration {
        self.0.options.read_timeout
    }

    /// The right to run code in a session: one permit for each session of this server, however many
    /// handles there are (`protocol.md` §3.6).
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
    fn a_session_has_one_turn_however_it_is_reached() {
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
