//! The targets whose parsers are public.

pub mod media;
pub mod model;
pub mod protocol;
pub mod text;
pub mod theme;
pub mod zmq;

/// A parser of any bytes. It panics only on a mistake.
pub type Target = fn(&[u8]);
