//! What the person has configured: a file, the environment, credentials, and where our own files live.
//!
//! This floor reads and decides; it opens no connection but the one to the keyring, and knows neither the client nor the engine.

mod dotenv;
mod endpoint;
mod environment;
mod file;
mod keyring;
mod logins;
mod official;
mod paths;
mod private;

pub use endpoint::{Cluster, Identity, KnownLogins, LOCAL, Target, endpoint_of, resolve};
pub use environment::Environment;
pub use file::{
    ConfigError, EditMode, EndpointType, FileConfig, MediaConfig, OutputConfig, Profile, TerminalConfig,
};
pub use keyring::Keyring;
pub use logins::{Login, Logins, SecretPlace, StoredCredentials, normal};
pub use official::OfficialFiles;
pub use paths::{Paths, append_private, private_dir};
