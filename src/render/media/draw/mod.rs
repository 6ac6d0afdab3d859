//! Draws pixels on the terminal with the graphics protocol that it supports. Each protocol has a driver in its own
//! file.
//!
//! viuer draws half blocks. The other drivers are our own: viuer queries the terminal before each picture and reads the
//! answer from the keyboard. There it would swallow what the user types ahead, and wait forever for a terminal that no
//! longer answers. viuer also accepts iTerm2's protocol only in a few environments.

mod blocks;
mod iterm2;
mod kitty;
mod sixel;

use std::io::{self, Write};

use crossterm::cursor::MoveTo;
use crossterm::queue;

use image::RgbaImage;
use thiserror::Error;

use super::canvas::{Cells, DrawingSurface, Place};
use crate::terminal::{ColorDepth, Graphics, passthrough};

/// Why a picture was not drawn.
#[derive(Debug, Error)]
pub(in crate::render) enum DrawError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("cannot encode it for this terminal: {0}")]
    Encode(String),
}

/// A picture, encoded for the terminal.
#[derive(Clone, Debug)]
pub(in crate::render) struct EncodedPicture {
    encoding: Encoding,
    /// The size of the picture.
    pub(in crate::render) cells: Cells,
    /// Whether it surely covers these rows.
    exact: bool,
    /// Whether the cursor returns to the first row after it.
    returns: bool,
    /// The sequence that removes it from the window, where erasing its cells does not.
    pub(in crate::render) removal: Option<String>,
}

#[derive(Clone, Debug)]
enum Encoding {
    /// Sequences that are written at the start of the picture. The cursor stays in the last row.
    Sequences(Vec<u8>),
    /// Pixels that viuer draws directly on standard output.
    Blocks(RgbaImage, ColorDepth),
}

impl EncodedPicture {
    /// The sequence that removes all pictures of kitty's protocol from the window.
    pub(in crate::render) const CLEAR_KITTY: &str = kitty::CLEAR;

    /// Encodes pixels, which must fit the canvas of the surface.
    pub(in crate::render) fn new(mut pixels: RgbaImage, surface: &DrawingSurface) -> Result<Self, DrawError> {
        let cells = surface.canvas.cells((pixels.width(), pixels.height()));
        if let Some(background) = surface.background
            && matches!(surface.graphics, Graphics::Sixel | Graphics::Blocks)
        {
            flatten(&mut pixels, [background.r, background.g, background.b]);
        }
        let (measured, graphics) = (surface.canvas.measured, surface.graphics);
        let exact = measured || !matches!(graphics, Graphics::Kitty | Graphics::Sixel);
        let returns = measured && matches!(graphics, Graphics::Kitty | Graphics::Sixel | Graphics::Iterm2);
        let (sequences, removal) = match surface.graphics {
            Graphics::None => (Vec::new(), None),
            Graphics::Blocks => {
                let encoding = Encoding::Blocks(pixels, surface.colors);
                return Ok(Self { encoding, cells, exact, returns, removal: None });
            }
            Graphics::Sixel => (sixel::encode(pixels)?, None),
            Graphics::Iterm2 => (iterm2::encode(&pixels, cells)?, None),
            Graphics::Kitty => {
                // What follows a picture of unknown height cannot be erased, so neither is the picture.
                let id = exact.then(|| kitty::next_id(ColorDepth::TrueColor));
                (kitty::encode(&pixels, id)?, id.map(kitty::removal))
            }
            Graphics::KittyTmux => {
                let id = kitty::next_id(surface.colors);
                let removal = passthrough(&kitty::removal(id));
                (kitty::encode_for_tmux(&pixels, cells, id)?, Some(removal))
            }
        };
        Ok(Self { encoding: Encoding::Sequences(sequences), cells, exact, returns, removal })
    }

    /// The bytes of it in memory, about.
    pub(in crate::render) fn size(&self) -> usize {
        match &self.encoding {
            Encoding::Sequences(bytes) => bytes.len(),
            Encoding::Blocks(pixels, _) => pixels.as_raw().len(),
        }
    }

    /// The rows that it covers, if that is sure.
    pub(in crate::render) fn rows(&self) -> Option<u16> {
        self.exact.then_some(self.cells.rows)
    }

    /// Draws the picture at the cursor, which is in column 0 and ends in column 0 below the picture. The buffer of
    /// `out` is written first.
    pub(in crate::render) fn inline(self, out: &mut impl Write) -> Result<(), DrawError> {
        match self.encoding {
            // Terminals differ in where the cursor is after such a picture. So its rows are made first, and the cursor returns.
            Encoding::Sequences(sequences) if self.returns => {
                let rows = self.cells.rows;
                let below = "\n".repeat(usize::from(rows));
                write!(out, "{below}\x1b[{rows}A\x1b7")?;
                out.write_all(&sequences)?;
                Ok(write!(out, "\x1b8{below}")?)
            }
            Encoding::Sequences(sequences) => {
                out.write_all(&sequences)?;
                Ok(out.write_all(b"\n")?)
            }
            Encoding::Blocks(pixels, colors) => {
                out.flush()?;
                blocks::print(pixels, self.cells, colors, None)
            }
        }
    }

    /// Draws the picture at a place in the window. The buffer of `out` is written first.
    pub(in crate::render) fn at(self, place: Place, out: &mut impl Write) -> Result<(), DrawError> {
        match self.encoding {
            Encoding::Sequences(sequences) => {
                queue!(out, MoveTo(place.col, place.row))?;
                Ok(out.write_all(&sequences)?)
            }
            Encoding::Blocks(pixels, colors) => {
                out.flush()?;
                blocks::print(pixels, self.cells, colors, Some(place))
            }
        }
    }
}

/// Blends pixels with a background colour.
pub(in crate::render) fn flatten(pixels: &mut RgbaImage, background: [u8; 3]) {
    for pixel in pixels.pixels_mut() {
        let [.., alpha] = pixel.0;
        if alpha == u8::MAX {
            continue;
        }
        let (over, under) = (u32::from(alpha), u32::from(u8::MAX - alpha));
        for (channel, behind) in pixel.0.iter_mut().zip(background) {
            let mixed = (u32::from(*channel) * over + u32::from(behind) * under + 127) / 255;
            *channel = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
        pixel.0[3] = u8::MAX;
    }
}

#[cfg(test)]
mod tests;
