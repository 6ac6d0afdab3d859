//! Tests of the engine through its API: real HTTP and WebSockets, real kernels.

mod abandoned;
mod access;
mod client;
mod counted;
mod daemon;
mod door;
mod lifecycle;
mod many;
mod pipe;
mod runs;
mod services;
mod transfer;
