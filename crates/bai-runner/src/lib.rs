//! The kernel runner: the program that runs user code inside a session. Operations go in, replies come out.
//!
//! This crate holds the task queue, the child processes and the languages. An embedded engine or a cluster's agent
//! gives [`Op`]s and reads [`Reply`]s. The crate knows no HTTP, no client and no terminal.
//!
//! ```
//! use bai_runner::{ConsoleRecord, Kernel, KernelSpec, Op, Reply};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (kernel, mut replies) = Kernel::start(KernelSpec::new("python", std::env::temp_dir())).await?;
//! kernel.send(Op::Code("print(6 * 7)".to_owned())).await?;
//! let mut output = String::new();
//! while let Some(reply) = replies.recv().await {
//!     match reply {
//!         Reply::Console(ConsoleRecord::Stdout(text)) => output.push_str(&text),
//!         Reply::Finished { exit_code } => {
//!             assert_eq!(exit_code, 0);
//!             break;
//!         }
//!         other => println!("{other:?}"),
//!     }
//! }
//! assert_eq!(output, "42\n");
//! kernel.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/run_a_cell.rs` prints all replies of a cell in any language of this machine.
//!
//! | File | Its job |
//! |---|---|
//! | `op`, `reply` | the operations of a kernel, and its replies |
//! | `kernel`, `kernel_spec` | the handle of a kernel, and its specification |
//! | `worker`, `queue`, `outbox`, `crash_loop` | the one task behind the handle, its two ends, and the crash-loop counter |
//! | `interpreter`, `wire`, `frames` | a persistent interpreter under a driver, the messages between the two, and their frames |
//! | `jupyter` | kernels that speak Jupyter's protocol; `backend` is either of the two |
//! | `step` | batch steps |
//! | `lost_interrupt`, `wakeup` | processes and interpreters that an interrupt has missed |
//! | `process`, `dispositions`, `output`, `utf8` | child processes, their signals, and their output |
//! | `language` | the interface to a language; `python`, `sqlite`, `scripted`, `compiled` and `app` are the languages |
//! | `registry` | all languages, and which of them an image means |
//! | `image`, `search_paths`, `tool`, `python_search` | the meaning of a name, and the search for its interpreter |
//! | `free_ports` | ports for programs that bind them themselves |
//! | `window` | the window in which a person sees the output, for programs without a terminal |
//! | `stdin`, `typed_ahead` | the user's input, the process that waits for it, and input before a driver's question |
//! | `services` | daemons of the session to which clients connect |
//! | `pty`, `process_tree`, `process_numbers` | a terminal with a shell, and everything that was started in it |
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
mod cache;
mod compiled;
mod compiled_cells;
mod crash_loop;
mod dispositions;
mod drivers;
mod error;
mod frames;
mod free_ports;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod image;
mod input;
mod interpreter;
mod jupyter;
mod kernel;
mod kernel_spec;
mod known_answers;
mod language;
mod last_words;
mod lost_interrupt;
mod op;
mod outbox;
mod output;
mod outputs;
mod own_program;
mod own_terminal;
mod port_owner;
mod process;
#[cfg(target_os = "linux")]
mod process_numbers;
mod process_tree;
mod program_signal;
mod pty;
mod python;
mod python_search;
mod queue;
mod registry;
mod reply;
mod script_streams;
mod scripted;
mod search_paths;
mod services;
mod sqlite;
mod stdin;
mod step;
mod terminal_keys;
mod tool;
mod typed_ahead;
mod usage;
mod utf8;
mod wakeup;
mod window;
mod wire;
mod worker;

#[cfg(test)]
mod tests;

pub use bai_protocol::complete::{Completion, CompletionOptions, CompletionRequest};
pub use bai_protocol::record::ConsoleRecord;
pub use bai_protocol::service::{App, ArgumentValue, BadParameter, ServiceParameters};
#[doc(no_inline)]
pub use bytes::BytesMut;
#[doc(no_inline)]
pub use serde_json::Value;
#[doc(no_inline)]
pub use tokio_util::sync::CancellationToken;

pub use agent::{AgentError, AgentOptions, AgentRunner};
pub use cache::keep_caches_in;
pub use error::{KernelGone, StartError};
pub use image::ImageName;
pub use jupyter::language_of as jupyter_language;
pub use kernel::Kernel;
pub use kernel_spec::KernelSpec;
pub use language::{FoundImage, KernelInfo, Resolved};
pub use op::{Op, Step};
pub use process::without_our_environment;
pub use pty::{Terminal, TerminalSpec};
pub use registry::{images, languages_in_path, resolve};
pub use reply::{Reply, RunnerStatus};
pub use script_streams::ScriptStreams;
pub use services::{Connection, ServiceAddress, ServiceError, Services};
pub use usage::{Usage, memory_limit, usage};
