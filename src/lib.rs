//! bai-repl: a terminal REPL for compute sessions, on a Backend.AI cluster or on the engine in this crate.
//!
//! Each folder is a floor of the house with one job; calls go downwards only:
//!
//! ```text
//! cli ──► repl, panes ──► render, terminal, theme ──► protocol
//!  │            └──────────► client ──────────────► protocol
//!  ├──► config ──► protocol
//!  └──► engine ──► runner ──► protocol
//! ```
//!
//! | Module | Its job |
//! |---|---|
//! | [`protocol`] | the words of the wire, no I/O |
//! | [`client`] | the client SDK, useful without a terminal |
//! | [`runner`] | the program that runs user code: operations in, replies out |
//! | [`engine`] | the embedded server on loopback, which speaks the cluster's own API |
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
pub mod client;
pub mod config;
pub mod engine;
pub mod panes;
pub mod protocol;
pub mod render;
pub mod repl;
pub mod runner;
pub mod terminal;
pub mod theme;
