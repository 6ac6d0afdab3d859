//! What the person has configured: a file, the environment, credentials, and where our own files live.
//!
//! This floor reads and decides; it opens no connection and knows neither the client nor the engine.

mod endpoint;
mod environment;
mod file;
mod paths;

pub use endpoint::{Cluster, Target, resolve};
pub use environment::Environment;
pub use file::{ConfigError, EditMode, FileConfig, Profile};
pub use paths::{Paths, append_private, private_dir};
