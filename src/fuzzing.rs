//! The parsers of the user's files and of names, for the fuzz targets in `fuzz`. Each takes any bytes, and panics only on a
//! mistake. This is no part of the crate's interface.

pub use crate::cli::names;
pub use crate::config::fuzzing::{configuration, cookies, env_file};
pub use crate::repl::fuzzing::history;
