//! The logins that `login` stores: for each endpoint a file that only its owner may read, with the user's identity there.
//! The secret is in the system keyring, or in that file if no keyring answers.

use super::{ConfigError, Keyring, trusted};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A login at one endpoint. Debug shows no secret.
#[derive(Debug, Clone)]
pub struct Login {
    /// The endpoint as the user gave it, without a trailing slash.
    pub endpoint: String,
    /// The credentials for requests.
    pub credentials: StoredCredentials,
    /// Time of the login, in seconds since 1970.
    pub since: u64,
    /// Time of its latest expiry, in seconds since 1970, if the server reported it.
    pub until: Option<u64>,
}

/// The credentials of a saved login.
#[derive(Debug, Clone)]
pub enum StoredCredentials {
    /// The cookie of a web server.
    WebSession {
        /// User name.
        user: String,
        /// Value of the cookie.
        session_id: SecretString,
    },
    /// A key pair.
    Keypair {
        /// Access key.
        access_key: String,
        /// Secret key.
        secret_key: SecretString,
    },
}

impl StoredCredentials {
    /// The user name or access key, for display.
    pub fn who(&self) -> &str {
        match self {
            StoredCredentials::WebSession { user, .. } => user,
            StoredCredentials::Keypair { access_key, .. } => access_key,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct LoginFile {
    endpoint: String,
    kind: LoginKind,
    who: String,
    /// `None` if it is in the keyring.
    secret: Option<String>,
    since: u64,
    until: Option<u64>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum LoginKind {
    Session,
    Keypair,
}

/// The place where the secret of a login is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPlace {
    /// In the keyring of the system.
    Keyring,
    /// In the login's file.
    File,
}

/// The folder of logins.
#[derive(Debug, Clone)]
pub struct Logins {
    folder: PathBuf,
    keyring: Option<Keyring>,
}

impl Logins {
    /// The logins in this folder, which need not exist. The secrets are in the same files.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Logins { folder: folder.into(), keyring: None }
    }

    /// Stores the secrets in a keyring, if one is given and accepts them.
    pub fn with_keyring(self, keyring: Option<Keyring>) -> Self {
        Logins { keyring, ..self }
    }

    /// Returns the login at this endpoint, if there is one. Waits for a locked keyring.
    ///
    /// # Errors
    /// When its file cannot be read, or other users may read it; [`ConfigError::NotInKeyring`] when the keyring does not
    /// return the secret.
    pub fn find(&self, endpoint: &str) -> Result<Option<Login>, ConfigError> {
        let found = read(&self.file(endpoint))?;
        let Some(found) = found.filter(|found| same_endpoint(&found.endpoint, endpoint)) else {
            return Ok(None);
        };
        let secret = match found.secret {
            Some(secret) => SecretString::from(secret),
            None => {
                let secret = self.keyring.and_then(|keyring| keyring.find(&normal(endpoint)));
                secret.ok_or_else(|| ConfigError::NotInKeyring { endpoint: found.endpoint.clone() })?
            }
        };
        let credentials = match found.kind {
            LoginKind::Session => StoredCredentials::WebSession { user: found.who, session_id: secret },
            LoginKind::Keypair => StoredCredentials::Keypair { access_key: found.who, secret_key: secret },
        };
        Ok(Some(Login { endpoint: found.endpoint, credentials, since: found.since, until: found.until }))
    }

    /// The endpoint of the latest login: the default endpoint.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read, or other users may read it.
    pub fn newest(&self) -> Result<Option<String>, ConfigError> {
        let failed = |source| ConfigError::Read { path: self.folder.clone(), source };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut newest: Option<LoginFile> = None;
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let login = read(&path)?;
            newest = newest.into_iter().chain(login).max_by_key(|login| login.since);
        }
        Ok(newest.map(|login| login.endpoint))
    }

    /// Stores a login, replaces an older one at the same endpoint, and returns the place of its secret.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, login: &Login) -> Result<SecretPlace, ConfigError> {
        let (kind, secret) = match &login.credentials {
            StoredCredentials::WebSession { session_id, .. } => (LoginKind::Session, session_id),
            StoredCredentials::Keypair { secret_key, .. } => (LoginKind::Keypair, secret_key),
        };
        let who = login.credentials.who();
        let in_keyring = self.keyring.is_some_and(|k| k.keep(&normal(&login.endpoint), who, secret));
        let on_disk = LoginFile {
            endpoint: login.endpoint.clone(),
            kind,
            who: who.to_owned(),
            secret: (!in_keyring).then(|| secret.expose_secret().to_owned()),
            since: login.since,
            until: login.until,
        };
        let path = self.file(&login.endpoint);
        let written = serde_json::to_vec_pretty(&on_disk).map_err(io::Error::from);
        let written = written.and_then(|text| bai_private::replace_file(&path, &text));
        written.map_err(|source| ConfigError::Write { path, source })?;
        Ok(if in_keyring { SecretPlace::Keyring } else { SecretPlace::File })
    }

