//! HTML, Markdown, LaTeX and JSON from arbitrary text through the console: the only sequences in the output are our own, and the
//! reader terminates.
//!
//! The first byte is the width of the window.

use bai_protocol::record::ConsoleRecord;
use bai_repl::render::{Console, ConsoleOptions};
use bai_repl::terminal::{ColorDepth, Screen, Size};
use bai_repl::theme::Theme;
use std::sync::Arc;

/// A width and a text.
pub fn text(bytes: &[u8]) {
    let Some((width, text)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(text).into_owned();
    let screen = Screen { no_color: true, ..Screen::ideal(ColorDepth::None) };
    let size = Size { cols: u16::from(*width).max(1), rows: 24, pixels: None };
    let options =
        ConsoleOptions { repl: true, ..ConsoleOptions::new(screen, size, Arc::new(Theme::plain())) };
    let mut out = Vec::new();
    let mut console = Console::new(&mut out, std::io::sink(), options);
    for record in [
        ConsoleRecord::Html(text.clone()),
        ConsoleRecord::Media { mime: "text/markdown".into(), data: text.clone() },
        ConsoleRecord::Media { mime: "text/latex".into(), data: text.clone() },
        ConsoleRecord::Media { mime: "application/json".into(), data: text },
    ] {
        let _ = console.record(&record);
        let _ = console.end_cell();
    }
    drop(console);
    assert!(!out.contains(&0x1b));
}
