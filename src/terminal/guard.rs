//! A panic hook and signal handlers that restore the terminal when the program ends abnormally.

use bai_protocol::machine_limit::MachineLimit;
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

/// The exit code after a panic that is no bug.
const FAILED: i32 = 1;

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
        let text = info.payload_as_str().unwrap_or("no message");
        if is_lack_of_threads(text) {
            let limit = MachineLimit::Processes;
            let line = format!("\r\nbai-repl: {}\r\nhint: {}\r\n", limit.clause(), limit.hint());
            let _ = io::stderr().lock().write_all(line.as_bytes());
            if on_main {
                end();
            }
            return;
        }
        if wants_backtrace && on_main {
            return previous(info);
        }
        let place = info.location().map(|at| format!(" ({}:{})", at.file(), at.line())).unwrap_or_default();
        let line =
            format!("\r\nbai-repl: internal error: {text}{place}\r\nThis is a bug; please report it.\r\n");
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }));
}

/// Ends the program. The terminal is restored already, and main cannot return an exit code after a panic.
#[allow(clippy::disallowed_methods)]
fn end() -> ! {
    std::process::exit(FAILED)
}

/// Whether a library panics because it cannot start a thread. They have no other way to report it.
fn is_lack_of_threads(message: &str) -> bool {
    message.contains("spawn")
        && message.contains("thread")
        && message.contains("Resource temporarily unavailable")
}
