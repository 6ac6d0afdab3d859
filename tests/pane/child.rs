//! The process inside the fake terminal: this test program in the role of a user who opens the pane.
//!
//! A line of input opens the pane (`pane`, `raw`), waits for all events (`news`) and prints them, or exits (`quit`).

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bai_repl::panes::raw::{self, RawOptions};
use bai_repl::panes::terminal::{self, PaneExit, PaneOptions};
use bai_repl::panes::{Clipboard, ClipboardPolicy, HostEvent, PrefixKey, Source as _, TerminalHost};
use bai_repl::terminal::ColorDepth;
use nix::sys::termios::tcgetattr;

use super::local::{BREAK, Local};

/// The environment variable that turns the test program into a child and names the program in its terminal.
pub const CHILD: &str = "PANE_TEST_CHILD";
/// The environment variable with the policy for the clipboard.
pub const CLIPBOARD: &str = "PANE_TEST_CLIPBOARD";

fn modes() -> String {
    tcgetattr(std::io::stdin().as_fd()).map(|modes| format!("{modes:?}")).unwrap_or_default()
}

/// Reads one line byte by byte, so that it takes no further input.
fn line() -> Option<String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match nix::unistd::read(std::io::stdin().as_fd(), &mut byte) {
            Ok(1) if byte == *b"\n" => return Some(String::from_utf8_lossy(&line).into_owned()),
            Ok(1) => line.push(byte[0]),
            _ => return None,
        }
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).unwrap();
}

pub fn run(program: &str) {
    bai_repl::terminal::install().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let size = bai_repl::terminal::size();
    let words: Vec<&str> = program.split_whitespace().collect();
    let source = Local::start(&words, size.cols, size.rows);
    let keys = source.keys();
    let (host, mut news) = TerminalHost::start(runtime.handle(), source, "work", size.cols, size.rows);
    let policy = std::env::var(CLIPBOARD).ok();
    let policy = policy.and_then(|name| ClipboardPolicy::named(&name)).unwrap_or_default();
    let clipboard = Arc::new(Clipboard::new(policy));
    let options = || PaneOptions {
        prefix: PrefixKey::default(),
        colors: ColorDepth::TrueColor,
        clipboard: Arc::clone(&clipboard),
        editor_waits: false,
    };
    let mut batch = std::env::var("PANE_TEST_RAW").is_ok();
    loop {
        if batch {
            let exit = runtime.block_on(raw::run(&host, RawOptions::default())).unwrap();
            runtime.shutdown_background();
            // A test has no other way to set its exit code.
            #[allow(clippy::disallowed_methods)]
            std::process::exit(exit.why.exit_code().unwrap_or(99));
        }
        say("ready> ");
        let Some(command) = line() else { return };
        let before = modes();
        let exit: std::io::Result<PaneExit> = match command.trim() {
            "pane" => terminal::open_blocking(runtime.handle(), &host, options()),
            "async" => runtime.block_on(terminal::open(&host, options())),
            "raw" => runtime.block_on(raw::run(&host, RawOptions::default())),
            "news" => {
                // All events; the last one is the end of the terminal.
                let mut all = Vec::new();
                while let Some(piece) = news.blocking_recv() {
                    let last = matches!(piece, HostEvent::Ended(_));
                    all.push(piece);
                    if last {
                        break;
                    }
                }
                say(&format!("news: {all:?}\n"));
                continue;
            }
            "frame" => {
                // As large as the largest frame of a server.
                let line = b"\x1b[3Xone frame of many lines, \x1b[1;32mwith colours\x1b[0m\r\n";
                let mut frame: Vec<u8> = line.iter().copied().cycle().take(16 << 20).collect();
                frame.extend_from_slice(b"\x1b[0m\r\nthe frame ends\r\n");
                keys.output(frame);
                continue;
            }
            "break" => {
                BREAK.store(true, Ordering::SeqCst);
                continue;
            }
            "quit" => break,
            other => {
                say(&format!("typed: {other:?}\n"));
                continue;
            }
        };
        let same = if modes() == before { "same modes" } else { "OTHER MODES" };
        match exit {
            Ok(exit) => say(&format!("left: {exit:?}, {same}\n")),
            Err(error) => say(&format!("failed: {error}, {same}\n")),
        }
        batch = false;
    }
    runtime.shutdown_background();
}
