//! The kernel runner: the program that runs user code inside a session. Operations in, replies out.
//!
//! Here live the FIFO task queue, the helper for child processes, and the languages. Whoever attaches (the
//! embedded engine, or a cluster's agent) gives [`Op`]s and reads [`Reply`]s; nothing here knows HTTP, a client
//! or a terminal.
//!
//! | File | Its job |
//! |---|---|
//! | `op`, `reply` | the words |
//! | `kernel` | the handle; `worker` is the one task behind it, `queue` and `outbox` are its two ends, `crash_loop` counts crashes |
//! | `interpreter`, `wire` | a persistent interpreter under a driver, and the messages between the two |
//! | `jupyter` | kernels that speak Jupyter's protocol; `backend` is either of the two |
//! | `step` | batch steps |
//! | `process`, `output`, `utf8` | child processes and what they write |
//! | `language` | what a language is; `python`, `sqlite`, `scripted`, `compiled` and `app` are the languages |
//! | `image`, `search_paths`, `tool`, `python_search` | what a name asks for, and where its interpreter is |
//! | `stdin` | what the person types, and who waits for it |
//! | `services` | daemons of the session that can be connected to |
//! | `pty`, `process_tree` | a terminal with a shell, and the end of all that was started there |
//! | `agent` | the same kernel for a cluster's agent, over ZeroMQ |
//! | `drivers` | the programs inside the interpreters |

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]
#![deny(unsafe_code)]
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

mod agent;
mod app;
mod backend;
mod batch;
mod compiled;
mod compiled_cells;
mod crash_loop;
mod drivers;
mod error;
mod image;
mod interpreter;
mod jupyter;
mod kernel;
mod kernel_spec;
mod language;
mod op;
mod outbox;
mod output;
mod process;
mod process_tree;
mod pty;
mod python;
mod python_search;
mod queue;
mod registry;
mod reply;
mod scripted;
mod search_paths;
mod services;
mod sqlite;
mod stdin;
mod step;
mod tool;
mod usage;
mod utf8;
mod wakeup;
mod wire;
mod worker;

#[cfg(test)]
mod tests;

pub use bai_protocol::record::ConsoleRecord;

pub use agent::{AgentError, AgentOptions, AgentRunner};
pub use error::{KernelGone, StartError};
pub use image::ImageName;
pub use jupyter::language_of as jupyter_language;
pub use kernel::Kernel;
pub use kernel_spec::KernelSpec;
pub use language::{FoundImage, KernelInfo, Resolved};
pub use op::{Op, Step};
pub use pty::{Terminal, TerminalSpec};
pub use registry::{images, resolve};
pub use reply::{Reply, RunnerStatus};
pub use services::{Connection, ServiceAddress, ServiceError, Services};
pub use usage::{Usage, memory_limit, usage};
