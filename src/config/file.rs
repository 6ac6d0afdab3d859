//! The configuration file, `config.toml`: every setting has a default, and one that is wrong counts as not set.

use super::settings::{self, TextRule, WrongSetting};
use super::trusted;
use bai_private::trust::Distrust;
use bai_protocol::byte_text;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The content of the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileConfig {
    /// Name of the theme; if absent, the terminal's background decides.
    pub theme: Option<String>,
    /// Key bindings of the editor.
    pub edit_mode: EditMode,
    /// The key that leaves the terminal pane and starts its commands, such as `Ctrl-]`.
    pub prefix_key: Option<String>,
    /// What programs in the terminal pane may do with the clipboard: `off`, `ask` or `write`. A wrong value counts as `off`.
    pub clipboard: Option<String>,
    /// Whether Python kernels of clusters get the prelude, which adds completion and rich output. The default is true.
    pub prelude: Option<bool>,
    /// Whether the system keyring, if one is available, stores the secrets of logins. The default is true.
    pub keyring: Option<bool>,
    /// Facts about the terminal.
    pub terminal: TerminalConfig,
    /// Pictures.
    pub media: MediaConfig,
    /// How output is shown.
    pub output: OutputConfig,
    /// Python's sessions.
    pub python: PythonConfig,
    /// The profile that is used when the command line names none.
    pub profile: Option<String>,
    /// Clusters by name.
    pub profiles: BTreeMap<String, Profile>,
    /// The settings that are wrong and count as not set.
    #[serde(skip)]
    pub wrong: Vec<WrongSetting>,
}

/// Facts about the terminal. Each value takes precedence over the terminal's own answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TerminalConfig {
    /// The graphics protocol for pictures, such as `sixel`; `auto` selects the best one that the terminal confirms.
    pub graphics: Option<String>,
    /// Size of a character cell in pixels, such as `10x20`.
    pub cell: Option<String>,
    /// Background colour, such as `#1e1e2e`.
    pub background: Option<String>,
    /// Whether the program queries the terminal. The default is true.
    pub ask: Option<bool>,
}

/// Pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaConfig {
    /// Maximum rows of a picture; the window is always a limit.
    pub max_rows: Option<u16>,
    /// The folder in which every picture is saved; a leading `~` is the home folder.
    #[serde(deserialize_with = "local_path")]
    pub dir: Option<PathBuf>,
}

fn local_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(Option::<PathBuf>::deserialize(deserializer)?.map(bai_client::expand_tilde))
}

/// How output is shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutputConfig {
    /// Maximum lines of a cell's output that are shown at once; its last lines, up to 20, follow. `:output` shows all of it.
    /// 0 means no limit.
    pub max_lines: usize,
    /// Whether links (OSC 8) are sent; if absent, only to terminals that are known to support them.
    pub links: Option<bool>,
}

impl Default for OutputConfig {
    fn default() -> Self {
        OutputConfig { max_lines: 1_000, links: None }
    }
}

/// Python's sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PythonConfig {
    /// What runs cells, on our own engine: `auto`, `ipython` or `plain`. The default is `auto`: IPython if the interpreter has it.
    pub shell: Option<String>,
}

/// Key bindings of the editor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EditMode {
    /// The bindings of Emacs, as in bash.
    #[default]
    Emacs,
    /// The bindings of vi.
    Vi,
}

/// The kind of server at an endpoint, in the official client's terms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointType {
    /// A manager: a key pair signs each request.
    #[default]
    Api,
    /// A web server: the user logs in with a password.
    Session,
}

