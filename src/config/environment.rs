//! The variables that the official client reads (`docs/wire` §1.3): `BACKEND_*`, or `SORNA_*` if the first is not set.
//!
//! They are in two places: the environment of the process, and the `.env` file of the folder. The two are not mixed. A
//! file of a folder may have come with the files of others, so it overrides no exported variable, its keys go only to the
//! endpoint that it names, and that endpoint gets no exported keys.

use super::ConfigError;
use super::dotenv::EnvFile;
use super::logins::same_endpoint;
use super::source::Source;
use bai_protocol::environment;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The variables of the user's identity. Those of the two places do not meet.
const IDENTITY: [&str; 5] = ["ACCESS_KEY", "SECRET_KEY", "ENDPOINT_TYPE", "USER", "PASSWORD"];

/// A view of the environment, which tests can replace. Debug shows no value.
pub struct Environment {
    exported: Box<Lookup>,
    file: Option<EnvFile>,
}

type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::of_process()
    }
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Environment { exported: Box::new(|name| std::env::var_os(name)), file: None }
    }

    /// The environment of this process, and the `.env` file of the current folder or the nearest parent folder.
    pub fn of_process_and_folder() -> Self {
        let file = std::env::current_dir().ok().and_then(|folder| EnvFile::find(&folder));
        Environment { file, ..Self::of_process() }
    }

    /// An environment of exactly these variables.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let owned: Vec<_> = variables.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
        let find =
            move |name: &str| owned.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        Environment { exported: Box::new(find), file: None }
    }

    /// The value of an exported variable. A value that is empty or not UTF-8 counts as not set.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.exported)(name)?.into_string().ok().filter(|value| !value.is_empty())
    }

    /// The exported value of `BACKEND_<name>`, or of `SORNA_<name>`.
    pub fn backend(&self, name: &str) -> Option<String> {
        environment::variable(|name| self.get(name), name)
    }

    /// The same variable as a boolean.
    pub fn backend_flag(&self, name: &str) -> bool {
        self.backend(name).is_some_and(|value| environment::is_true(&value))
    }

    /// The endpoint that the environment names: the exported one, else that of the `.env` file.
    ///
    /// # Errors
    /// [`ConfigError::TwoPlaces`] when the file names the endpoint and keys are exported; [`ConfigError::Writable`] when other
    /// users can write it.
    pub fn endpoint(&self) -> Result<Option<String>, ConfigError> {
        if let Some(exported) = self.backend("ENDPOINT") {
            return Ok(Some(exported));
        }
        if let Some(file) = self.file.as_ref().filter(|file| file.is_open_to_writers()) {
            return Err(ConfigError::Writable { path: file.path().to_owned() });
        }
        let Some(file) = self.counting_file() else { return Ok(None) };
        match (file.endpoint(), self.exported_identity()) {
            (Some(_), Some(variable)) => {
                Err(ConfigError::TwoPlaces { path: file.path().to_owned(), variable })
            }
            (endpoint, _) => Ok(endpoint),
        }
    }

    /// The `.env` file if it would decide about the server: it is for us, and neither the command line, which names the
    /// endpoint `nearer`, nor the environment of the process has precedence. It may be one that does not count.
    pub fn deciding_file(&self, nearer: Option<&str>) -> Option<&EnvFile> {
        let nearer = nearer.map(str::to_owned).or_else(|| self.backend("ENDPOINT"));
        let file = self.file.as_ref()?;
        nearer
            .is_none_or(|endpoint| file.names(&endpoint) && self.exported_identity().is_none())
            .then_some(file)
    }

    /// The variables that count at this endpoint.
    ///
    /// # Errors
    /// [`ConfigError::Readable`] when they are in a file with a secret that other users may read.
    pub(super) fn at(&self, endpoint: &str) -> Result<VariablesAt<'_>, ConfigError> {
        let file = self.counting_file();
        let applies = file.filter(|file| file.names(endpoint) && self.exported_identity().is_none());
        if let Some(file) = applies.filter(|file| file.shows_secret()) {
            return Err(ConfigError::Readable { path: file.path().to_owned() });
        }
        let exported = self.backend("ENDPOINT");
        Ok(VariablesAt {
            environment: self,
            are_of_endpoint: applies.is_some()
                || exported.is_none_or(|exported| same_endpoint(&exported, endpoint)),
            file: applies,
            unused: file.filter(|_| applies.is_none()),
        })
    }

    /// The value of `BACKEND_<name>`, or of `SORNA_<name>`, that counts at this endpoint.
    ///
    /// # Errors
    /// [`ConfigError::Readable`] when it is in a file with a secret that other users may read.
    pub fn backend_at(&self, endpoint: &str, name: &str) -> Result<Option<String>, ConfigError> {
        Ok(self.at(endpoint)?.get(name))
    }

    /// The path of the `.env` file, if it counts.
    pub(super) fn file_path(&self) -> Option<PathBuf> {
        self.counting_file().map(|file| file.path().to_owned())
    }

    fn counting_file(&self) -> Option<&EnvFile> {
        self.file.as_ref().filter(|file| file.counts())
    }

    /// The name of an exported variable that is part of the user's identity.
    fn exported_identity(&self) -> Option<String> {
        let names =
            IDENTITY.iter().flat_map(|name| ["BACKEND", "SORNA"].map(|prefix| format!("{prefix}_{name}")));
        names.into_iter().find(|name| self.get(name).is_some())
    }
}

/// The variables that count at one endpoint.
#[derive(Clone, Copy)]
pub(super) struct VariablesAt<'a> {
    environment: &'a Environment,
    /// The `.env` file that names this endpoint.
    pub(super) file: Option<&'a EnvFile>,
    /// Whether the variables are for this endpoint, or name no endpoint.
    pub(super) are_of_endpoint: bool,
    /// A `.env` file whose variables are not for this endpoint.
    pub(super) unused: Option<&'a EnvFile>,
}

impl VariablesAt<'_> {
    /// What sets the variable.
    pub(super) fn source(&self, name: &str) -> Source {
        self.environment.source(name)
    }

    /// The value of `BACKEND_<name>`, or of `SORNA_<name>`. An exported one has precedence.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.environment.backend(name).or_else(|| self.file?.get(name))
    }
}
