//! Ends the editing of an answer from another thread: the program does not wait for it any more, or the user has pressed Ctrl-C or the key of the pane
//! before the line editor had the keyboard.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::terminal::EditorThread;

/// Why the editing of an answer ends before its line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::repl) enum StopReason {
    /// The program does not wait for the answer any more.
    Unwanted,
    /// Ctrl-C came as a signal.
    Interrupted,
    /// The key of the pane came before the editor had the keyboard.
    Pane,
}

#[derive(Debug, Default)]
struct StopState {
    /// Where the answer is being edited.
    editor: Option<EditorThread>,
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

    /// Ends the editing; the first reason counts.
    pub(in crate::repl) fn stop(&self, reason: StopReason) {
        let mut state = self.lock();
        state.reason.get_or_insert(reason);
        end_line(&state);
    }

    /// Ends the editing where [`AnswerStop::stop`] came before the line editor could hear of it. To be called when it draws its line.
    pub(super) fn check(&self) {
        end_line(&self.lock());
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
            state.editor = Some(EditorThread::current());
        }
        let _editing = Editing(self);
        Some(edit())
    }
}

/// The editing of an answer.
struct Editing<'stop>(&'stop AnswerStop);

impl Drop for Editing<'_> {
    fn drop(&mut self) {
        self.0.lock().editor = None;
    }
}

fn end_line(state: &StopState) {
    if let Some(editor) = state.editor.filter(|_| state.reason.is_some()) {
        // SAFETY: the thread is in `guard`. It needs the lock, which the caller holds, to leave it.
        #[allow(unsafe_code)]
        unsafe {
            editor.end_line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_not_wanted_is_not_edited() {
        let stop = AnswerStop::default();
        assert_eq!(stop.guard(|| 1), Some(1));
        stop.stop(StopReason::Unwanted);
        stop.stop(StopReason::Interrupted);
        assert_eq!((stop.guard(|| 2), stop.reason()), (None, Some(StopReason::Unwanted)));
    }
}
