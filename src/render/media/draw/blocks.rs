//! Half blocks in colours, drawn by viuer, which writes to standard output itself.

use image::{DynamicImage, RgbaImage};

use super::DrawError;
use crate::render::media::canvas::{Cells, Place};
use crate::terminal::ColorDepth;

/// Prints `pixels` on this many cells, at the cursor or at a place in the window.
pub(super) fn print(
    pixels: RgbaImage,
    cells: Cells,
    colors: ColorDepth,
    place: Option<Place>,
) -> Result<(), DrawError> {
    let config = viuer::Config {
        transparent: true,
        absolute_offset: place.is_some(),
        x: place.map_or(0, |place| place.col),
        y: place.map_or(0, |place| i16::try_from(place.row).unwrap_or(i16::MAX)),
        width: Some(cells.cols.into()),
        height: Some(cells.rows.into()),
        truecolor: colors == ColorDepth::TrueColor,
        use_kitty: false,
        use_iterm: false,
        ..viuer::Config::default()
    };
    viuer::print(&DynamicImage::ImageRgba8(pixels), &config).map_err(|error| match error {
        viuer::ViuError::Io(error) => DrawError::Io(error),
        other => DrawError::Encode(other.to_string()),
    })?;
    Ok(())
}
