//! The inline files of iTerm2 (OSC 1337 `File=`), which other terminals also support. The size is given in cells, so
//! the size of a cell does not matter.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbaImage;

use super::DrawError;
use crate::render::media::canvas::Cells;
use crate::render::media::frame::to_png;

pub(super) fn encode(pixels: &RgbaImage, cells: Cells) -> Result<Vec<u8>, DrawError> {
    let png = to_png(pixels).map_err(|error| DrawError::Encode(error.to_string()))?;
    let mut out = Vec::with_capacity(png.len() * 4 / 3 + 128);
    write!(
        out,
        "\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=1:",
        png.len(),
        cells.cols,
        cells.rows
    )?;
    out.extend_from_slice(STANDARD.encode(png).as_bytes());
    out.push(0x07);
    Ok(out)
}
