//! The choice of the server and of the user's identity there. The order of precedence: flags, the environment, a profile,
//! the last login, the official client's files, the engine in this binary.

use super::logins::same_endpoint;
use super::{
    ConfigError, EndpointType, Environment, FileConfig, Login, Logins, OfficialFiles, Profile,
    StoredCredentials, normal,
};
use secrecy::SecretString;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The endpoint that selects the engine in this binary, whatever else is configured.
pub const LOCAL: &str = "local";

/// Where sessions live.
#[derive(Debug)]
pub enum Target {
    /// The engine in this binary.
    Embedded,
    /// A cluster.
    Cluster(Cluster),
}

/// A cluster and the user's identity there. Debug shows no secret.
#[derive(Debug)]
pub struct Cluster {
    /// One or more URLs, separated by commas.
    pub endpoint: String,
    /// Credentials of the user.
    pub identity: Identity,
    /// Domain; `default` if not configured.
    pub domain: String,
    /// Project; `default` if not configured.
    pub group: String,
    /// Whether certificate checks are switched off.
    pub insecure: bool,
    /// Limit on the time to establish a connection.
    pub connect_timeout: Duration,
    /// Limit on the time between two reads; `None` for no limit.
    pub read_timeout: Option<Duration>,
}

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

/// Chooses the target by `--endpoint` and `--profile`, the environment, the file, and the saved logins, in this order.
///
/// # Errors
/// When the deciding value is wrong or missing, or is in a file with a secret that other users may read.
pub fn resolve(
    flag: Option<&str>,
    profile: Option<&str>,
    env: &Environment,
    file: &FileConfig,
    saved: &KnownLogins,
) -> Result<Target, ConfigError> {
    let Some((endpoint, named)) = chosen(flag, profile, env, file, saved)? else {
        return Ok(Target::Embedded);
    };
    let context = Context { endpoint: &endpoint, profile: named, env, saved };
    context.cluster().map(Target::Cluster)
}

/// The endpoint that [`resolve`] would choose; `None` for the engine in this binary.
///
/// # Errors
/// As [`resolve`], except for errors about credentials.
pub fn endpoint_of(
    flag: Option<&str>,
    profile: Option<&str>,
    env: &Environment,
    file: &FileConfig,
    saved: &KnownLogins,
) -> Result<Option<String>, ConfigError> {
    Ok(chosen(flag, profile, env, file, saved)?.map(|(endpoint, _)| endpoint))
}

fn chosen<'a>(
    flag: Option<&str>,
    profile: Option<&str>,
    env: &Environment,
    file: &'a FileConfig,
    saved: &KnownLogins,
) -> Result<Option<(String, Option<&'a Profile>)>, ConfigError> {
    // A profile named on the command line takes precedence over the environment; one named in the file does not.
    let explicit = profile.map(|name| file.profile_called(name)).transpose()?;
    let nearer = flag.map(str::to_owned).or_else(|| explicit.map(|p| p.endpoint.clone()));
    let endpoint = match nearer.or_else(|| env.backend("ENDPOINT")) {
        Some(endpoint) => Some(endpoint),
        None => file
            .selected_profile()?
            .map(|name| file.profile_called(name))
            .transpose()?
            .map(|p| p.endpoint.clone()),
    };
    let endpoint = match endpoint {
        Some(endpoint) if endpoint == LOCAL => return Ok(None),
        Some(endpoint) => Some(endpoint),
        None => match saved.logins.newest()? {
            Some(endpoint) => Some(endpoint),
            None => saved.official.configured()?.map(|configured| configured.endpoint),
        },
    };
    let Some(endpoint) = endpoint else { return Ok(None) };
    check(&endpoint)?;
    Ok(Some((endpoint.clone(), profile_of_endpoint(&endpoint, profile, file)?)))
}

/// The profile that is named, if it is of this endpoint. Only then its settings decide anything.
fn profile_of_endpoint<'a>(
    endpoint: &str,
    profile: Option<&str>,
    file: &'a FileConfig,
) -> Result<Option<&'a Profile>, ConfigError> {
    let Some(name) = profile.or(file.profile.as_deref()) else { return Ok(None) };
    match file.profiles.get(name) {
        Some(found) if same_endpoint(&found.endpoint, endpoint) => file.profile_called(name).map(Some),
        _ => Ok(None),
    }
}

