//! The wire protocol: requests, replies, frames, statuses, versions, problems, signing.
//!
//! Types here are lenient in what they accept, because every server release differs a little (`docs/wire`
//! §10 is the list of traps), and strict in what they send. No I/O, no clock, no terminal lives here, and
//! the crate knows none of the other crates of the workspace.

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

pub mod binary_frame;
pub mod bundle;
pub mod byte_text;
pub mod capability;
pub mod complete;
pub mod create;
pub mod environment;
pub mod events;
pub mod execute;
pub mod files;
pub mod history;
pub mod info;
pub mod json;
pub mod language;
mod lenient;
pub mod live_stat;
pub mod machine_limit;
pub mod problem;
pub mod pty;
mod python;
pub mod record;
pub mod resources;
pub mod service;
pub mod shell_word;
pub mod sign;
pub mod signal;
pub mod status;
pub mod summary;
pub mod version;
pub mod vfolder;
pub mod working_files;
