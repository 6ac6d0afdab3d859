//! Tests of the engine as its clients meet it: real HTTP and WebSockets, real kernels.

mod abandoned;
mod access;
mod client;
mod counted;
mod daemon;
mod lifecycle;
mod many;
mod pipe;
mod runs;
mod services;
mod transfer;