/// The sources that decide the identity at an endpoint.
struct Context<'a> {
    endpoint: &'a str,
    /// The chosen profile, if it is for this endpoint.
    profile: Option<&'a Profile>,
    env: &'a Environment,
    saved: &'a KnownLogins,
}

impl Context<'_> {
    fn cluster(&self) -> Result<Cluster, ConfigError> {
        let env = self.env;
        let or_default = |value: Option<String>| value.unwrap_or_else(|| "default".to_owned());
        Ok(Cluster {
            identity: self.identity()?,
            domain: or_default(self.of_profile(|p| &p.domain).or_else(|| env.backend("DOMAIN"))),
            group: or_default(self.of_profile(|p| &p.group).or_else(|| env.backend("GROUP"))),
            insecure: self.is_insecure()?,
            connect_timeout: seconds(env, "CONNECTION_TIMEOUT")?.unwrap_or(Duration::from_secs(10)),
            read_timeout: seconds(env, "READ_TIMEOUT")?.filter(|limit| !limit.is_zero()),
            endpoint: normal(self.endpoint),
        })
    }

    fn of_profile(&self, pick: fn(&Profile) -> &Option<String>) -> Option<String> {
        self.profile.and_then(|profile| pick(profile).clone())
    }

    fn is_insecure(&self) -> Result<bool, ConfigError> {
        if self.profile.is_some_and(|p| p.insecure) || self.env.backend_flag("SKIP_SSLCERT_VALIDATION") {
            return Ok(true);
        }
        // The official client's setting applies only to the endpoint in the same file.
        let configured = self.saved.official.configured()?;
        Ok(configured.is_some_and(|c| c.insecure && same_endpoint(&c.endpoint, self.endpoint)))
    }

    /// Whether the environment variables are for this endpoint, or name no endpoint.
    fn env_is_of_endpoint(&self) -> bool {
        self.env.backend("ENDPOINT").is_none_or(|endpoint| same_endpoint(&endpoint, self.endpoint))
    }

    fn identity(&self) -> Result<Identity, ConfigError> {
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
            return Ok(credentials.clone().into());
        }
        let of_env = |name| self.env.backend(name);
        let pair =
            access_key.or_else(|| of_env("ACCESS_KEY")).zip(secret_key.or_else(|| of_env("SECRET_KEY")));
        let pair = pair.map(|(access_key, secret_key)| (access_key, SecretString::from(secret_key)));
        let near = self.profile.is_some() || self.env_is_of_endpoint();
        if let Some((access_key, secret_key)) = pair.clone().filter(|_| near) {
            return Ok(Identity::Keypair { access_key, secret_key });
        }
        match (login()?, pair) {
            (Some(login), _) => self.alive(login).map(|login| login.credentials.into()),
            (None, Some((access_key, secret_key))) => Ok(Identity::Keypair { access_key, secret_key }),
            (None, None) => self.official_keypair(),
        }
    }

    /// Whether the configuration says that this endpoint is a web server.
    fn wants_session(&self) -> Result<bool, ConfigError> {
        let of_env = self.env.backend("ENDPOINT_TYPE").filter(|_| self.env_is_of_endpoint());
        match (self.profile, of_env.as_deref()) {
            (Some(profile), _) => Ok(profile.endpoint_type == EndpointType::Session),
            (None, Some("session")) => Ok(true),
            (None, Some("api")) => Ok(false),
            (None, Some(other)) => Err(ConfigError::EndpointType(other.chars().take(40).collect())),
            (None, None) => {
                let configured = self.saved.official.configured()?;
                Ok(configured.is_some_and(|c| c.is_session && same_endpoint(&c.endpoint, self.endpoint)))
            }
        }
    }

    fn web_session(&self, login: Option<Login>) -> Result<Identity, ConfigError> {
        if let Some(login @ Login { credentials: StoredCredentials::WebSession { .. }, .. }) = login {
            return self.alive(login).map(|login| login.credentials.into());
        }
        let found = self.saved.official.cookie(self.endpoint, now().as_secs_f64())?;
        let session_id =
            found.ok_or_else(|| ConfigError::NotLoggedIn { endpoint: self.endpoint.to_owned() })?;
        Ok(Identity::WebSession { session_id })
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
        let half = self.of_profile(|p| &p.access_key).or_else(|| self.env.backend("ACCESS_KEY"));
        let missing = if half.is_some() { "BACKEND_SECRET_KEY" } else { "BACKEND_ACCESS_KEY" };
        Err(ConfigError::NoKey { endpoint: self.endpoint.to_owned(), missing })
    }
}

