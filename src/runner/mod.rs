//! The kernel runner: the program that runs user code inside a session. Operations in, replies out.
//!
//! Here live the FIFO task queue, the helper for child processes, and the languages. Whoever attaches (the
//! embedded engine, or a cluster's agent) gives [`Op`]s and reads [`Reply`]s; nothing here knows HTTP, a client
//! or a terminal.

mod op;
mod reply;

pub use op::{Op, Step};
pub use reply::{Reply, RunnerStatus};
