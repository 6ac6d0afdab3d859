//! The variables that the official client reads (`docs/wire` §1.3): `BACKEND_*`, or `SORNA_*` if the first is not set.

use super::{ConfigError, dotenv};
use bai_protocol::environment;
use std::ffi::OsString;

/// A view of the environment, which tests can replace.
pub struct Environment {
    lookup: Box<Lookup>,
}

type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Environment { lookup: Box::new(|name| std::env::var_os(name)) }
    }

    /// The environment of this process. A `.env` file in the current folder or a parent folder takes precedence.
    ///
    /// # Errors
    /// When that file is for us and cannot be trusted.
    pub fn of_process_and_folder() -> Result<Self, ConfigError> {
        let Ok(folder) = std::env::current_dir() else { return Ok(Self::of_process()) };
        let file = dotenv::read(&folder)?;
        Ok(Environment {
            lookup: Box::new(move |name| {
                file.get(name).map(OsString::from).or_else(|| std::env::var_os(name))
            }),
        })
    }

    /// An environment of exactly these variables.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let owned: Vec<_> = variables.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
        Environment {
            lookup: Box::new(move |name| {
                owned.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
            }),
        }
    }

    /// The value of a variable. A value that is empty or not UTF-8 counts as not set.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name)?.into_string().ok().filter(|value| !value.is_empty())
    }

    /// The value of `BACKEND_<name>`, or of `SORNA_<name>`.
    pub fn backend(&self, name: &str) -> Option<String> {
        environment::variable(|name| self.get(name), name)
    }

    /// The same variable as a boolean.
    pub fn backend_flag(&self, name: &str) -> bool {
        self.backend(name).is_some_and(|value| environment::is_true(&value))
    }
}
