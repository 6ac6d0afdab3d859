//! The configuration file, `config.toml`: every key has a default, an unknown key is an error that names it.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What can be in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileConfig {
    /// Name of the theme; `None` chooses by the terminal's background.
    pub theme: Option<String>,
    /// Keys of the editor.
    pub edit_mode: EditMode,
    /// The key that leaves the terminal and begins its commands, such as `Ctrl-]`.
    pub prefix_key: Option<String>,
    /// Whether Python kernels of clusters get the prelude, which gives them completion and rich output; they do when
    /// nothing is said.
    pub prelude: Option<bool>,
    /// Whether secrets of logins are kept in the keyring of the system where one answers; they are when nothing is said.
    pub keyring: Option<bool>,
    /// What is known about the terminal without asking it.
    pub terminal: TerminalConfig,
    /// Pictures.
    pub media: MediaConfig,
    /// How output is shown.
    pub output: OutputConfig,
    /// The profile that is used when the command line names none.
    pub profile: Option<String>,
    /// Clusters by name.
    pub profiles: BTreeMap<String, Profile>,
}

/// What is known about the terminal without asking it; each value counts more than the terminal's own answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TerminalConfig {
    /// The means by which pictures are drawn, such as `sixel`; `auto` is what the terminal proves to have.
    pub graphics: Option<String>,
    /// A character cell in pixels, such as `10x20`.
    pub cell: Option<String>,
    /// The background, such as `#1e1e2e`.
    pub background: Option<String>,
    /// Whether the terminal is asked at all; it is by default.
    pub ask: Option<bool>,
}

/// Pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaConfig {
    /// Most rows that a picture takes; the window is a limit in any case.
    pub max_rows: Option<u16>,
    /// The folder in which every picture is saved.
    pub dir: Option<PathBuf>,
}

/// How output is shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputConfig {
    /// Of longer output of a cell only so many lines are shown; the rest is for `:output`. 0 shows all.
    pub max_lines: usize,
    /// Whether links are sent (OSC 8); nothing sends them to terminals that are known to show them.
    pub links: Option<bool>,
}

impl Default for OutputConfig {
    fn default() -> Self {
        OutputConfig { max_lines: 1_000, links: None }
    }
}

/// Keys of the editor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EditMode {
    /// As in bash.
    #[default]
    Emacs,
    /// As in vi.
    Vi,
}

/// What answers at an endpoint, in the official client's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointType {
    /// A manager: each request is signed with a key pair.
    #[default]
    Api,
    /// A web server: one logs in with a password.
    Session,
}

