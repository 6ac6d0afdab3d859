//! SIGINT and SIGWINCH while a line editor reads: it takes over both, so that a signal ends or redraws its line, and gives them
//! back at the end of the line. Where something else has the terminal meanwhile, the listeners of the runtime get them.

use super::signals::action_of;
use nix::sys::signal::Signal;
use std::sync::OnceLock;

/// The signals that a line editor takes over while it reads: their actions before, which are those of the runtime's listeners.
static TAKEN_OVER: OnceLock<[(Signal, libc::sigaction); 2]> = OnceLock::new();

/// Records the listeners of SIGINT and SIGWINCH, before a line editor that takes over these signals reads for the first time.
pub fn remember_listeners() {
    let action = |signal| action_of(signal).map(|action| (signal, action));
    if let (Some(interrupt), Some(window)) = (action(Signal::SIGINT), action(Signal::SIGWINCH)) {
        let _ = TAKEN_OVER.set([interrupt, window]);
    }
}

/// Gives SIGINT back to its listeners, although the line editor has not ended yet.
pub fn give_interrupts_back() {
    for (signal, action) in TAKEN_OVER.get().into_iter().flatten() {
        if *signal == Signal::SIGINT {
            replace_action(*signal, action);
        }
    }
}

/// Does something while a line editor waits for it: signals go to their listeners meanwhile.
pub fn with_listeners<T>(work: impl FnOnce() -> T) -> T {
    let taken = TAKEN_OVER.get().into_iter().flatten();
    let before: Vec<_> = taken.map(|(signal, action)| (*signal, replace_action(*signal, action))).collect();
    let result = work();
    for (signal, action) in before {
        if let Some(action) = action {
            replace_action(signal, &action);
        }
    }
    result
}

/// Sets an action that this process had before. Returns the one that it replaces.
fn replace_action(signal: Signal, action: &libc::sigaction) -> Option<libc::sigaction> {
    // SAFETY: all zeroes is a valid value of this structure, and the handler in `action` was installed by this process and
    // stays valid for its life.
    #[allow(unsafe_code)]
    let (result, before) = unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal as libc::c_int, action, &raw mut before), before)
    };
    (result == 0).then_some(before)
}
