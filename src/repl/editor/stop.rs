//! Ends the editing of an answer from another thread: the program does not wait for it any more, or the user has pressed Ctrl-C
//! before the line editor had the keyboard.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Why the editing of an answer ends before its line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::repl) enum StopReason {
    /// The program does not wait for the answer any more.
    Unwanted,
    /// Ctrl-C came as a signal.
    Interrupted,
}

#[derive(Debug, Default)]
struct StopState {
    /// An answer is being edited.
    editing: bool,
    /// Why the editing has to end.
    reason: Option<StopReason>,
}

/// Ends the editing of one answer. It can be used before the editing begins: then there is none.
#[derive(Debug, Clone, Default)]
pub(in crate::repl) struct AnswerStop(Arc<Mutex<StopState>>);

impl AnswerStop {
    fn lock(&self) -> MutexGuard<'_, StopState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the editing; the first reason counts. Returns whether the answer is still edited: the signal may have come before the
    /// line editor could receive it, so this is to be called again.
    pub(in crate::repl) fn stop(&self, reason: StopReason) -> bool {
        let mut state = self.lock();
        state.reason.get_or_insert(reason);
        if state.editing {
            // The line editor takes over SIGINT while it reads, and ends its line then.
            let _ = kill(Pid::this(), Signal::SIGINT);
        }
        state.editing
    }

    /// Why the editing has to end. `None` if it goes on.
    pub(in crate::repl) fn reason(&self) -> Option<StopReason> {
        self.lock().reason
    }

    /// Edits a line, unless it has to end already.
    pub(super) fn guard<T>(&self, edit: impl FnOnce() -> T) -> Option<T> {
        {
            let mut state = self.lock();
            if state.reason.is_some() {
                return None;
            }
            state.editing = true;
        }
        let result = edit();
        self.lock().editing = false;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_not_wanted_is_not_edited() {
        let stop = AnswerStop::default();
        assert_eq!(stop.guard(|| 1), Some(1));
        assert!(!stop.stop(StopReason::Unwanted) && !stop.stop(StopReason::Interrupted));
        assert_eq!((stop.guard(|| 2), stop.reason()), (None, Some(StopReason::Unwanted)));
    }
}
