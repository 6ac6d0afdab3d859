//! The embedded engine: a server on loopback that speaks the cluster's own API (`docs/wire`), for one user.
//!
//! It drives [`bai_runner`] and knows no client and no terminal. It keeps data that other servers lose: output between
//! batch steps, runs whose socket closed, and output that came while no run was active.
//!
//! Its sessions are interactive, with one container each: it refuses batch sessions, clusters, virtual folders, agents and
//! networks (`docs/wire` §13).
//!
//! The tests of any client can use it. It needs a tokio runtime:
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), bai_engine::EngineError> {
//! let engine = bai_engine::Engine::temporary().await?;
//! assert!(engine.endpoint().starts_with("http://127.0.0.1:"));
//! let [endpoint, _access_key, _secret_key] = engine.client_environment();
//! assert_eq!(endpoint.0, "BACKEND_ENDPOINT");
//! engine.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/for_a_test.rs` gives these variables to another program.
//!
//! | File | Its job |
//! |---|---|
//! | `server`, `options`, `state` | the engine that others start, and the state that all handlers share |
//! | `listeners`, `folder_watch`, `connections` | where it listens, also after its socket was removed, and who may connect |
//! | `routes`, `auth`, `signed_body`, `used_signatures`, `request`, `error` | from bytes to handlers, and every error as a problem |
//! | `requirements` | what a new session may ask for |
//! | `lifecycle`, `execute`, `stream`, `events`, `files`, `transfer`, `archive`, `graphql`, `pty`, `services`, `live_stat` | the handlers |
//! | `sessions`, `session`, `command` | the sessions by name and by id; their statuses; the commands of their actors |
//! | `actor` | the one owner of a session's kernel |
//! | `run`, `buffer`, `frame` | the output of a kernel, on its way to its collectors |
//! | `terminal` | a session's terminal: its shell, its viewers, its last output |
//! | `meter` | the use of resources by a session |
//! | `session_folders` | the folders of sessions, and those whose session is gone |
//! | `leftovers` | what killed transfers leave in these folders |
//! | [`daemon`] | the state file by which a background engine is found |

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

mod actor;
mod archive;
mod auth;
mod buffer;
mod command;
mod connections;
pub mod daemon;
mod error;
mod events;
mod execute;
mod files;
mod folder_watch;
mod frame;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod graphql;
mod keypair;
mod leftovers;
mod lifecycle;
mod listeners;
mod live_stat;
mod meter;
mod options;
mod pty;
mod request;
mod requirements;
mod routes;
mod run;
mod server;
mod services;
mod session;
mod session_folders;
mod sessions;
mod signed_body;
mod state;
mod stream;
mod terminal;
#[cfg(test)]
mod tests;
mod transfer;
mod used_signatures;

pub use bai_runner::{
    FoundImage, ScriptStreams, images, jupyter_language, keep_caches_in, languages_in_path,
};
pub use keypair::Keypair;
pub use options::{EngineOptions, SocketFolder, Workdirs};
#[doc(no_inline)]
pub use secrecy::{ExposeSecret, SecretString};
pub use server::{Engine, EngineError, Expectation};

/// Waits until `condition` holds; `changed` signals when to check again.
#[cfg(test)]
async fn until(changed: &tokio::sync::Notify, condition: impl Fn() -> bool) {
    loop {
        let change = changed.notified();
        tokio::pin!(change);
        change.as_mut().enable();
        if condition() {
            return;
        }
        change.await;
    }
}
