//! bai-repl: a terminal REPL for compute sessions, on a Backend.AI cluster or on the engine in the same binary.
//!
//! This crate is the face. Each folder is a floor with one job; the crates below it are floors too, and calls go downwards only:
//!
//! ```text
//! cli ──► repl ──► panes ──► render, terminal, theme ──► bai-protocol
//!  │        └────────┴─────► bai-client ───────────────► bai-protocol
//!  ├──► config
//!  └──► bai-engine ──► bai-runner ──► bai-protocol
//! ```
//!
//! | Module | Its job |
//! |---|---|
//! | [`terminal`] | who the user's terminal is and what state it is in |
//! | [`render`] | console records to what a terminal may be shown |
//! | [`theme`] | colours and signs |
//! | [`panes`] | full-screen views: the terminal inside a session |
//! | [`repl`] | the prompt and the life of a cell |
//! | [`config`] | configuration file, environment, credentials, paths |
//! | [`cli`] | flags and subcommands; wires the rest together |
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
pub mod panes;
pub mod render;
pub mod repl;
pub mod terminal;
pub mod theme;
