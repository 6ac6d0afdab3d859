//! Notices while the editor has the keyboard. They are shown above the line, each by its own thread, because the editor accepts
//! one at a time and may be busy.

use std::sync::{Arc, Mutex, PoisonError};

use rustyline::ExternalPrinter;

type Print = Box<dyn FnMut(String) + Send>;

/// Shows notices. If the terminal cannot show them, the caller reports them later.
#[derive(Clone, Default)]
pub(in crate::repl) struct Notifier(Option<Arc<Mutex<Print>>>);

impl Notifier {
    pub(super) fn through(mut printer: impl ExternalPrinter + Send + 'static) -> Self {
        let print: Print = Box::new(move |text| {
            // An error is ignored: the editor has ended in the meantime.
            let _ = printer.print(text);
        });
        Notifier(Some(Arc::new(Mutex::new(print))))
    }

    /// Shows a text above the line. Returns at once; false if the terminal cannot show it.
    pub(in crate::repl) fn show(&self, text: &str) -> bool {
        let Some(print) = self.0.clone() else { return false };
        let text = format!("{}\n", crate::render::sanitize::sentences(text));
        let show = move || print.lock().unwrap_or_else(PoisonError::into_inner)(text);
        std::thread::Builder::new().name("notice".into()).spawn(show).is_ok()
    }
}
