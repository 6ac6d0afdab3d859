//! A panic hook and signal handlers that restore the terminal when the program ends abnormally.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::restore::{remember, restore};
use super::signals;

/// Records the terminal's state, so that a panic, a signal that ends the program, or a suspension (SIGTSTP) restores it. Call it once, first
/// in `main`, before any other part installs signal handlers; later calls have no effect.
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

/// The name of threads whose owner reports their panics: the hook does not print them.
pub const CONTAINED_THREAD: &str = "contained";

/// A panic on the main thread ends the program, so the hook restores the terminal before it prints the message. After a
/// panic on another thread the program continues and keeps its modes, so the message must be readable in raw mode too.
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
