//! Raster images from their bytes, scaled for the terminal, within limits.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use image::imageops::FilterType;
use image::{DynamicImage, ImageError, ImageReader, Limits, RgbaImage};
use thiserror::Error;

use super::fit::Canvas;
use super::within;

/// Most pixels on a side.
const MAX_SIDE: u32 = 10_000;

/// Most memory that a decoder may take, in bytes: enough for 33 megapixels.
const MAX_MEMORY: u64 = 128 * 1024 * 1024;

/// Longest time for one picture. A plot takes some ten milliseconds.
const MAX_TIME: Duration = Duration::from_secs(5);

/// Why a picture is not shown, as part of a sentence.
#[derive(Debug, Error, PartialEq, Eq)]
pub(in crate::render) enum PictureError {
    #[error("too large to show")]
    TooLarge,
    #[error("not a picture of a known format")]
    Unknown,
    #[error("damaged: {0}")]
    Damaged(String),
    #[error("it takes too long to read")]
    TooSlow,
}

/// A picture that fits its canvas.
pub(in crate::render) struct Picture {
    /// The pixels to draw.
    pub(in crate::render) pixels: RgbaImage,
    /// The size of the original in pixels.
    pub(in crate::render) original: (u32, u32),
}

/// Decodes the first frame and scales it to fit. The format is told by the content, whatever the record said.
pub(in crate::render) fn picture(bytes: &Arc<[u8]>, canvas: Canvas) -> Result<Picture, PictureError> {
    let bytes = Arc::clone(bytes);
    let job = move || {
        let image = decode(&bytes)?;
        let original = (image.width(), image.height());
        Ok(Picture { pixels: scale(image, canvas), original })
    };
    within(MAX_TIME, job).unwrap_or(Err(PictureError::TooSlow))
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, PictureError> {
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| PictureError::Unknown)?;
    if reader.format().is_none() {
        return Err(PictureError::Unknown);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    reader.decode().map_err(|error| match error {
        ImageError::Limits(_) => PictureError::TooLarge,
        ImageError::Unsupported(_) => PictureError::Unknown,
        other => PictureError::Damaged(crate::render::sanitize::line(&other.to_string(), 100)),
    })
}

fn scale(image: DynamicImage, canvas: Canvas) -> RgbaImage {
    let (width, height) = canvas.fit(image.width(), image.height());
    if (width, height) == (image.width(), image.height()) {
        return image.into_rgba8();
    }
    // Far smaller: averaging whole blocks is ten times faster than a filter, and as good to look at.
    let scaled = if image.width() / width >= 2 || image.height() / height >= 2 {
        image.thumbnail_exact(width, height)
    } else {
        image.resize_exact(width, height, FilterType::Triangle)
    };
    scaled.into_rgba8()
}

#[cfg(test)]
mod tests;