/// A cluster and the user's identity there.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// URL of the manager or web server, or several URLs separated by commas.
    pub endpoint: String,
    /// The kind of server.
    pub endpoint_type: EndpointType,
    /// User name for the login.
    pub user: Option<String>,
    /// Access key.
    pub access_key: Option<String>,
    /// Secret key. It is not needed here after `login`, which stores it in the keyring or in a separate file.
    pub secret_key: Option<String>,
    /// Domain.
    pub domain: Option<String>,
    /// Project.
    pub group: Option<String>,
    /// Whether certificate checks are switched off.
    pub insecure: bool,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// An error of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file exists and cannot be read.
    #[error("cannot read {}: {source}", byte_text::shown_path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file has invalid content.
    #[error("{} is not a valid configuration: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The problem and its line.
        message: String,
    },
    /// A file contains a secret and other users may read it.
    #[error("{} holds a secret and other users may read it; run: chmod 600 {}", path.display(), path.display())]
    Readable {
        /// The file.
        path: PathBuf,
    },
    /// A `.env` file of this user has a server and keys, and other users may write it.
    #[error("{} chooses the server and other users can write it; run: chmod 600 {}", path.display(), path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// Another user can have written a file that decides where code and keys go.
    #[error("{} is not trusted: {why}{}", byte_text::shown_path(path), remedy(*why, path))]
    Distrusted {
        /// The file.
        path: PathBuf,
        /// How another user can have written it.
        why: Distrust,
    },
    /// A `.env` file names the endpoint, and keys are exported.
    #[error(
        "{} names the server, and {variable} is exported: the endpoint and the keys must come from one place; export BACKEND_ENDPOINT too, or unset {variable}",
        path.display()
    )]
    TwoPlaces {
        /// The file.
        path: PathBuf,
        /// The exported variable.
        variable: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A cookie jar is not JSON.
    #[error("{} was written by an older client, in a form that is not safe to read; log in again", path.display())]
    ForeignJar {
        /// The file.
        path: PathBuf,
    },
    /// The user has not logged in to a web server.
    #[error("you are not logged in to {endpoint}; run: bai-repl login {endpoint}")]
    NotLoggedIn {
        /// The endpoint.
        endpoint: String,
    },
    /// The keyring has the secret of a login and does not return it.
    #[error(
        "the system keyring does not give the secret of the login at {endpoint}; unlock it, or run: bai-repl login {endpoint}"
    )]
    NotInKeyring {
        /// The endpoint.
        endpoint: String,
    },
    /// A login has expired.
    #[error("the login at {endpoint} has ended; run: bai-repl login {endpoint}")]
    LoginEnded {
        /// The endpoint.
        endpoint: String,
    },
    /// The type of endpoint is unknown.
    #[error("BACKEND_ENDPOINT_TYPE should be api or session, not \"{0}\"")]
    EndpointType(String),
    /// A setting that decides about the server or the credentials is wrong.
    #[error("{}, in line {} of the configuration file, is wrong; it decides which server or credentials are used", .0.key(), .0.line)]
    Setting(WrongSetting),
    /// The named profile does not exist.
    #[error("there is no profile \"{name}\" in the configuration; {}", known_profiles(known))]
    NoProfile {
        /// Its name.
        name: String,
        /// The names of the existing profiles.
        known: Vec<String>,
    },
    /// The endpoint is not a URL.
    #[error("\"{0}\" is not an endpoint; one looks like https://api.example.com")]
    Endpoint(String),
    /// The key for an endpoint is missing.
    #[error(
        "the endpoint {endpoint} needs {missing}; set it in the environment or in the configuration file, or run: bai-repl login {endpoint}{}",
        of_other_endpoint(unused.as_deref())
    )]
    NoKey {
        /// The endpoint.
        endpoint: String,
        /// The variable to set.
        missing: &'static str,
        /// A `.env` file whose variables are not for this endpoint.
        unused: Option<PathBuf>,
    },
    /// A variable is not a number.
    #[error("{name} should be a number of seconds, not \"{value}\"")]
    Number {
        /// The variable.
        name: &'static str,
        /// Its text.
        value: String,
    },
}

fn remedy(why: Distrust, path: &Path) -> String {
    match why {
        Distrust::Writable => format!("; run: chmod go-w {}", byte_text::shown_path(path)),
        Distrust::Folder => match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => "; run: chmod o-w .".to_owned(),
            Some(folder) => format!("; run: chmod o-w {}", byte_text::shown_path(folder)),
            None => String::new(),
        },
        _ => String::new(),
    }
}

fn of_other_endpoint(unused: Option<&Path>) -> String {
    let sentence =
        |path: &Path| format!(" (the variables in {} are only for the endpoint there)", path.display());
    unused.map(sentence).unwrap_or_default()
}

fn known_profiles(known: &[String]) -> String {
    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) }
}

impl FileConfig {
    /// Reads the file; if it does not exist, returns the default. The rules are for texts whose meaning is not known here.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or holds a secret that others may read; when others may write it.
    pub fn read(path: &Path, rules: &[TextRule]) -> Result<Self, ConfigError> {
        let Some(found) = trusted::read(path)? else { return Ok(FileConfig::default()) };
        let config = Self::parse(&found.content, rules)
            .map_err(|message| ConfigError::Invalid { path: path.to_owned(), message })?;
        let has_secret = config.profiles.values().any(|profile| profile.secret_key.is_some());
        if has_secret && !found.is_closed {
            return Err(ConfigError::Readable { path: path.to_owned() });
        }
        Ok(config)
    }

    pub(super) fn parse(text: &str, rules: &[TextRule]) -> Result<Self, String> {
        let mut document = settings::parse(text)?;
        let wrong = settings::take_wrong(text, document.get_mut(), rules);
        let config = FileConfig::deserialize(toml::Deserializer::from(document));
        let mut config = config.map_err(|error| error.message().to_owned())?;
        if wrong.iter().any(WrongSetting::protects) {
            config.clipboard = FileConfig::unreadable().clipboard;
        }
        Ok(FileConfig { wrong, ..config })
    }

