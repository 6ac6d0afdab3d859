//! bai-repl: a terminal REPL for compute sessions, on a Backend.AI cluster or on the engine in the same binary.
//!
//! This crate is the front end. Each folder is a layer with one job; the crates below it are layers too, and calls go
//! downwards only (`ARCHITECTURE.md` says more):
//!
//! ```text
//! cli ──► repl ──► panes ──► render, terminal, theme, format ──► bai-protocol
//!  │        └────────┴─────► bai-client ───────────────────────► bai-protocol
//!  ├──► config
//!  └──► bai-engine ──► bai-runner ──► bai-protocol
//! ```
//!
//! | Module | Its job |
//! |---|---|
//! | [`terminal`] | the user's terminal and its state |
//! | [`render`] | from console records to what a terminal may show |
//! | [`theme`] | colours and signs |
//! | [`format`](mod@format) | sizes, durations and ages for people |
//! | [`panes`] | full-screen views |
//! | [`repl`] | the prompt and the life of a cell |
//! | [`config`] | configuration file, environment, credentials, paths |
//! | [`cli`] | flags and subcommands; connects the other layers |
//!
//! The client reaches the engine only through a socket, as it reaches a cluster.

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

pub mod cli;
pub mod config;
pub mod format;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod panes;
pub mod render;
pub mod repl;
pub mod terminal;
pub mod theme;
