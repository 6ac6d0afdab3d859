//! The last resort for a program that does not end well: a panic hook and signal handlers that put the terminal back.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::restore::{remember, restore};
use super::signals;

/// Remembers the terminal as it is now, so that a panic, SIGTERM, SIGHUP or a suspension (SIGTSTP) puts it back. Call it once, first
/// in `main`, before any other part installs signal handlers; later calls do nothing.
///
/// # Errors
/// When a signal handler cannot be installed.
pub fn install() -> io::Result<()> {
    if !remember() {
        return Ok(());
    }
    install_panic_hook();
    signals::install_handlers()
}

/// The name of threads whose owner reports their panics: the hook shows none of them.
pub const CONTAINED_THREAD: &str = "contained";

/// On the main thread a panic ends the program, so the terminal is put back before the message is shown. Elsewhere
/// the program goes on and its modes must stay: the message is one line that is readable in raw mode too.
fn install_panic_hook() {
    static RESTORED: AtomicBool = AtomicBool::new(false);
    let main = std::thread::current().id();
    let previous = std::panic::take_hook();
    let wants_backtrace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    std::panic::set_hook(Box::new(move |info| {
        let thread = std::thread::current();
        if thread.name() == Some(CONTAINED_THREAD) {
            tracing::error!(panic = %info, "contained");
            return;
        }
        let on_main = thread.id() == main;
        if on_main && !RESTORED.swap(true, Ordering::SeqCst) {
            restore();
        }
        if wants_backtrace && on_main {
            return previous(info);
        }
        let text = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        let line =
            format!("\r\nbai-repl: internal error: {text}{place}\r\nThis is a bug; please report it.\r\n");
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }));
}
