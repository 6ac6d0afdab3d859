//! What the tests and benches of all the crates share: a fake terminal with the real binary in it, a sandbox to run it in,
//! the Python environment with what people install, and a gate that remote programs wait at. Not published; a fault here fails a
//! test, so panics are its way to tell one.

mod furnished;
mod gate;

pub use furnished::furnished;
pub use gate::Gate;
