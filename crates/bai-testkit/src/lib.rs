//! Helpers for the tests and benchmarks of all crates: a fake terminal with the real binary in it, a sandbox to run it
//! in, a Python environment with popular packages, a gate at which remote programs wait, and the table of the
//! benchmarks. The crate is not published. Its helpers panic to fail a test.
//!
//! Servers and clients do not belong here: this crate does not depend on the other crates, so that each of them can use
//! it.

mod binary;
pub mod comparison;
mod fake_terminal;
mod gate;
mod ipython;
mod needs;
mod processes;
mod sandbox;
mod screen;
mod venv;
mod wait;

pub use binary::binary;
pub use fake_terminal::{End, FakeTerminal, PROMPT};
pub use gate::Gate;
pub use ipython::ipython_environments;
pub use needs::{as_another_user, leave_out, need, need_one_of, take_left_out};
pub use sandbox::{Finished, Sandbox, code_of, pyenv_root};
pub use screen::Screen;
pub use venv::{test_venv, test_venv_with};
pub use wait::wait_until;
