//! Kernels of every CPython on this machine, used as the engine uses them.

mod harness;

mod asyncio;
mod basics;
mod batch;
mod cell_programs;
mod commands;
mod completing;
mod debugging;
mod displays;
mod first_script;
mod hostile;
mod input;
mod interrupting;
mod ipython;
mod jupyter;
mod languages;
mod leaks;
mod lifecycle;
mod namespace;
mod order;
mod output;
mod python_scripts;
mod rich;
mod scripts;
mod shadowing;
mod skeleton;
mod survival;
mod windows;
