//! The parsers of what drivers, agents, Jupyter kernels and images send, for the fuzz targets in `fuzz`. Each takes any bytes,
//! and panics only on a mistake. This is no part of the crate's interface.

pub use crate::agent::fuzzing::{agent, within_limit};
pub use crate::jupyter::fuzzing::jupyter;
pub use crate::services::fuzzing::service;
pub use crate::wire::fuzzing::driver;