fn now() -> Duration {
    // With a clock before 1970, no login has expired.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn check(endpoint: &str) -> Result<(), ConfigError> {
    let good = |url: &str| {
        url::Url::parse(url.trim())
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    };
    if endpoint.split(',').all(good) {
        Ok(())
    } else {
        Err(ConfigError::Endpoint(endpoint.chars().take(100).collect()))
    }
}

fn seconds(env: &Environment, name: &'static str) -> Result<Option<Duration>, ConfigError> {
    let Some(value) = env.backend(name) else { return Ok(None) };
    bai_protocol::environment::seconds(&value).map(Some).ok_or(ConfigError::Number { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    const KEYS: [(&str, &str); 2] = [("BACKEND_ACCESS_KEY", "A"), ("BACKEND_SECRET_KEY", "S")];

    fn env(more: &[(&str, &str)]) -> Environment {
        Environment::of(&[&KEYS, more].concat())
    }

    fn file() -> FileConfig {
        let lab = Profile {
            endpoint: "https://lab.example".into(),
            access_key: Some("LA".into()),
            secret_key: Some("LS".into()),
            group: Some("physics".into()),
            ..Profile::default()
        };
        FileConfig { profiles: [("lab".to_owned(), lab)].into(), ..FileConfig::default() }
    }

    fn nothing() -> KnownLogins {
        let nowhere = "/nonexistent";
        KnownLogins {
            logins: Logins::in_folder(nowhere),
            official: OfficialFiles::below(nowhere, nowhere, &Environment::of(&[])),
        }
    }

    fn cluster(
        flag: Option<&str>,
        profile: Option<&str>,
        env: &Environment,
        file: &FileConfig,
        saved: &KnownLogins,
    ) -> Cluster {
        match resolve(flag, profile, env, file, saved).unwrap() {
            Target::Cluster(cluster) => cluster,
            Target::Embedded => panic!("the engine was chosen"),
        }
    }

    fn chosen(flag: Option<&str>, profile: Option<&str>, env: &Environment, file: &FileConfig) -> Cluster {
        cluster(flag, profile, env, file, &nothing())
    }

    /// The public part of the identity, and its secret.
    fn who(cluster: &Cluster) -> (&str, &str) {
        match &cluster.identity {
            Identity::Keypair { access_key, secret_key } => (access_key, secret_key.expose_secret()),
            Identity::WebSession { session_id } => ("cookie", session_id.expose_secret()),
        }
    }

    fn cookie(endpoint: &str, until: Option<u64>) -> Login {
        let credentials =
            StoredCredentials::WebSession { user: "ann".into(), session_id: "c00kie".to_owned().into() };
        Login { endpoint: endpoint.into(), credentials, since: 1, until }
    }

    #[test]
    fn the_engine_is_the_default_endpoint() {
        let none = Environment::of(&[]);
        assert!(matches!(
            resolve(None, None, &none, &FileConfig::default(), &nothing()),
            Ok(Target::Embedded)
        ));
        // Keys alone do not name a server.
        assert!(matches!(resolve(None, None, &env(&[]), &file(), &nothing()), Ok(Target::Embedded)));
    }

    #[test]
    fn flags_precede_profiles_and_the_environment() {
        let somewhere = env(&[("BACKEND_ENDPOINT", "https://env.example")]);
        let default = FileConfig { profile: Some("lab".into()), ..file() };
        assert_eq!(
            chosen(Some("https://flag.example"), None, &somewhere, &default).endpoint,
            "https://flag.example"
        );
        assert_eq!(chosen(None, Some("lab"), &somewhere, &file()).endpoint, "https://lab.example");
        assert_eq!(chosen(None, None, &somewhere, &default).endpoint, "https://env.example");
        assert_eq!(chosen(None, None, &env(&[]), &default).endpoint, "https://lab.example");
    }

    #[test]
    fn keys_of_a_profile_go_only_to_its_endpoint() {
        let lab = chosen(None, Some("lab"), &env(&[]), &file());
        assert_eq!((who(&lab), lab.group.as_str()), (("LA", "LS"), "physics"));
        let other = chosen(Some("https://other.example"), Some("lab"), &env(&[]), &file());
        assert_eq!((who(&other), other.group.as_str()), (("A", "S"), "default"));
    }

    #[test]
    fn mistakes_are_reported() {
        let none = Environment::of(&[]);
        let problem = |flag: Option<&str>, profile: Option<&str>, env: &Environment| {
            resolve(flag, profile, env, &file(), &nothing()).unwrap_err().to_string()
        };
        assert!(problem(Some("api.example.com"), None, &env(&[])).contains("https://"));
        assert!(problem(Some("https://x.example"), None, &none).contains("BACKEND_ACCESS_KEY"));
        let unknown = problem(None, Some("nope"), &none);
        assert!(unknown.contains("nope") && unknown.contains("it has lab"), "{unknown}");
        let docker = env(&[("BACKEND_ENDPOINT", "https://x.example"), ("BACKEND_ENDPOINT_TYPE", "docker")]);
        assert!(problem(None, None, &docker).contains("docker"));
        let web = env(&[("BACKEND_ENDPOINT", "https://x.example"), ("BACKEND_ENDPOINT_TYPE", "session")]);
        assert!(problem(None, None, &web).contains("bai-repl login https://x.example"));
        let slow = env(&[("BACKEND_ENDPOINT", "https://x.example"), ("BACKEND_READ_TIMEOUT", "soon")]);
        assert!(problem(None, None, &slow).contains("READ_TIMEOUT"));
    }

    #[test]
    fn the_last_login_is_the_default_endpoint() {
        let folder = tempfile::tempdir().unwrap();
        let saved = KnownLogins { logins: Logins::in_folder(folder.path()), ..nothing() };
        saved.logins.keep(&cookie("https://web.example", None)).unwrap();
        let none = Environment::of(&[]);
        let web = cluster(None, None, &none, &FileConfig::default(), &saved);
        assert_eq!((web.endpoint.as_str(), who(&web)), ("https://web.example", ("cookie", "c00kie")));
        let local = resolve(Some(LOCAL), None, &none, &FileConfig::default(), &saved);
        assert!(matches!(local, Ok(Target::Embedded)));
        let elsewhere = env(&[("BACKEND_ENDPOINT", "https://env.example")]);
        assert_eq!(who(&cluster(None, None, &elsewhere, &file(), &saved)), ("A", "S"));
        // Keys of another endpoint do not take precedence over the login at this one.
        assert_eq!(
            who(&cluster(Some("https://web.example/"), None, &elsewhere, &file(), &saved)).0,
            "cookie"
        );
        assert_eq!(who(&cluster(Some("https://web.example/"), None, &env(&[]), &file(), &saved)).0, "A");
    }

    #[test]
    fn an_expired_login_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let saved = KnownLogins { logins: Logins::in_folder(folder.path()), ..nothing() };
        saved.logins.keep(&cookie("https://web.example", Some(9))).unwrap();
        let ended = resolve(None, None, &Environment::of(&[]), &FileConfig::default(), &saved).unwrap_err();
        assert!(ended.to_string().contains("has ended; run: bai-repl login https://web.example"), "{ended}");
    }

    #[test]
    fn a_profile_takes_its_secret_from_the_login_that_was_made_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let saved = KnownLogins { logins: Logins::in_folder(folder.path()), ..nothing() };
        let secret_key = "kept".to_owned().into();
        let credentials = StoredCredentials::Keypair { access_key: "LA".into(), secret_key };
        let login = Login { endpoint: "https://lab.example".into(), credentials, since: 1, until: None };
        saved.logins.keep(&login).unwrap();
        let mut file = file();
        file.profiles.get_mut("lab").unwrap().secret_key = None;
        assert_eq!(who(&cluster(None, Some("lab"), &env(&[]), &file, &saved)), ("LA", "kept"));
        file.profiles.get_mut("lab").unwrap().access_key = Some("other".into());
        assert_eq!(who(&cluster(None, Some("lab"), &env(&[]), &file, &saved)), ("other", "S"));
    }

    #[test]
    fn no_secret_is_shown() {
        let cluster = chosen(None, Some("lab"), &env(&[]), &file());
        assert!(!format!("{cluster:?}").contains("LS"));
    }
}
