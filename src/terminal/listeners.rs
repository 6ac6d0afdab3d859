//! SIGINT and SIGWINCH while a line editor reads: it takes over both, so that a signal ends or redraws its line, and gives them
//! back at the end of the line. Where something else has the terminal meanwhile, the listeners of the runtime get them.
//!
//! A line is ended by a signal of its own kind, which only the thread of the editor gets: a SIGINT to ourselves could come late, and
//! would be another Ctrl-C then.

use super::signals::{action_of, set_action};
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise};
use std::sync::OnceLock;

/// The signal that ends a line. Systems ignore it by default, and nothing else sends it to one thread.
const END_OF_LINE: Signal = Signal::SIGURG;

/// The signals that a line editor takes over while it reads: their actions before, which are those of the runtime's listeners.
static TAKEN_OVER: OnceLock<[(Signal, libc::sigaction); 2]> = OnceLock::new();

/// Records the listeners of SIGINT and SIGWINCH, before a line editor that takes over these signals reads for the first time. From now
/// on [`EditorThread::end_line`] ends lines.
pub fn remember_listeners() {
    let action = |signal| action_of(signal).map(|action| (signal, action));
    if let (Some(interrupt), Some(window)) = (action(Signal::SIGINT), action(Signal::SIGWINCH)) {
        let _ = TAKEN_OVER.set([interrupt, window]);
        // It ends a wait of the editor, so no call is restarted. It fails for no valid signal.
        let action = SigAction::new(SigHandler::Handler(on_end_of_line), SaFlags::empty(), SigSet::empty());
        let _ = set_action(END_OF_LINE, action);
    }
}

/// The thread on which a line editor reads.
#[derive(Debug, Clone, Copy)]
pub struct EditorThread(libc::pthread_t);

impl EditorThread {
    /// The calling thread.
    pub fn current() -> Self {
        // SAFETY: the call has no conditions.
        #[allow(unsafe_code)]
        EditorThread(unsafe { libc::pthread_self() })
    }

    /// Ends the line that is read there, as SIGINT does. While the editor has not taken over SIGINT, this does nothing, however late it
    /// comes: not before the first drawing of a line, nor after its end.
    ///
    /// # Safety
    /// The thread must not have ended.
    #[allow(unsafe_code)]
    pub unsafe fn end_line(self) {
        // SAFETY: the thread lives, as the caller promises. Then the call cannot fail.
        let _ = unsafe { libc::pthread_kill(self.0, END_OF_LINE as libc::c_int) };
    }
}

/// Runs on the thread of the editor, which alone changes who gets SIGINT: it cannot change between the two calls.
extern "C" fn on_end_of_line(_: libc::c_int) {
    let errno = Errno::last_raw();
    if interrupts_are_taken_over() {
        // The editor's handler has run when this returns.
        let _ = raise(Signal::SIGINT);
    }
    Errno::set_raw(errno);
}

/// Whether a line editor gets SIGINT now. Safe in a signal handler.
fn interrupts_are_taken_over() -> bool {
    let Some([(signal, listener), _]) = TAKEN_OVER.get() else { return false };
    action_of(*signal).is_some_and(|action| action.sa_sigaction != listener.sa_sigaction)
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
