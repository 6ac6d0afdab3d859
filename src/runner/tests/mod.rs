//! Kernels of every CPython on this machine, driven as the engine drives them.

mod harness;

mod basics;
