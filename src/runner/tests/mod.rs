//! Kernels of every CPython on this machine, driven as the engine drives them.

mod harness;

mod basics;
mod batch;
mod commands;
mod completing;
mod input;
mod interrupting;
mod languages;
mod lifecycle;
mod namespace;
mod output;
mod rich;
mod survival;
