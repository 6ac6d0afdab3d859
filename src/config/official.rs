//! The files of the official client (`docs/wire` §1.3): the configuration and credentials of its second command line,
//! and the cookie jars that its two `login` commands write. This program reads them and never writes them.

use super::{ConfigError, Environment, trusted};
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The places of the official client's files.
#[derive(Debug, Clone)]
pub struct OfficialFiles {
    home: PathBuf,
    state: PathBuf,
    profile: Option<String>,
}

/// The official client's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OfficialConfig {
    pub(super) endpoint: String,
    /// Whether the endpoint is a web server with a login.
    pub(super) is_session: bool,
    pub(super) insecure: bool,
}

#[derive(Deserialize, Default)]
struct Document<T> {
    #[serde(rename = "backend-ai")]
    table: Option<T>,
}

#[derive(Deserialize, Default)]
struct ConfigTable {
    endpoint: Option<String>,
    endpoint_type: Option<String>,
    skip_ssl_verification: Option<bool>,
}

#[derive(Deserialize, Default)]
struct CredentialsTable {
    access_key: Option<String>,
    secret_key: Option<String>,
}

#[derive(Deserialize)]
struct Cookie {
    value: String,
    #[serde(default)]
    expires_timestamp: Option<f64>,
}

impl OfficialFiles {
    /// The files below the user's home folder and the XDG state folder. `BACKEND_PROFILE` selects the profile, as in that
    /// client.
    pub fn below(home: impl Into<PathBuf>, state: impl Into<PathBuf>, env: &Environment) -> Self {
        OfficialFiles {
            home: home.into().join(".backend.ai"),
            state: state.into().join("backend.ai"),
            profile: env.backend("PROFILE"),
        }
    }

    /// The configuration of its second command line; `None` unless the file names an endpoint.
    pub(super) fn configured(&self) -> Result<Option<OfficialConfig>, ConfigError> {
        let path = self.folder()?.join("config.toml");
        let Some(found) = trusted::read(&path)? else { return Ok(None) };
        let table: ConfigTable = table(&path, &found.content)?;
        Ok(table.endpoint.map(|endpoint| OfficialConfig {
            endpoint,
            is_session: table.endpoint_type.as_deref() == Some("session"),
            insecure: table.skip_ssl_verification == Some(true),
        }))
    }

    /// The key pair of its second command line.
    pub(super) fn keypair(&self) -> Result<Option<(String, SecretString)>, ConfigError> {
        let path = self.folder()?.join("credentials.toml");
        let Some(text) = trusted::read_secret(&path)? else { return Ok(None) };
        let table: CredentialsTable = table(&path, &text)?;
        Ok(table.access_key.zip(table.secret_key.map(SecretString::from)))
    }

    /// The cookie for an endpoint, from one of its two `login` commands.
    pub(super) fn cookie(&self, endpoint: &str, now: f64) -> Result<Option<SecretString>, ConfigError> {
        let Some(host) = host_of(endpoint) else { return Ok(None) };
        for path in [self.folder()?.join("session/cookie.dat"), self.state.join("cookie.dat")] {
            let Some(found) = jar(&path, &host, now)? else { continue };
            return Ok(Some(found));
        }
        Ok(None)
    }

    fn folder(&self) -> Result<PathBuf, ConfigError> {
        let name = match &self.profile {
            Some(name) => Some(name.clone()),
            None => trusted::read(&self.home.join("current-profile"))?.map(|found| found.content),
        };
        // A name is a single path component: it cannot lead out of the folder.
        let good = |name: &&str| !name.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.');
        Ok(match name.as_deref().map(str::trim).filter(good) {
            Some(name) => self.home.join("profiles").join(name),
            None => self.home.clone(),
        })
    }
}

fn host_of(endpoint: &str) -> Option<String> {
    let first = endpoint.split(',').next()?;
    Some(url::Url::parse(first.trim()).ok()?.host_str()?.to_owned())
}

fn table<T: serde::de::DeserializeOwned + Default>(path: &Path, text: &str) -> Result<T, ConfigError> {
    let document: Document<T> = toml::from_str(text).map_err(|error| {
        // The full error contains the line, which may hold a secret.
        ConfigError::Invalid { path: path.to_owned(), message: error.message().to_owned() }
    })?;
    Ok(document.table.unwrap_or_default())
}

/// The web server's cookie for exactly this host in a jar. A jar of an older client is a Python pickle, which is a program
/// and must not be run.
fn jar(path: &Path, host: &str, now: f64) -> Result<Option<SecretString>, ConfigError> {
    if !path.exists() {
        return Ok(None);
    }
    let foreign = || ConfigError::ForeignJar { path: path.to_owned() };
    let text = match trusted::read_secret(path) {
        Ok(text) => text.unwrap_or_default(),
        Err(ConfigError::Read { source, .. }) if source.kind() == std::io::ErrorKind::InvalidData => {
            return Err(foreign());
        }
        Err(error) => return Err(error),
    };
    cookie_in(&text, host, now).map_err(|_| foreign())
}

