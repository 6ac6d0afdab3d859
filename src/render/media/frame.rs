//! The pixels of a picture that fit its canvas, still or animated, and the reasons why there are none.

use std::time::Duration;

use image::{ImageError, RgbaImage};
use thiserror::Error;

use super::time_limit::JobError;

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

impl From<JobError> for PictureError {
    fn from(undone: JobError) -> Self {
        match undone {
            JobError::TimedOut => Self::TooSlow,
            JobError::Failed => Self::Damaged("what reads it has failed".to_owned()),
        }
    }
}

/// A picture that fits its canvas.
#[derive(Debug)]
pub(in crate::render) struct Still {
    /// The pixels to draw.
    pub(in crate::render) pixels: RgbaImage,
    /// The size of the original in pixels.
    pub(in crate::render) original: (u32, u32),
}

/// One frame of an animation.
#[derive(Debug)]
pub(in crate::render) struct Frame {
    /// The pixels to draw.
    pub(in crate::render) pixels: RgbaImage,
    /// How long it is shown.
    pub(in crate::render) delay: Duration,
}

/// The frames of an animation, made one by one on the consumer's thread.
pub(in crate::render) type Frames = Box<dyn Iterator<Item = Result<Frame, PictureError>>>;

impl Still {
    /// Returns the picture as a PNG file.
    pub(in crate::render) fn to_png(&self) -> Result<Vec<u8>, PictureError> {
        to_png(&self.pixels).map_err(|error| PictureError::Damaged(error.to_string()))
    }
}

/// Encodes pixels as a PNG file. Prefers speed over size.
pub(super) fn to_png(pixels: &RgbaImage) -> Result<Vec<u8>, ImageError> {
    use image::ImageEncoder;
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Sub);
    encoder.write_image(pixels, pixels.width(), pixels.height(), image::ExtendedColorType::Rgba8)?;
    Ok(png)
}
