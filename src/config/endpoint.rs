//! The choice of the server. The order of precedence: flags, the environment, a `.env` file, a profile, the last login, the official
//! client's files, the engine in this binary. The user's identity there is chosen in `identity`.

use super::environment::VariablesAt;
use super::identity::{Identity, KnownLogins, Sources};
use super::logins::same_endpoint;
use super::source::Source;
use super::{ConfigError, Environment, FileConfig, Profile, normal};
use std::time::Duration;

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
    let chosen = chosen(flag, profile, env, file, saved)?;
    let Some(sources) = chosen.sources(env, saved)? else { return Ok(Target::Embedded) };
    sources.cluster(env.backend_flag("SKIP_SSLCERT_VALIDATION")).map(Target::Cluster)
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
    Ok(chosen(flag, profile, env, file, saved)?.endpoint)
}

/// The choice of a server.
pub(super) struct Chosen<'a> {
    /// Its endpoint; `None` for the engine in this binary.
    pub(super) endpoint: Option<String>,
    /// What chose it.
    pub(super) source: Source,
    /// The name and the settings of a profile, if one is of this endpoint.
    profile: Option<(&'a str, &'a Profile)>,
}

impl<'a> Chosen<'a> {
    /// What decides the identity there; `None` for the engine in this binary.
    pub(super) fn sources(
        &'a self,
        env: &'a Environment,
        saved: &'a KnownLogins,
    ) -> Result<Option<Sources<'a>>, ConfigError> {
        let Some(endpoint) = &self.endpoint else { return Ok(None) };
        Ok(Some(Sources { endpoint, profile: self.profile, env: env.at(endpoint)?, saved }))
    }
}

pub(super) fn chosen<'a>(
    flag: Option<&str>,
    profile: Option<&'a str>,
    env: &Environment,
    file: &'a FileConfig,
    saved: &KnownLogins,
) -> Result<Chosen<'a>, ConfigError> {
    let (endpoint, source) = named(flag, profile, env, file, saved)?;
    let Some(endpoint) = endpoint.filter(|endpoint| endpoint != LOCAL) else {
        return Ok(Chosen { endpoint: None, source, profile: None });
    };
    check(&endpoint)?;
    let profile = profile_of_endpoint(&endpoint, profile, file)?;
    Ok(Chosen { endpoint: Some(endpoint), source, profile })
}

/// The endpoint that is named nearest, and what names it.
fn named(
    flag: Option<&str>,
    profile: Option<&str>,
    env: &Environment,
    file: &FileConfig,
    saved: &KnownLogins,
) -> Result<(Option<String>, Source), ConfigError> {
    let of_profile = |name: &str| -> Result<_, ConfigError> {
        let endpoint = file.profile_called(name)?.endpoint.clone();
        Ok((Some(endpoint), Source::Profile(name.to_owned())))
    };
    // A mistake in the name of a profile is reported even where a flag decides.
    let explicit = profile.map(of_profile).transpose()?;
    if let Some(flag) = flag {
        return Ok((Some(flag.to_owned()), Source::Flag("--endpoint")));
    }
    // A profile named on the command line takes precedence over the environment; one named in the file does not.
    if let Some(explicit) = explicit {
        return Ok(explicit);
    }
    if let Some(endpoint) = env.endpoint()? {
        return Ok((Some(endpoint), env.source("ENDPOINT")));
    }
    if let Some(name) = file.selected_profile()? {
        return of_profile(name);
    }
    if let Some(endpoint) = saved.logins.newest()? {
        return Ok((Some(endpoint), Source::Login));
    }
    let official = saved.official.configured()?.map(|configured| configured.endpoint);
    let source = if official.is_some() { Source::Official } else { Source::Nothing };
    Ok((official, source))
}

/// The profile that is named, if it is of this endpoint. Only then its settings decide anything.
fn profile_of_endpoint<'a>(
    endpoint: &str,
    profile: Option<&'a str>,
    file: &'a FileConfig,
) -> Result<Option<(&'a str, &'a Profile)>, ConfigError> {
    let Some(name) = profile.or(file.profile.as_deref()) else { return Ok(None) };
    match file.profiles.get(name) {
        Some(found) if same_endpoint(&found.endpoint, endpoint) => {
            Ok(Some((name, file.profile_called(name)?)))
        }
        _ => Ok(None),
    }
}

impl Sources<'_> {
    /// The cluster. `unchecked` is whether the user's environment switches certificate checks off.
    fn cluster(&self, unchecked: bool) -> Result<Cluster, ConfigError> {
        let env = self.env;
        let or_default = |value: Option<String>| value.unwrap_or_else(|| "default".to_owned());
        Ok(Cluster {
            identity: self.identity()?.0,
            domain: or_default(self.of_profile(|p| &p.domain).or_else(|| env.get("DOMAIN"))),
            group: or_default(self.of_profile(|p| &p.group).or_else(|| env.get("GROUP"))),
            insecure: unchecked || self.is_insecure()?,
            connect_timeout: seconds(env, "CONNECTION_TIMEOUT")?.unwrap_or(Duration::from_secs(10)),
            read_timeout: seconds(env, "READ_TIMEOUT")?.filter(|limit| !limit.is_zero()),
            endpoint: normal(self.endpoint),
        })
    }

    fn is_insecure(&self) -> Result<bool, ConfigError> {
        if self.profile.is_some_and(|(_, profile)| profile.insecure) {
            return Ok(true);
        }
        // The official client's setting applies only to the endpoint in the same file.
        let configured = self.saved.official.configured()?;
        Ok(configured.is_some_and(|c| c.insecure && same_endpoint(&c.endpoint, self.endpoint)))
    }
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

fn seconds(env: VariablesAt<'_>, name: &'static str) -> Result<Option<Duration>, ConfigError> {
    let Some(value) = env.get(name) else { return Ok(None) };
    bai_protocol::environment::seconds(&value).map(Some).ok_or(ConfigError::Number { name, value })
}

#[cfg(test)]
mod tests {
    use super::super::{Login, Logins, OfficialFiles, StoredCredentials};
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

    fn no_logins() -> KnownLogins {
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
        cluster(flag, profile, env, file, &no_logins())
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
            resolve(None, None, &none, &FileConfig::default(), &no_logins()),
            Ok(Target::Embedded)
        ));
        // Keys alone do not name a server.
        assert!(matches!(resolve(None, None, &env(&[]), &file(), &no_logins()), Ok(Target::Embedded)));
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
            resolve(flag, profile, env, &file(), &no_logins()).unwrap_err().to_string()
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
        let saved = KnownLogins { logins: Logins::in_folder(folder.path()), ..no_logins() };
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
        let saved = KnownLogins { logins: Logins::in_folder(folder.path()), ..no_logins() };
        saved.logins.keep(&cookie("https://web.example", Some(9))).unwrap();
        let ended = resolve(None, None, &Environment::of(&[]), &FileConfig::default(), &saved).unwrap_err();
        assert!(ended.to_string().contains("has ended; run: bai-repl login https://web.example"), "{ended}");
    }

    #[test]
    fn a_profile_takes_its_secret_from_the_login_that_was_made_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let saved = KnownLogins { logins: Logins::in_folder(folder.path()), ..no_logins() };
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
