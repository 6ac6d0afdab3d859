//! The choice of the user's identity at an endpoint: a key pair or the cookie of a login, from the profile, the environment,
//! the saved logins, or the official client's files.

use super::environment::VariablesAt;
use super::logins::same_endpoint;
use super::source::Source;
use super::{ConfigError, EndpointType, Login, Logins, OfficialFiles, Profile, StoredCredentials};
use secrecy::SecretString;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The credentials of the user at a cluster.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A key pair, which signs requests.
    Keypair {
        /// Access key.
        access_key: String,
        /// Secret key.
        secret_key: SecretString,
    },
    /// The cookie of a web server.
    WebSession {
        /// Value of the cookie.
        session_id: SecretString,
    },
}

impl From<StoredCredentials> for Identity {
    fn from(credentials: StoredCredentials) -> Self {
        match credentials {
            StoredCredentials::WebSession { session_id, .. } => Identity::WebSession { session_id },
            StoredCredentials::Keypair { access_key, secret_key } => {
                Identity::Keypair { access_key, secret_key }
            }
        }
    }
}

/// Saved logins: our own, and those in the official client's files.
#[derive(Debug, Clone)]
pub struct KnownLogins {
    /// Our own logins.
    pub logins: Logins,
    /// The official client's files.
    pub official: OfficialFiles,
}

/// The sources that decide the identity at an endpoint.
pub(super) struct Sources<'a> {
    pub(super) endpoint: &'a str,
    /// The chosen profile and its name, if it is for this endpoint.
    pub(super) profile: Option<(&'a str, &'a Profile)>,
    pub(super) env: VariablesAt<'a>,
    pub(super) saved: &'a KnownLogins,
}

impl Sources<'_> {
    /// A value of the profile.
    pub(super) fn of_profile(&self, pick: fn(&Profile) -> &Option<String>) -> Option<String> {
        self.profile.and_then(|(_, profile)| pick(profile).clone())
    }

    /// The identity of the user at the endpoint, and what said so.
    pub(super) fn identity(&self) -> Result<(Identity, Source), ConfigError> {
        // Lazy: a keyring may ask the user to unlock it.
        let login = || self.saved.logins.find(self.endpoint);
        if self.wants_session()? {
            return self.web_session(login()?);
        }
        // The secret key for the profile's access key may be in the environment, or in the login that was made for it.
        let access_key = self.of_profile(|p| &p.access_key);
        let secret_key = self.of_profile(|p| &p.secret_key);
        if let (Some(profile_key), None) = (&access_key, &secret_key)
            && let Some(Login {
                credentials: credentials @ StoredCredentials::Keypair { access_key, .. },
                ..
            }) = &login()?
            && access_key == profile_key
        {
            return Ok((credentials.clone().into(), self.source_of_profile()));
        }
        let of_env = |name| self.env.get(name);
        let source = match access_key {
            Some(_) => self.source_of_profile(),
            None => self.env.source("ACCESS_KEY"),
        };
        let pair =
            access_key.or_else(|| of_env("ACCESS_KEY")).zip(secret_key.or_else(|| of_env("SECRET_KEY")));
        let pair = pair.map(|(access_key, secret_key)| (access_key, SecretString::from(secret_key)));
        let near = self.profile.is_some() || self.env.are_of_endpoint;
        if let Some((access_key, secret_key)) = pair.clone().filter(|_| near) {
            return Ok((Identity::Keypair { access_key, secret_key }, source));
        }
        match (login()?, pair) {
            (Some(login), _) => Ok((self.alive(login)?.credentials.into(), Source::Login)),
            (None, Some((access_key, secret_key))) => {
                Ok((Identity::Keypair { access_key, secret_key }, source))
            }
            (None, None) => Ok((self.official_keypair()?, Source::Official)),
        }
    }

    fn source_of_profile(&self) -> Source {
        self.profile.map_or(Source::Nothing, |(name, _)| Source::Profile(name.to_owned()))
    }

    /// Whether the configuration says that this endpoint is a web server.
    fn wants_session(&self) -> Result<bool, ConfigError> {
        let of_env = self.env.get("ENDPOINT_TYPE").filter(|_| self.env.are_of_endpoint);
        match (self.profile, of_env.as_deref()) {
            (Some((_, profile)), _) => Ok(profile.endpoint_type == EndpointType::Session),
            (None, Some("session")) => Ok(true),
            (None, Some("api")) => Ok(false),
            (None, Some(other)) => Err(ConfigError::EndpointType(other.chars().take(40).collect())),
            (None, None) => {
                let configured = self.saved.official.configured()?;
                Ok(configured.is_some_and(|c| c.is_session && same_endpoint(&c.endpoint, self.endpoint)))
            }
        }
    }

    fn web_session(&self, login: Option<Login>) -> Result<(Identity, Source), ConfigError> {
        if let Some(login @ Login { credentials: StoredCredentials::WebSession { .. }, .. }) = login {
            return Ok((self.alive(login)?.credentials.into(), Source::Login));
        }
        // The official client keeps a cookie for a host. A `.env` file could name another port, or leave TLS out.
        let found = match self.env.file {
            Some(_) => None,
            None => self.saved.official.cookie(self.endpoint, now().as_secs_f64())?,
        };
        let session_id =
            found.ok_or_else(|| ConfigError::NotLoggedIn { endpoint: self.endpoint.to_owned() })?;
        Ok((Identity::WebSession { session_id }, Source::Official))
    }

    fn alive(&self, login: Login) -> Result<Login, ConfigError> {
        match login.until {
            Some(until) if until <= now().as_secs() => {
                Err(ConfigError::LoginEnded { endpoint: self.endpoint.to_owned() })
            }
            _ => Ok(login),
        }
    }

    fn official_keypair(&self) -> Result<Identity, ConfigError> {
        let configured = self.saved.official.configured()?;
        if configured.is_some_and(|c| same_endpoint(&c.endpoint, self.endpoint))
            && let Some((access_key, secret_key)) = self.saved.official.keypair()?
        {
            return Ok(Identity::Keypair { access_key, secret_key });
        }
        let half = self.of_profile(|p| &p.access_key).or_else(|| self.env.get("ACCESS_KEY"));
        let missing = if half.is_some() { "BACKEND_SECRET_KEY" } else { "BACKEND_ACCESS_KEY" };
        let unused = self.env.unused.map(|file| file.path().to_owned());
        Err(ConfigError::NoKey { endpoint: self.endpoint.to_owned(), missing, unused })
    }
}

fn now() -> Duration {
    // With a clock before 1970, no login has expired.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
