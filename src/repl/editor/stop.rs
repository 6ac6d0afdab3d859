//! Ends the editing of an answer from another thread, for a program that does not wait for it any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[derive(Debug, Default)]
struct StopState {
    /// An answer is being edited.
    editing: bool,
    /// The editing has to end.
    wanted: bool,
}

/// Ends the editing of one answer. It can be used before the editing begins: then there is none.
#[derive(Debug, Clone, Default)]
pub(in crate::repl) struct AnswerStop(Arc<Mutex<StopState>>);

impl AnswerStop {
    fn lock(&self) -> MutexGuard<'_, StopState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer is not wanted any more. Returns whether it is still edited: the signal may have come before the line editor
    /// could receive it, so this is to be called again.
    pub(in crate::repl) fn stop(&self) -> bool {
        let mut state = self.lock();
        state.wanted = true;
        if state.editing {
            // The line editor takes over SIGINT while it reads, and ends its line then.
            let _ = kill(Pid::this(), Signal::SIGINT);
        }
        state.editing
    }

    /// Whether the answer is not wanted any more.
    pub(in crate::repl) fn is_wanted(&self) -> bool {
        self.lock().wanted
    }

    /// Edits a line, unless it is not wanted any more.
    pub(super) fn guard<T>(&self, edit: impl FnOnce() -> T) -> Option<T> {
        {
            let mut state = self.lock();
            if state.wanted {
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
        assert!(!stop.stop() && stop.is_wanted());
        assert_eq!(stop.guard(|| 2), None);
    }
}
