//! Tests of the engine as its clients meet it: real HTTP and WebSockets, real kernels.

mod access;
mod client;
mod lifecycle;
