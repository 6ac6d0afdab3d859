//! Pixels onto the terminal, by the means that it has proved to have: one driver for each, in a file of its own.
//!
//! Half blocks are viuer's. The others are written here: viuer asks the terminal before each picture and reads the answer
//! from the keyboard, where it would swallow what the user types ahead, and wait for ever for a terminal that has stopped
//! to answer; and it takes iTerm2's protocol only from environments that are its own.

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

/// A picture in the terminal's language.
pub(in crate::render) struct Drawn {
    form: Form,
    /// The room that it takes.
    pub(in crate::render) cells: Cells,
}

enum Form {
    /// To be written where the picture begins; the cursor stays in its last row.
    Sequences(Vec<u8>),
    /// To be drawn by viuer, straight on standard output.
    Blocks(RgbaImage, ColorDepth),
}

impl Drawn {
    /// Takes away whatever kitty's protocol has drawn in the window.
    pub(in crate::render) const CLEAR_KITTY: &str = kitty::CLEAR;

    /// Puts pixels, which fit the paper's canvas, into the terminal's language.
    pub(in crate::render) fn new(mut pixels: RgbaImage, surface: &DrawingSurface) -> Result<Self, DrawError> {
        let cells = surface.canvas.cells((pixels.width(), pixels.height()));
        if let Some(background) = surface.background
            && matches!(surface.graphics, Graphics::Sixel | Graphics::Blocks)
        {
            flatten(&mut pixels, [background.r, background.g, background.b]);
        }
        let sequences = match surface.graphics {
            Graphics::None => Vec::new(),
            Graphics::Blocks => return Ok(Self { form: Form::Blocks(pixels, surface.colors), cells }),
            Graphics::Sixel => sixel::encode(pixels)?,
            Graphics::Iterm2 => iterm2::encode(&pixels, cells)?,
            Graphics::Kitty => kitty::encode(&pixels)?,
            Graphics::KittyTmux => kitty::encode_for_tmux(&pixels, cells, surface.colors)?,
        };
        Ok(Self { form: Form::Sequences(sequences), cells })
    }

    /// Draws it at the cursor, which is in column 0 and ends in column 0 below. What `out` has is written first.
    pub(in crate::render) fn inline(self, out: &mut impl Write) -> Result<(), DrawError> {
        match self.form {
            Form::Sequences(sequences) => {
                out.write_all(&sequences)?;
                Ok(out.write_all(b"\n")?)
            }
            Form::Blocks(pixels, colors) => {
                out.flush()?;
                blocks::print(pixels, self.cells, colors, None)
            }
        }
    }

    /// Draws it at a place in the window. What `out` has is written first.
    pub(in crate::render) fn at(self, place: Place, out: &mut impl Write) -> Result<(), DrawError> {
        match self.form {
            Form::Sequences(sequences) => {
                queue!(out, MoveTo(place.col, place.row))?;
                Ok(out.write_all(&sequences)?)
            }
            Form::Blocks(pixels, colors) => {
                out.flush()?;
                blocks::print(pixels, self.cells, colors, Some(place))
            }
        }
    }
}

/// Lays pixels on a colour.
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
