//! The user's configuration: a file, the environment, credentials, and the folders of our own files.
//!
//! This layer reads and decides. It opens no connection except the one to the keyring, and does not know the client or the
//! engine.

mod dotenv;
mod endpoint;
mod environment;
mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod identity;
mod keyring;
mod logins;
mod official;
mod paths;
mod settings;
mod source;
mod trusted;

pub use dotenv::{Disregard, EnvFile};
pub use endpoint::{Cluster, LOCAL, Target, endpoint_of, resolve};
pub use environment::Environment;
pub use file::{
    ConfigError, EditMode, EndpointType, FileConfig, MediaConfig, OutputConfig, Profile, PythonConfig,
    TerminalConfig,
};
pub use identity::{Identity, KnownLogins};
pub use keyring::Keyring;
pub use logins::{Login, Logins, SecretPlace, StoredCredentials, normal};
pub use official::OfficialFiles;
pub use paths::Paths;
pub use settings::{PYTHON_SHELLS, TextRule, WrongSetting};
pub use source::{Origin, Source, origin};
pub use trusted::read_named;
