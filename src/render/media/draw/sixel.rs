//! DEC's sixel format, encoded by icy_sixel at the true size of the cells.

use icy_sixel::{EncodeOptions, SixelError, SixelImage};
use image::RgbaImage;

use super::DrawError;

pub(super) fn encode(pixels: RgbaImage) -> Result<Vec<u8>, DrawError> {
    let failed = |error: SixelError| DrawError::Encode(error.to_string());
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let image = SixelImage::try_from_rgba(pixels.into_raw(), width, height).map_err(failed)?;
    Ok(image.encode_with(&EncodeOptions::default()).map_err(failed)?.into_bytes())
}
