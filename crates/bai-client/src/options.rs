//! The options for a server: endpoint, credentials, time limits.

use super::error::{ClientError, ErrorKind};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The credentials for a server.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// An access key with its secret key; each request is signed (`docs/wire` §1.4).
    Keypair {
        /// The access key, which is not secret.
        access_key: String,
        /// The secret key.
        secret_key: SecretString,
    },
    /// A login at a web server, which signs for us (`docs/wire` §1.7): the value of its session cookie.
    WebSession {
        /// The session id that the web server gave at login.
        session_id: SecretString,
    },
    /// No identity: requests are not signed.
    #[default]
    Anonymous,
}

impl Credentials {
    /// A key pair, or no credentials if the access key is empty, as in the official client.
    pub fn keypair(access_key: impl Into<String>, secret_key: impl Into<SecretString>) -> Self {
        let access_key = access_key.into();
        if access_key.is_empty() {
            return Credentials::Anonymous;
        }
        Credentials::Keypair { access_key, secret_key: secret_key.into() }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Keypair { access_key, .. } => {
                let start: String = access_key.chars().take(4).collect();
                write!(f, "Keypair({start}…)")
            }
            Credentials::WebSession { .. } => f.write_str("WebSession"),
            Credentials::Anonymous => f.write_str("Anonymous"),
        }
    }
}

/// The options for a server. `ApiOptions::new(endpoint)` has the defaults of the official client.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Base URL, or several separated by commas: the next one is tried if a connection fails. A path in the URL is
    /// prepended to every path of the API.
    pub endpoint: String,
    /// The credentials.
    pub credentials: Credentials,
    /// The domain, sent as a header and with new sessions that do not name one.
    pub domain: Option<String>,
    /// The project of new sessions that do not name one.
    pub group: Option<String>,
    /// The time limit for connecting, TLS included. Default 10 s.
    pub connect_timeout: Duration,
    /// The time limit for a whole ordinary reply. Default 30 s. Runs, transfers of files and restarts have
    /// limits of their own.
    pub read_timeout: Duration,
    /// Whether to skip the check of the server's certificate. No other option implies this.
    pub insecure: bool,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The source of a newer cookie, if a web server no longer accepts that of the credentials.
    pub renewal: Option<Renewal>,
}

/// A function that looks for the cookie of a newer login.
#[derive(Clone)]
pub struct Renewal(Arc<FindLogin>);

type FindLogin = dyn Fn() -> Option<SecretString> + Send + Sync;

impl Renewal {
    /// A renewal with `find`, which is called on the runtime. Put work that may take longer than reading a file into
    /// `tokio::task::block_in_place`.
    pub fn new(find: impl Fn() -> Option<SecretString> + Send + Sync + 'static) -> Self {
        Renewal(Arc::new(find))
    }

    pub(super) fn find(&self) -> Option<SecretString> {
        (self.0)()
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewal")
    }
}

impl ApiOptions {
    /// Options for an endpoint, with defaults and no credentials.
    pub fn new(endpoint: impl Into<String>) -> Self {
        ApiOptions {
            endpoint: endpoint.into(),
            credentials: Credentials::Anonymous,
            domain: None,
            group: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            insecure: false,
            user_agent: concat!("bai-repl/", env!("CARGO_PKG_VERSION")).into(),
            renewal: None,
        }
    }

    /// Options from the environment variables that the official client reads: `BACKEND_ENDPOINT`, and for a key pair
    /// `BACKEND_ACCESS_KEY` and `BACKEND_SECRET_KEY`.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] when `BACKEND_ENDPOINT` is missing or one of the variables is not UTF-8.
    pub fn from_env() -> Result<Self, ClientError> {
        let bad = |why: String| ClientError::new(ErrorKind::BadRequest, "read the environment", why);
        let variable = |name: &str| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(bad(format!("{name} is not UTF-8"))),
        };
        let endpoint = variable("BACKEND_ENDPOINT")?;
        let endpoint = endpoint.ok_or_else(|| bad("BACKEND_ENDPOINT is not set".to_owned()))?;
        let access_key = variable("BACKEND_ACCESS_KEY")?.unwrap_or_default();
        let secret_key = variable("BACKEND_SECRET_KEY")?.unwrap_or_default();
        Ok(ApiOptions::new(endpoint).with_credentials(Credentials::keypair(access_key, secret_key)))
    }

    /// Sets the credentials.
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Checks the options, without the network.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        let bad = |why: &str| Err(ClientError::new(ErrorKind::BadRequest, "use these credentials", why));
        let plain = |text: &str| text.bytes().all(|b| (0x21..0x7f).contains(&b));
        match &self.credentials {
            Credentials::Keypair { access_key, .. }
                if !plain(access_key) || access_key.contains([':', ',']) =>
            {
                bad("the access key has a character that no key has")
            }
            Credentials::WebSession { session_id } if !plain(session_id.expose_secret()) => {
                bad("the cookie has a character that no cookie has")
            }
            _ if self.domain.as_deref().is_some_and(|domain| domain.chars().any(char::is_control)) => {
                bad("the domain has a control character")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_secret() {
        let credentials = Credentials::keypair("AKIATESTTEST0001", "very-secret");
        let options = ApiOptions::new("http://127.0.0.1:1").with_credentials(credentials);
        let shown = format!("{options:?}");
        assert!(!shown.contains("very-secret") && !shown.contains("TEST0001"), "{shown}");
        let web = Credentials::WebSession { session_id: "cookie-value".to_owned().into() };
        assert!(!format!("{web:?}").contains("cookie-value"));
    }

    #[test]
    fn keys_that_would_break_the_header_are_refused() {
        for key in ["a\r\nX: y", "a b", "a:b", "ä"] {
            let options = ApiOptions::new("http://h").with_credentials(Credentials::keypair(key, "s"));
            assert!(options.check().is_err(), "{key:?}");
        }
        assert!(matches!(Credentials::keypair("", "s"), Credentials::Anonymous));
    }
}
