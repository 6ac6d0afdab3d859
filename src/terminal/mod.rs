//! Who the user's terminal is and what state it is in: what it can show ([`Screen`], [`probe()`]), and the guards
//! that change its modes and put them back ([`install`], [`RunMode`], [`read_secret`]).
//!
//! Nothing here knows what is printed or why: no records, no colours by name, no network. Line editing is the
//! prompt's; full-screen views are the panes'.

mod full_screen;
mod guard;
mod links;
pub mod model;
mod modes;
mod out;
mod probe;
mod reset;
mod restore;
mod screen;
mod secret;
mod signals;

pub use full_screen::{FullScreen, PassthroughGuard};
pub use guard::{CONTAINED_THREAD, install};
pub use links::knows_links;
pub use modes::{RawMode, RunMode};
pub use out::Out;
pub use probe::{Choice, Graphics, Probe, answered_late, answers_owed, passthrough, probe, recall};
pub use reset::{PassthroughTracker, reset_sequences};
pub use restore::restore;
pub use screen::{ColorDepth, Screen, Size, size};
pub use secret::{SecretError, read_secret, read_secret_unless};
pub use signals::{
    FatalSignal, FatalSignals, ViewSignal, ViewSignals, interrupt_unless_ignored, listen_fatal,
};

#[cfg(test)]
pub(crate) mod tests;
