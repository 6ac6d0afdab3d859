//! Pictures, through a console whose output is discarded.

use bai_protocol::record::ConsoleRecord;
use bai_repl::render::{Console, ConsoleOptions};
use bai_repl::terminal::{ColorDepth, Graphics, Screen, Size};
use bai_repl::theme::Theme;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// SVG as a program may send it.
pub fn svg(bytes: &[u8]) {
    show("image/svg+xml", [String::from_utf8_lossy(bytes).into_owned()]);
}

/// Drawings as JSON or in base64: records on one canvas, separated by a byte 0xff.
pub fn drawing(bytes: &[u8]) {
    let records = bytes.split(|byte| *byte == 0xff);
    show("application/x-sorna-drawing", records.map(|record| String::from_utf8_lossy(record).into_owned()));
}

/// A picture of pixels. The first byte is its declared format, which need not be the real one.
pub fn raster(bytes: &[u8]) {
    const FORMATS: [&str; 5] = ["png", "jpeg", "gif", "webp", "bmp"];
    let Some((format, picture)) = bytes.split_first() else { return };
    let mime = format!("image/{}", FORMATS[usize::from(*format) % FORMATS.len()]);
    let data = format!("data:{mime};base64,{}", STANDARD.encode(picture));
    show(&mime, [data]);
}

/// Shows media one after another.
fn show(mime: &str, bodies: impl IntoIterator<Item = String>) {
    let screen = Screen::ideal(ColorDepth::TrueColor);
    let size = Size { cols: 20, rows: 10, pixels: None };
    let options = ConsoleOptions {
        repl: true,
        graphics: Graphics::Kitty,
        ..ConsoleOptions::new(screen, size, Arc::new(Theme::plain()))
    };
    let mut console = Console::new(std::io::sink(), std::io::sink(), options);
    for data in bodies {
        let _ = console.record(&ConsoleRecord::Media { mime: mime.to_owned(), data });
    }
}
