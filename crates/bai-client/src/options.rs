//! The options for a server: endpoint, credentials, time limits.

use super::error::{ClientError, ErrorKind};
use bai_protocol::environment;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::path::PathBuf;
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
    /// The Unix socket of a server of our own user: all connections go through it, and the endpoint is only a name.
    /// Default none.
    pub socket: Option<PathBuf>,
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
            socket: None,
            credentials: Credentials::Anonymous,
            domain: None,
            group: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            insecure: false,
            user_agent: concat!("bai-client/", env!("CARGO_PKG_VERSION")).into(),
            renewal: None,
        }
    }

    /// Options from the environment variables that the official client reads (`docs/wire` §1.3): `BACKEND_ENDPOINT`,
    /// `BACKEND_ACCESS_KEY`, `BACKEND_SECRET_KEY`, `BACKEND_DOMAIN`, `BACKEND_GROUP`, `BACKEND_CONNECTION_TIMEOUT`,
    /// `BACKEND_READ_TIMEOUT` and `BACKEND_SKIP_SSLCERT_VALIDATION`, or the same with `SORNA_`. Without an access key requests
    /// are anonymous.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] when the endpoint is missing, when one of the two keys is missing, or when a
    /// timeout is not a number.
    pub fn from_env() -> Result<Self, ClientError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ClientError> {
        let bad = |why: String| ClientError::new(ErrorKind::BadRequest, "read the environment", why);
        let variable = |name: &str| environment::variable(&lookup, name);
        let required = |name: &str| variable(name).ok_or_else(|| bad(format!("BACKEND_{name} is not set")));
        let timeout = |name: &str| {
            let read = |value: String| {
                environment::seconds(&value)
                    .ok_or_else(|| bad(format!("BACKEND_{name} is not a number of seconds: {value}")))
            };
            variable(name).map(read).transpose().map(|time| time.filter(|time| !time.is_zero()))
        };
        let mut options = ApiOptions::new(required("ENDPOINT")?);
        if variable("ACCESS_KEY").is_some() || variable("SECRET_KEY").is_some() {
            options.credentials = Credentials::keypair(required("ACCESS_KEY")?, required("SECRET_KEY")?);
        }
        options.domain = variable("DOMAIN");
        options.group = variable("GROUP");
        options.connect_timeout = timeout("CONNECTION_TIMEOUT")?.unwrap_or(options.connect_timeout);
        options.read_timeout = timeout("READ_TIMEOUT")?.unwrap_or(options.read_timeout);
        options.insecure =
            variable("SKIP_SSLCERT_VALIDATION").is_some_and(|value| environment::is_true(&value));
        Ok(options)
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

    fn of(variables: &[(&str, &str)]) -> Result<ApiOptions, ClientError> {
        let lookup =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        ApiOptions::from_variables(lookup)
    }

    #[test]
    fn the_variables_of_the_official_client_are_read() {
        let endpoint = ("BACKEND_ENDPOINT", "http://127.0.0.1:1");
        let options = of(&[
            endpoint,
            ("BACKEND_ACCESS_KEY", "A"),
            ("BACKEND_SECRET_KEY", "S"),
            ("BACKEND_DOMAIN", "dom"),
            ("SORNA_GROUP", "team"),
            ("BACKEND_READ_TIMEOUT", "7"),
            ("BACKEND_CONNECTION_TIMEOUT", "2.5"),
            ("BACKEND_SKIP_SSLCERT_VALIDATION", "yes"),
        ])
        .unwrap();
        assert_eq!((options.domain.as_deref(), options.group.as_deref()), (Some("dom"), Some("team")));
        assert_eq!(options.read_timeout, Duration::from_secs(7));
        assert_eq!(options.connect_timeout, Duration::from_millis(2500));
        assert!(options.insecure && matches!(options.credentials, Credentials::Keypair { .. }));
        // 0 means no limit to the official client; every wait of ours has one.
        assert_eq!(
            of(&[endpoint, ("BACKEND_READ_TIMEOUT", "0")]).unwrap().read_timeout,
            Duration::from_secs(30)
        );
        assert!(matches!(of(&[endpoint]).unwrap().credentials, Credentials::Anonymous));
        for (variables, missing) in [
            (vec![], "BACKEND_ENDPOINT is not set"),
            (vec![endpoint, ("BACKEND_ACCESS_KEY", "A")], "BACKEND_SECRET_KEY is not set"),
            (
                vec![endpoint, ("BACKEND_READ_TIMEOUT", "x")],
                "BACKEND_READ_TIMEOUT is not a number of seconds: x",
            ),
        ] {
            assert!(of(&variables).unwrap_err().to_string().contains(missing), "{missing}");
        }
    }
}
