//! Which server is meant: flags, then the environment, then a profile, then the engine in this binary.

use super::{ConfigError, Environment, FileConfig, Profile};
use secrecy::SecretString;
use std::time::Duration;

/// Where sessions live.
#[derive(Debug)]
pub enum Target {
    /// The engine in this binary.
    Embedded,
    /// A cluster.
    Cluster(Cluster),
}

/// A cluster and who one is there. Debug shows no secret.
#[derive(Debug)]
pub struct Cluster {
    /// URL, or several with commas between.
    pub endpoint: String,
    /// Access key; nothing for anonymous requests.
    pub access_key: Option<String>,
    /// Secret key.
    pub secret_key: SecretString,
    /// Domain, `default` unless said otherwise.
    pub domain: String,
    /// Project, `default` unless said otherwise.
    pub group: String,
    /// Whether certificates are left unchecked.
    pub insecure: bool,
    /// Limit on the time that a connection takes to stand.
    pub connect_timeout: Duration,
    /// Limit on the time between two reads; nothing is none.
    pub read_timeout: Option<Duration>,
}

/// Decides by `--endpoint` and `--profile`, the environment and the file, in this order.
pub fn resolve(
    flag: Option<&str>,
    profile: Option<&str>,
    env: &Environment,
    file: &FileConfig,
) -> Result<Target, ConfigError> {
    let named = match profile.or(file.profile.as_deref()) {
        Some(name) => {
            let found = file.profiles.get(name);
            Some(found.ok_or_else(|| ConfigError::NoProfile { name: name.to_owned() })?)
        }
        None => None,
    };
    // A profile that the command line names is nearer than the environment; one that the file names is not.
    let explicit = if profile.is_some() { named } else { None };
    let endpoint = flag.map(str::to_owned).or_else(|| explicit.map(|p| p.endpoint.clone()));
    let endpoint = endpoint.or_else(|| env.backend("ENDPOINT")).or_else(|| named.map(|p| p.endpoint.clone()));
    let Some(endpoint) = endpoint else { return Ok(Target::Embedded) };
    cluster(endpoint, named, env).map(Target::Cluster)
}

fn cluster(endpoint: String, profile: Option<&Profile>, env: &Environment) -> Result<Cluster, ConfigError> {
    check(&endpoint)?;
    let profile = profile.filter(|p| p.endpoint == endpoint);
    let of_profile = |pick: fn(&Profile) -> &Option<String>| profile.and_then(|p| pick(p).clone());
    let missing = |missing| ConfigError::NoKey { endpoint: endpoint.clone(), missing };
    let access_key = of_profile(|p| &p.access_key).or_else(|| env.backend("ACCESS_KEY"));
    let secret_key = of_profile(|p| &p.secret_key).or_else(|| env.backend("SECRET_KEY"));
    let access_key = access_key.ok_or_else(|| missing("BACKEND_ACCESS_KEY"))?;
    let secret_key = secret_key.ok_or_else(|| missing("BACKEND_SECRET_KEY"))?;
    let or_default = |value: Option<String>| value.unwrap_or_else(|| "default".to_owned());
    Ok(Cluster {
        access_key: Some(access_key),
        secret_key: SecretString::from(secret_key),
        domain: or_default(of_profile(|p| &p.domain).or_else(|| env.backend("DOMAIN"))),
        group: or_default(of_profile(|p| &p.group).or_else(|| env.backend("GROUP"))),
        insecure: profile.is_some_and(|p| p.insecure) || env.backend_flag("SKIP_SSLCERT_VALIDATION"),
        connect_timeout: seconds(env, "CONNECTION_TIMEOUT")?.unwrap_or(Duration::from_secs(10)),
        read_timeout: seconds(env, "READ_TIMEOUT")?.filter(|limit| !limit.is_zero()),
        endpoint,
    })
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
    let parsed = value.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    parsed.map(Some).ok_or(ConfigError::Number { name, value })
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

    fn chosen(flag: Option<&str>, profile: Option<&str>, env: &Environment, file: &FileConfig) -> Cluster {
        match resolve(flag, profile, env, file).unwrap() {
            Target::Cluster(cluster) => cluster,
            Target::Embedded => panic!("the engine was chosen"),
        }
    }

    #[test]
    fn nothing_configured_is_the_engine() {
        let none = Environment::of(&[]);
        assert!(matches!(resolve(None, None, &none, &FileConfig::default()), Ok(Target::Embedded)));
        // Keys alone name no server.
        assert!(matches!(resolve(None, None, &env(&[]), &file()), Ok(Target::Embedded)));
    }

    #[test]
    fn the_nearer_word_counts() {
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
        assert_eq!(
            (lab.access_key.as_deref(), lab.secret_key.expose_secret(), lab.group.as_str()),
            (Some("LA"), "LS", "physics")
        );
        let other = chosen(Some("https://other.example"), Some("lab"), &env(&[]), &file());
        assert_eq!(
            (other.access_key.as_deref(), other.secret_key.expose_secret(), other.group.as_str()),
            (Some("A"), "S", "default")
        );
    }

    #[test]
    fn mistakes_are_told() {
        let none = Environment::of(&[]);
        let problem = |flag: Option<&str>, profile: Option<&str>, env: &Environment| {
            resolve(flag, profile, env, &file()).unwrap_err().to_string()
        };
        assert!(problem(Some("api.example.com"), None, &env(&[])).contains("https://"));
        assert!(problem(Some("https://x.example"), None, &none).contains("BACKEND_ACCESS_KEY"));
        assert!(problem(None, Some("nope"), &none).contains("nope"));
        let slow = env(&[("BACKEND_ENDPOINT", "https://x.example"), ("BACKEND_READ_TIMEOUT", "soon")]);
        assert!(problem(None, None, &slow).contains("READ_TIMEOUT"));
    }

    #[test]
    fn no_secret_is_shown() {
        let cluster = chosen(None, Some("lab"), &env(&[]), &file());
        assert!(!format!("{cluster:?}").contains("LS"));
    }
}