    /// What counts instead of a file that cannot be used: the defaults, except for settings that protect the user. These are as
    /// strict as they can be, because the file may have set them.
    pub fn unreadable() -> Self {
        FileConfig { clipboard: Some(settings::CLIPBOARD_OFF.to_owned()), ..FileConfig::default() }
    }

    /// A profile by its name.
    ///
    /// # Errors
    /// When there is none, or a setting of it is wrong: that would choose another server or other credentials.
    pub(super) fn profile_called(&self, name: &str) -> Result<&Profile, ConfigError> {
        self.check(&["profiles", name])?;
        self.profiles.get(name).ok_or_else(|| ConfigError::NoProfile {
            name: name.to_owned(),
            known: self.profiles.keys().cloned().collect(),
        })
    }

    /// The name of the profile that the file selects.
    ///
    /// # Errors
    /// When the setting is wrong.
    pub(super) fn selected_profile(&self) -> Result<Option<&str>, ConfigError> {
        self.check(&["profile"])?;
        Ok(self.profile.as_deref())
    }

    fn check(&self, path: &[&str]) -> Result<(), ConfigError> {
        let wrong = self.wrong.iter().find(|wrong| wrong.concerns(path));
        wrong.map_or(Ok(()), |wrong| Err(ConfigError::Setting(wrong.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_empty_or_missing_file_is_the_default() {
        assert_eq!(FileConfig::parse("", &[]), Ok(FileConfig::default()));
        assert_eq!(
            FileConfig::read(Path::new("/nonexistent/config.toml"), &[]).unwrap(),
            FileConfig::default()
        );
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = "theme = \"light\"\nedit_mode = \"vi\"\nprofile = \"lab\"\n[profiles.lab]\nendpoint = \"https://x\"\naccess_key = \"A\"\n";
        let config = FileConfig::parse(text, &[]).unwrap();
        assert_eq!((config.edit_mode, config.theme.as_deref()), (EditMode::Vi, Some("light")));
        assert_eq!(config.profiles["lab"].access_key.as_deref(), Some("A"));
    }

    #[test]
    fn a_wrong_clipboard_counts_as_off() {
        let read = |text: &str| FileConfig::parse(text, &[]).unwrap();
        for wrong in [
            "clipboard = \"none\"",
            "clipboard = false",
            "clipboard = \"OFF\"",
            "[terminal]\nclipboard = \"ask\"",
        ] {
            let config = read(wrong);
            assert_eq!((config.clipboard.as_deref(), config.wrong.len()), (Some("off"), 1), "{wrong}");
        }
        assert_eq!(read("clipboard = \"ask\"\n").clipboard.as_deref(), Some("ask"));
        assert_eq!(read("theme = 1\n").clipboard, None);
    }

    #[test]
    fn a_tilde_is_the_home_folder_in_paths() {
        let config = FileConfig::parse("[media]\ndir = \"~/pics dir\"\n", &[]).unwrap();
        assert_eq!(config.media.dir, Some(bai_client::expand_tilde("~/pics dir")));
        assert_ne!(config.media.dir, Some("~/pics dir".into()));
    }

    #[test]
    fn a_mistake_is_reported_with_its_line_number_and_without_the_line() {
        let wrong = |text: &str| match FileConfig::parse(text, &[]).unwrap().wrong.as_slice() {
            [wrong] => (wrong.line, wrong.key(), wrong.problem.clone()),
            other => panic!("{other:?}"),
        };
        let (line, key, problem) = wrong("theme = \"x\"\n[profiles.lab]\nsecret_kee = \"hush\"\n");
        assert_eq!((line, key.as_str()), (3, "profiles.lab.secret_kee"));
        assert!(problem.contains("secret_key") && !problem.contains("hush"), "{problem}");
        let (line, _, problem) = wrong("\n[profiles.lab]\nsecret_key = [\"hush\"]\n");
        assert_eq!((line, problem.as_str()), (3, "should be a text in quotes"));
        let message = FileConfig::parse("\nsecret_key = hush\n", &[]).unwrap_err();
        assert!(message.starts_with("line 2: ") && !message.contains("hush"), "{message}");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "[profiles.lab]\nendpoint = \"https://x\"\nsecret_key = \"hush\"\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(FileConfig::read(&path, &[]), Err(ConfigError::Readable { .. })));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let config = FileConfig::read(&path, &[]).unwrap();
        assert!(!format!("{config:?}").contains("hush"));
    }
}
