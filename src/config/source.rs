//! What said a value of the configuration: a flag, a variable, or a file. For people who ask why a server was chosen.

use super::{ConfigError, Environment};
use std::fmt;
use std::path::PathBuf;

/// What said a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    Flag(&'static str),
    /// A profile of the configuration file, by its name.
    Profile(String),
    /// A variable that is exported.
    Variable(String),
    /// A `.env` file.
    EnvFile(PathBuf),
    /// A login of this program.
    Login,
    /// The files of the official client.
    Official,
    /// Nothing.
    Nothing,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) => f.write_str(name),
            Source::Profile(name) => write!(f, "profile {name} of the configuration file"),
            Source::Variable(name) => f.write_str(name),
            Source::EnvFile(path) => write!(f, "{}", path.display()),
            Source::Login => f.write_str("bai-repl login"),
            Source::Official => f.write_str("the official client's files"),
            Source::Nothing => f.write_str("no cluster is configured"),
        }
    }
}

/// What said which server is used, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What named the server.
    pub endpoint: Source,
    /// What said who the user is; `None` for the engine in this binary.
    pub identity: Option<Source>,
}

impl Environment {
    /// What sets `BACKEND_<name>` or `SORNA_<name>`, if an exported variable or the `.env` file does.
    pub(super) fn source(&self, name: &str) -> Source {
        let exported = ["BACKEND", "SORNA"].map(|prefix| format!("{prefix}_{name}"));
        match exported.into_iter().find(|name| self.get(name).is_some()) {
            Some(variable) => Source::Variable(variable),
            None => self.file_path().map_or(Source::Nothing, Source::EnvFile),
        }
    }
}

/// As [`super::resolve`], but tells what decided.
///
/// # Errors
/// As [`super::resolve`].
pub fn origin(
    flag: Option<&str>,
    profile: Option<&str>,
    env: &Environment,
    file: &super::FileConfig,
    saved: &super::KnownLogins,
) -> Result<Origin, ConfigError> {
    let chosen = super::endpoint::chosen(flag, profile, env, file, saved)?;
    let identity = match chosen.sources(env, saved)? {
        Some(sources) => Some(sources.identity()?.1),
        None => None,
    };
    Ok(Origin { endpoint: chosen.source, identity })
}