/// A cluster and who one is there.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// URL of the manager, or of a web server; several may be given with commas between.
    pub endpoint: String,
    /// Whether it is a manager, to which requests are signed, or a web server, to which one logs in.
    pub endpoint_type: EndpointType,
    /// Name that one logs in with.
    pub user: Option<String>,
    /// Access key.
    pub access_key: Option<String>,
    /// Secret key. `login` keeps it, in the keyring or in a file of its own, so that it need not stand here.
    pub secret_key: Option<String>,
    /// Domain.
    pub domain: Option<String>,
    /// Project.
    pub group: Option<String>,
    /// Whether certificates are left unchecked.
    pub insecure: bool,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is there and cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it should be. The message names line and column.
    #[error("{} is not a valid configuration: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        message: String,
    },
    /// It has a secret in it and others may read it.
    #[error("{} holds a secret and other users may read it; run: chmod 600 {}", path.display(), path.display())]
    Readable {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A cookie jar that is not JSON.
    #[error("{} was written by an older client, in a form that is not safe to read; log in again", path.display())]
    ForeignJar {
        /// The file.
        path: PathBuf,
    },
    /// A web server that one has not logged in to.
    #[error("you are not logged in to {endpoint}; run: bai-repl login {endpoint}")]
    NotLoggedIn {
        /// The endpoint.
        endpoint: String,
    },
    /// A login whose secret is in the keyring, which keeps it to itself.
    #[error(
        "the system keyring does not give the secret of the login at {endpoint}; unlock it, or run: bai-repl login {endpoint}"
    )]
    NotInKeyring {
        /// The endpoint.
        endpoint: String,
    },
    /// A login that has reached its end.
    #[error("the login at {endpoint} has ended; run: bai-repl login {endpoint}")]
    LoginEnded {
        /// The endpoint.
        endpoint: String,
    },
    /// A type of endpoint that there is not.
    #[error("BACKEND_ENDPOINT_TYPE should be api or session, not \"{0}\"")]
    EndpointType(String),
    /// A profile was named that is not there.
    #[error("there is no profile \"{name}\" in the configuration; {}", known_profiles(known))]
    NoProfile {
        /// Its name.
        name: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// The endpoint is not a URL.
    #[error("\"{0}\" is not an endpoint; one looks like https://api.example.com")]
    Endpoint(String),
    /// An endpoint without a key.
    #[error(
        "the endpoint {endpoint} needs {missing}; set it in the environment or in the configuration file, or run: bai-repl login {endpoint}"
    )]
    NoKey {
        /// The endpoint.
        endpoint: String,
        /// The variable to set.
        missing: &'static str,
    },
    /// A number was expected.
    #[error("{name} should be a number of seconds, not \"{value}\"")]
    Number {
        /// The variable.
        name: &'static str,
        /// Its text.
        value: String,
    },
}

fn known_profiles(known: &[String]) -> String {
    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) }
}

/// A configuration larger than this is a mistake.
const SIZE_LIMIT: u64 = 1 << 20;

impl FileConfig {
    /// Reads the file; one that is not there is the default.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(FileConfig::default()),
            Err(e) => return Err(failed(e)),
        };
        if metadata.len() > SIZE_LIMIT {
            return Err(failed(io::Error::other("it is larger than 1 MiB")));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let config =
            Self::parse(&text).map_err(|message| ConfigError::Invalid { path: path.to_owned(), message })?;
        let has_secret = config.profiles.values().any(|profile| profile.secret_key.is_some());
        if has_secret && metadata.permissions().mode() & 0o077 != 0 {
            return Err(ConfigError::Readable { path: path.to_owned() });
        }
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            // The whole error shows the offending line, which may hold a secret: only place and reason are told.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            format!("line {line}: {}", error.message())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_configuration() {
        assert_eq!(FileConfig::parse(""), Ok(FileConfig::default()));
        assert_eq!(FileConfig::read(Path::new("/nonexistent/config.toml")).unwrap(), FileConfig::default());
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = "theme = \"light\"\nedit_mode = \"vi\"\nprofile = \"lab\"\n[profiles.lab]\nendpoint = \"https://x\"\naccess_key = \"A\"\n";
        let config = FileConfig::parse(text).unwrap();
        assert_eq!((config.edit_mode, config.theme.as_deref()), (EditMode::Vi, Some("light")));
        assert_eq!(config.profiles["lab"].access_key.as_deref(), Some("A"));
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_without_the_line_itself() {
        let message =
            FileConfig::parse("theme = \"x\"\n[profiles.lab]\nsecret_kee = \"hush\"\n").unwrap_err();
        assert!(message.starts_with("line 3: ") && message.contains("secret_kee"), "{message}");
        let message = FileConfig::parse("\n[profiles.lab]\nsecret_key = [\"hush\"]\n").unwrap_err();
        assert!(message.starts_with("line 3: ") && !message.contains("hush"), "{message}");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "[profiles.lab]\nendpoint = \"https://x\"\nsecret_key = \"hush\"\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(FileConfig::read(&path), Err(ConfigError::Readable { .. })));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let config = FileConfig::read(&path).unwrap();
        assert!(!format!("{config:?}").contains("hush"));
    }
}
