//! Notices while the editor has the keyboard: shown above the line, by a thread of their own, because the editor takes
//! them one by one and may be busy.

use std::sync::{Arc, Mutex, PoisonError};

use rustyline::ExternalPrinter;

type Print = Box<dyn FnMut(String) + Send>;

/// Where news go. Without a terminal that can show them they are told later, when they matter.
#[derive(Clone, Default)]
pub(in crate::repl) struct Notifier(Option<Arc<Mutex<Print>>>);

impl Notifier {
    pub(super) fn through(mut printer: impl ExternalPrinter + Send + 'static) -> Self {
        let print: Print = Box::new(move |text| {
            // The editor has gone meanwhile: whoever comes next says it.
            let _ = printer.print(text);
        });
        Notifier(Some(Arc::new(Mutex::new(print))))
    }

    /// Shows a text above the line. Returns at once; false where the terminal cannot show it.
    pub(in crate::repl) fn show(&self, text: &str) -> bool {
        let Some(print) = self.0.clone() else { return false };
        let text = format!("{}\n", crate::render::sanitize::text(text));
        let show = move || print.lock().unwrap_or_else(PoisonError::into_inner)(text);
        std::thread::Builder::new().name("news".into()).spawn(show).is_ok()
    }
}
