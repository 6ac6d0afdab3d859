//! The user's terminal: its capabilities ([`Screen`], [`probe()`]), and the guards that change its modes and restore them
//! ([`install`], [`RunMode`], [`read_secret`]).
//!
//! This module does not know what is printed or why: it has no records, no named colours and no network. Line editing
//! belongs to the prompt; full-screen views belong to the panes.

mod full_screen;
mod guard;
mod keyboard;
mod links;
mod listeners;
pub mod model;
mod modes;
mod out;
mod passed_signals;
mod probe;
mod reset;
mod restore;
mod screen;
mod secret;
mod signals;

pub use full_screen::{FullScreen, PassthroughGuard, PromptGuard};
pub use guard::{CONTAINED_THREAD, install};
pub use keyboard::{HeldKeys, Keyboard, OwnLines, share_terminal};
pub use links::supports_links;
pub use listeners::{EditorThread, give_interrupts_back, remember_listeners, with_listeners};
pub use modes::{RawMode, RunMode, has_hung_up};
pub use out::Out;
pub use passed_signals::{PassedSignals, suspend};
pub use probe::{Choice, Graphics, Probe, answered_late, answers_owed, passthrough, probe, recall};
pub use reset::{PassthroughTracker, reset_sequences, shared_reset_sequences};
pub use restore::restore;
pub use screen::{ColorDepth, Screen, Size, kind, size};
pub use secret::{SecretError, ask_secret, forget_keys, has_terminal, read_secret, read_secret_unless};
pub use signals::{
    Continuations, FatalSignal, FatalSignals, ViewSignal, ViewSignals, end_by, end_by_interrupt,
    interrupt_unless_ignored, listen_fatal, listen_interrupts,
};

#[cfg(test)]
pub(crate) mod tests;
