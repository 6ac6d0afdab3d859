//! Notices while the editor has the keyboard. They are shown above the line, each by its own thread, because the editor accepts
//! one at a time and may be busy.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::ExternalPrinter;

use super::state::SharedEditorState;
use crate::repl::wrap;

type Print = Box<dyn FnMut(String) + Send>;

/// Shows notices. If the terminal cannot show them, the caller reports them later.
#[derive(Clone, Default)]
pub(in crate::repl) struct Notifier {
    /// `None` if the terminal cannot show a text above the line.
    print: Option<Arc<Mutex<Print>>>,
    /// Whether a line is edited.
    editing: Arc<AtomicBool>,
    /// How many notices were shown.
    notices: Arc<AtomicUsize>,
    shared: SharedEditorState,
}

impl Notifier {
    pub(super) fn through(
        mut printer: impl ExternalPrinter + Send + 'static,
        shared: SharedEditorState,
    ) -> Self {
        let print: Print = Box::new(move |text| {
            // An error is ignored: the editor has ended in the meantime.
            let _ = printer.print(text);
        });
        Notifier { print: Some(Arc::new(Mutex::new(print))), shared, ..Notifier::default() }
    }

    /// Whether the terminal can show a text above the line.
    pub(in crate::repl) fn can_show(&self) -> bool {
        self.print.is_some()
    }

    /// How many notices were shown.
    pub(in crate::repl) fn notices(&self) -> usize {
        self.notices.load(Ordering::Relaxed)
    }

    /// Shows whole lines above the line that is edited, as they are. What is not drawn before the line ends is left for
    /// [`super::Editor::take_above`].
    pub(in crate::repl) fn show_above(&self, lines: &str) {
        let mut state = self.shared.lock();
        let is_first = state.above.is_empty();
        state.above.push_str(lines);
        drop(state);
        // Otherwise the editor is about to draw.
        if is_first {
            self.draw_again();
        }
    }

    /// Draws the line again where the cursor is. Does nothing if no line is edited.
    pub(in crate::repl) fn draw_again(&self) {
        if let Some(print) = self.print.clone().filter(|_| self.editing.load(Ordering::Relaxed)) {
            // The printer adds a line end, so the cursor goes up first.
            let draw = move || print.lock().unwrap_or_else(PoisonError::into_inner)("\x1b[A\n".to_owned());
            let _ = std::thread::Builder::new().name("notice".into()).spawn(draw);
        }
    }

    /// Records whether a line is edited.
    pub(super) fn set_editing(&self, editing: bool) {
        self.editing.store(editing, Ordering::Relaxed);
    }

    /// Shows a text above the line. Returns at once; false if the terminal cannot show it.
    pub(in crate::repl) fn show(&self, text: &str) -> bool {
        let Some(print) = self.print.clone() else { return false };
        self.notices.fetch_add(1, Ordering::Relaxed);
        let columns = usize::from(crate::terminal::size().cols);
        let text = format!("{}\n", wrap::at_words(&crate::render::sanitize::sentences(text), columns));
        let show = move || print.lock().unwrap_or_else(PoisonError::into_inner)(text);
        std::thread::Builder::new().name("notice".into()).spawn(show).is_ok()
    }
}
