//! Kitty's graphics protocol: PNG in pieces. With `q=2` the terminal does not answer, because the answer would appear
//! in the prompt.
//!
//! In tmux the picture is sent past tmux to the terminal, and tmux gets Unicode placeholders for the picture's cells.
//! The terminal draws the picture at the placeholders, even when tmux scrolls or redraws.

mod diacritics;

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbaImage;

use super::DrawError;
use crate::render::media::canvas::Cells;
use crate::render::media::frame::to_png;
use crate::terminal::{ColorDepth, passthrough};

/// The most characters of base64 in one piece.
const PIECE: usize = 4096;

/// The placeholder for a cell of a picture.
const PLACEHOLDER: char = '\u{10eeee}';

/// Draws at the cursor. With an id the picture can be removed.
pub(super) fn encode(pixels: &RgbaImage, id: Option<u32>) -> Result<Vec<u8>, DrawError> {
    let mut out = Vec::new();
    let id = id.map(|id| format!(",i={id}")).unwrap_or_default();
    for piece in pieces(pixels, &format!("a=T{id},f=100,q=2"))? {
        out.extend_from_slice(piece.as_bytes());
    }
    Ok(out)
}

/// Draws at the cursor, through tmux. The cursor ends behind the last placeholder.
pub(super) fn encode_for_tmux(pixels: &RgbaImage, cells: Cells, id: u32) -> Result<Vec<u8>, DrawError> {
    let most = u16::try_from(diacritics::count()).unwrap_or(u16::MAX);
    let (cols, rows) = (cells.cols.min(most), cells.rows.min(most));
    let mut out = Vec::new();
    for piece in pieces(pixels, &format!("a=T,U=1,i={id},c={cols},r={rows},f=100,q=2"))? {
        out.extend_from_slice(passthrough(&piece).as_bytes());
    }
    // The colour encodes the picture's id.
    let color = match id {
        0..=255 => format!("\x1b[38;5;{id}m"),
        _ => format!("\x1b[38;2;{};{};{}m", id >> 16, id >> 8 & 0xff, id & 0xff),
    };
    for row in 0..rows {
        if row > 0 {
            // Returns to the picture's first column, wherever that is and whether or not a line feed returns the
            // carriage.
            write!(out, "\n\x1b[{cols}D")?;
        }
        out.extend_from_slice(color.as_bytes());
        for col in 0..cols {
            let marks = [PLACEHOLDER, diacritics::of(row), diacritics::of(col)];
            out.extend(marks.iter().collect::<String>().bytes());
        }
        out.extend_from_slice(b"\x1b[39m");
    }
    Ok(out)
}

/// Returns the picture as a series of sequences. `first` holds the keys of the first one.
fn pieces(pixels: &RgbaImage, first: &str) -> Result<Vec<String>, DrawError> {
    let png = to_png(pixels).map_err(|error| DrawError::Encode(error.to_string()))?;
    let encoded = STANDARD.encode(png);
    let mut rest = encoded.as_str();
    let mut control = first;
    let mut pieces = Vec::with_capacity(encoded.len() / PIECE + 1);
    loop {
        let (piece, after) = rest.split_at_checked(PIECE).unwrap_or((rest, ""));
        let more = u8::from(!after.is_empty());
        pieces.push(format!("\x1b_G{control},m={more};{piece}\x1b\\"));
        if after.is_empty() {
            return Ok(pieces);
        }
        (rest, control) = (after, "q=2");
    }
}

/// Returns an id that other programs at this terminal probably do not use. It is small if the terminal has few colours.
pub(super) fn next_id(colors: ColorDepth) -> u32 {
    static FIRST: OnceLock<u32> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = FIRST.get_or_init(|| fastrand::u32(..)).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    match colors {
        ColorDepth::TrueColor => 256 + number % (0x00ff_ffff - 256),
        // The first sixteen colours depend on the colour scheme, so no id uses them.
        _ => 16 + number % 240,
    }
}

/// The sequence that removes a picture from the window, and its data from the terminal.
pub(super) fn removal(id: u32) -> String {
    format!("\x1b_Ga=d,d=I,i={id},q=2\x1b\\")
}

/// The sequence that removes all pictures from the window.
pub(super) const CLEAR: &str = "\x1b_Ga=d,d=A,q=2\x1b\\";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_colours_that_there_are() {
        let ids: Vec<u32> = (0..100).map(|_| next_id(ColorDepth::TrueColor)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(ids.iter().all(|id| (256..=0x00ff_ffff).contains(id)));
        assert!((0..1000).all(|_| (16..=255).contains(&next_id(ColorDepth::Ansi256))));
    }

    #[test]
    fn in_tmux_every_cell_has_its_position() {
        let pixels = RgbaImage::new(24, 32);
        let out = encode_for_tmux(&pixels, Cells { cols: 3, rows: 2 }, 300).unwrap();
        let text = String::from_utf8(out).unwrap();
        let (sent, shown) = text.rsplit_once("\x1b\x1b\\\x1b\\").unwrap();
        assert!(sent.starts_with("\x1bPtmux;\x1b\x1b_Ga=T,U=1,i=") && sent.contains("c=3,r=2"), "{sent:?}");
        let rows: Vec<&str> = shown.split("\n\x1b[3D").collect();
        assert_eq!(rows.len(), 2);
        assert!(rows[1].contains("\u{10eeee}\u{30d}\u{305}\u{10eeee}\u{30d}\u{30d}\u{10eeee}\u{30d}\u{30e}"));
    }
}
