//! What the tests and benches of all the crates share: a fake terminal with the real binary in it, a sandbox to run it in,
//! the Python environment with what people install, and a gate that remote programs wait at. Not published; a fault here fails a
//! test, so panics are its way to tell one.
//!
//! Servers and clients do not belong here: this crate knows none of the others, so that each of them can use it.

mod binary;
mod fake_terminal;
mod furnished;
mod gate;
mod needs;
mod sandbox;
mod screen;

pub use binary::binary;
pub use fake_terminal::{End, FakeTerminal, PROMPT};
pub use furnished::{furnished, furnished_with};
pub use gate::Gate;
pub use needs::{leave_out, need, take_left_out};
pub use sandbox::{Finished, Sandbox, pyenv_root};
pub use screen::Screen;