    /// Deletes the login at this endpoint. Returns whether there was one.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(&self, endpoint: &str) -> Result<bool, ConfigError> {
        let path = self.file(endpoint);
        // An unreadable file can still be removed.
        let in_keyring = read(&path).ok().flatten().is_some_and(|found| found.secret.is_none());
        if let Some(keyring) = self.keyring.filter(|_| in_keyring) {
            keyring.forget(&normal(endpoint));
        }
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(ConfigError::Write { path, source }),
        }
    }

    /// The file of an endpoint. Its name is only a readable key: the file contains the endpoint itself.
    fn file(&self, endpoint: &str) -> PathBuf {
        let plain = normal(endpoint).to_ascii_lowercase();
        let short = plain.strip_prefix("https://").unwrap_or(&plain);
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
        let name: String = short.chars().map(safe).take(180).collect();
        self.folder.join(format!("{name}.json"))
    }
}

/// Reads a login file. A file of another version counts as absent: the next `login` replaces it.
fn read(path: &Path) -> Result<Option<LoginFile>, ConfigError> {
    let Some(text) = trusted::read_secret(path)? else { return Ok(None) };
    Ok(serde_json::from_str(&text).ok())
}

/// Whether two texts name the same endpoint. A trailing slash and the case of the host do not matter.
pub(super) fn same_endpoint(a: &str, b: &str) -> bool {
    normal(a) == normal(b)
}

/// The normal form of an endpoint, for comparison and storage.
pub fn normal(endpoint: &str) -> String {
    let parts = endpoint.split(',').map(|part| {
        let part = part.trim();
        url::Url::parse(part).map_or_else(|_| part.to_owned(), String::from).trim_end_matches('/').to_owned()
    });
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(endpoint: &str, since: u64) -> Login {
        let credentials = StoredCredentials::WebSession {
            user: "ann@x.example".into(),
            session_id: "c00kie".to_owned().into(),
        };
        Login { endpoint: endpoint.into(), credentials, since, until: Some(9) }
    }

    #[test]
    fn a_login_is_found_at_its_endpoint_only_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let logins = Logins::in_folder(folder.path().join("logins"));
        assert!(logins.find("https://a.example").unwrap().is_none());
        assert!(logins.newest().unwrap().is_none());
        logins.keep(&login("https://a.example", 1)).unwrap();
        logins.keep(&login("http://a.example:8080/x", 3)).unwrap();
        logins.keep(&login("https://b.example", 2)).unwrap();
        let found = logins.find("https://A.example/").unwrap().unwrap();
        let StoredCredentials::WebSession { user, session_id } = &found.credentials else {
            panic!("{found:?}")
        };
        assert_eq!(
            (user.as_str(), session_id.expose_secret(), found.until),
            ("ann@x.example", "c00kie", Some(9))
        );
        assert!(!format!("{found:?}").contains("c00kie"));
        // The scheme and the port are part of an endpoint.
        assert!(logins.find("http://a.example").unwrap().is_none());
        assert!(logins.find("https://a.example:444").unwrap().is_none());
        assert_eq!(logins.newest().unwrap().unwrap(), "http://a.example:8080/x");
        assert!(logins.forget("http://a.example:8080/x").unwrap());
        assert!(!logins.forget("http://a.example:8080/x").unwrap());
        assert_eq!(logins.newest().unwrap().unwrap(), "https://b.example");
    }

    #[test]
    fn two_endpoints_with_one_file_name_stay_separate() {
        let folder = tempfile::tempdir().unwrap();
        let logins = Logins::in_folder(folder.path());
        logins.keep(&login("https://a.example/x_y", 1)).unwrap();
        assert!(logins.find("https://a.example/x/y").unwrap().is_none());
    }
}
