//! Kernels of every CPython on this machine, driven as the engine drives them.

// Tests of the whole program use these too.
#[allow(unreachable_pub)]
#[path = "../../../tests/common/furnished.rs"]
mod furnished;
#[allow(unreachable_pub)]
#[path = "../../../tests/common/gate.rs"]
mod gate;
mod harness;

mod basics;
mod batch;
mod commands;
mod completing;
mod hostile;
mod input;
mod interrupting;
mod jupyter;
mod languages;
mod leaks;
mod lifecycle;
mod namespace;
mod order;
mod output;
mod rich;
mod scripts;
mod survival;
