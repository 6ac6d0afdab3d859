//! A console whose output is discarded, for the media targets.

use bai_protocol::record::ConsoleRecord;
use bai_repl::render::{Console, ConsoleOptions};
use bai_repl::terminal::{ColorDepth, Graphics, Screen, Size};
use bai_repl::theme::Theme;
use std::sync::Arc;

/// Shows media one after another.
pub fn show<'a>(mime: &str, bodies: impl IntoIterator<Item = &'a [u8]>) {
    let screen = Screen::ideal(ColorDepth::TrueColor);
    let size = Size { cols: 20, rows: 10, pixels: None };
    let options = ConsoleOptions {
        repl: true,
        graphics: Graphics::Kitty,
        ..ConsoleOptions::new(screen, size, Arc::new(Theme::plain()))
    };
    let mut console = Console::new(std::io::sink(), std::io::sink(), options);
    for body in bodies {
        let data = String::from_utf8_lossy(body).into_owned();
        let _ = console.record(&ConsoleRecord::Media { mime: mime.to_owned(), data });
    }
}
