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
use crate::terminal::{ColorDepth, Graphics};

/// Why a picture was not drawn.
#[derive(Debug, Error)]
pub(in crate::render) enum DrawError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("cannot encode it for this terminal: {0}")]
    Encode(String),
}

/// A picture, encoded for the terminal.
pub(in crate::render) struct EncodedPicture {
    encoding: Encoding,
    /// The size of the picture.
    pub(in crate::render) cells: Cells,
}

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
        let sequences = match surface.graphics {
            Graphics::None => Vec::new(),
            Graphics::Blocks => {
                return Ok(Self { encoding: Encoding::Blocks(pixels, surface.colors), cells });
            }
            Graphics::Sixel => sixel::encode(pixels)?,
            Graphics::Iterm2 => iterm2::encode(&pixels, cells)?,
            Graphics::Kitty => kitty::encode(&pixels)?,
            Graphics::KittyTmux => kitty::encode_for_tmux(&pixels, cells, surface.colors)?,
        };
        Ok(Self { encoding: Encoding::Sequences(sequences), cells })
    }

    /// Draws the picture at the cursor, which is in column 0 and ends in column 0 below the picture. The buffer of
    /// `out` is written first.
    pub(in crate::render) fn inline(self, out: &mut impl Write) -> Result<(), DrawError> {
        match self.encoding {
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