/// The web server's cookie for exactly this host in the text of a jar.
pub(super) fn cookie_in(text: &str, host: &str, now: f64) -> serde_json::Result<Option<SecretString>> {
    let jar: BTreeMap<String, BTreeMap<String, Cookie>> = serde_json::from_str(text)?;
    let of_host = jar.iter().filter(|(key, _)| key.split('|').next() == Some(host));
    let mut cookies = of_host.filter_map(|(_, cookies)| cookies.get("AIOHTTP_SESSION"));
    let alive = |cookie: &&Cookie| cookie.expires_timestamp.is_none_or(|end| end > now);
    Ok(cookies.find(alive).map(|cookie| SecretString::from(cookie.value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    const JAR: &str = r#"{"127.0.0.1|/": {"AIOHTTP_SESSION": {"key": "AIOHTTP_SESSION", "value": "c0ffee", "coded_value": "c0ffee",
        "path": "/", "httponly": true, "host_only": true, "expires_timestamp": 2000.5}}}"#;

    struct Files {
        root: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Files { root: tempfile::tempdir().unwrap() }
        }

        fn official(&self, env: &[(&str, &str)]) -> OfficialFiles {
            OfficialFiles::below(self.root.path(), self.root.path().join("state"), &Environment::of(env))
        }

        fn put(&self, name: &str, text: impl AsRef<[u8]>) {
            bai_private::replace_file(&self.root.path().join(name), text.as_ref()).unwrap();
        }
    }

    #[test]
    fn configuration_and_credentials_are_read() {
        let files = Files::new();
        assert_eq!(files.official(&[]).configured().unwrap(), None);
        assert!(files.official(&[]).keypair().unwrap().is_none());
        files.put(
            ".backend.ai/config.toml",
            "[backend-ai]\nendpoint = \"https://x\"\nendpoint_type = \"session\"\n",
        );
        files.put(".backend.ai/credentials.toml", "[backend-ai]\naccess_key = \"A\"\nsecret_key = \"S\"\n");
        let configured = files.official(&[]).configured().unwrap().unwrap();
        assert_eq!(
            (configured.endpoint.as_str(), configured.is_session, configured.insecure),
            ("https://x", true, false)
        );
        let (access_key, secret_key) = files.official(&[]).keypair().unwrap().unwrap();
        assert_eq!((access_key.as_str(), secret_key.expose_secret()), ("A", "S"));
    }

    #[test]
    fn its_profile_is_chosen_as_the_official_client_does() {
        let files = Files::new();
        files.put(".backend.ai/config.toml", "[backend-ai]\nendpoint = \"https://none\"\n");
        files.put(".backend.ai/profiles/lab/config.toml", "[backend-ai]\nendpoint = \"https://lab\"\n");
        let endpoint = |env: &[(&str, &str)]| files.official(env).configured().unwrap().map(|c| c.endpoint);
        assert_eq!(endpoint(&[]).as_deref(), Some("https://none"));
        assert_eq!(endpoint(&[("BACKEND_PROFILE", "lab")]).as_deref(), Some("https://lab"));
        assert_eq!(endpoint(&[("BACKEND_PROFILE", "../lab")]).as_deref(), Some("https://none"));
        files.put(".backend.ai/current-profile", "lab\n");
        assert_eq!(endpoint(&[]).as_deref(), Some("https://lab"));
    }

    #[test]
    fn a_cookie_is_sent_to_its_own_host_until_it_expires() {
        let files = Files::new();
        files.put("state/backend.ai/cookie.dat", JAR);
        let cookie = |endpoint: &str, now: f64| {
            files.official(&[]).cookie(endpoint, now).unwrap().map(|id| id.expose_secret().to_owned())
        };
        assert_eq!(cookie("http://127.0.0.1:8090/", 2000.0).as_deref(), Some("c0ffee"));
        assert_eq!(cookie("http://127.0.0.1:8090/", 2001.0), None);
        assert_eq!(cookie("http://127.0.0.2", 0.0), None);
        assert_eq!(cookie("http://evil.example/127.0.0.1", 0.0), None);
    }

    #[test]
    fn a_pickle_is_never_opened() {
        let files = Files::new();
        for pickle in [&b"\x80\x04\x95"[..], b"cos\nsystem\n(S'id'\ntR.", b"{}}"] {
            files.put(".backend.ai/session/cookie.dat", pickle);
            let error = files.official(&[]).cookie("http://h", 0.0).unwrap_err();
            assert!(matches!(error, ConfigError::ForeignJar { .. }), "{error}");
        }
    }
}
