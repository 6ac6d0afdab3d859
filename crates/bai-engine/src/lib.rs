//! The embedded engine: a server on loopback that speaks the cluster's own API (`protocol.md`), for one user.
//!
//! It drives [`runner`](bai_runner) and knows no client and no terminal. What upstream servers lose is kept here:
//! output between batch steps, runs whose socket closed, output that came while no run was current.
//!
//! | File | Its job |
//! |---|---|
//! | `routes`, `auth`, `request`, `error` | from bytes to handlers, and every error as a problem |
//! | `sessions`, `session` | who is who; statuses, names, events |
//! | `actor` | the one owner of a session's kernel |
//! | `run`, `buffer`, `sent`, `frame` | what a kernel said, on its way to whoever collects it |
//! | `lifecycle`, `execute`, `stream`, `events`, `files`, `transfer`, `archive`, `graphql` | the handlers |
//! | `pty`, `services` | the session's terminal, its daemons, and the tunnels to them |
//! | `stale_folders` | folders of sessions whose engine was killed |
//! | [`daemon`] | where a background engine writes down how it is reached |

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
pub mod daemon;
mod error;
mod events;
mod execute;
mod files;
mod frame;
mod graphql;
mod keypair;
mod lifecycle;
mod live_stat;
mod meter;
mod options;
mod pty;
mod request;
mod routes;
mod run;
mod server;
mod services;
mod session;
mod sessions;
mod stale_folders;
mod state;
mod stream;
mod terminal;
#[cfg(test)]
mod tests;
mod transfer;

pub use bai_runner::{FoundImage, images, jupyter_language};
pub use keypair::Keypair;
pub use options::{EngineOptions, Workdirs};
pub use server::{Engine, EngineError};

/// Waits until `condition` holds; `changed` tells when to look again.
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
