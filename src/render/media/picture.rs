//! What can be shown as pixels, whatever it is made of: as one still, or as frames.

use std::sync::Arc;
use std::time::Duration;

use image::RgbaImage;
use thiserror::Error;

use super::canvas::Canvas;
use super::data::{Medium, is_raster};
use super::raster;

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

/// Something to look at.
#[derive(Clone, Debug)]
pub(in crate::render) enum Picture {
    /// PNG, JPEG, GIF, WebP or BMP.
    Raster(Arc<[u8]>),
}

/// A picture that fits its canvas.
#[derive(Debug)]
pub(in crate::render) struct Still {
    /// The pixels to draw.
    pub(in crate::render) pixels: RgbaImage,
    /// The size of the original in pixels.
    pub(in crate::render) original: (u32, u32),
}

/// One of the pictures that make one that moves.
#[derive(Debug)]
pub(in crate::render) struct Frame {
    /// The pixels to draw.
    pub(in crate::render) pixels: RgbaImage,
    /// How long it is shown.
    pub(in crate::render) delay: Duration,
}

/// Frames as they are made, on one thread.
pub(in crate::render) type Frames = Box<dyn Iterator<Item = Result<Frame, PictureError>>>;

impl Picture {
    /// What a medium shows, if it is of a kind that shows anything.
    pub(in crate::render) fn of(medium: &Medium) -> Option<Self> {
        is_raster(&medium.mime).then(|| Self::Raster(Arc::clone(&medium.bytes)))
    }

    /// The pixels of what is to be seen in the end. It may take long: see [`super::within()`].
    pub(in crate::render) fn still(&self, canvas: &Canvas) -> Result<Still, PictureError> {
        match self {
            Self::Raster(bytes) => raster::still(bytes, canvas),
        }
    }

    /// The frames, if it moves, as they are made.
    pub(in crate::render) fn frames(&self, canvas: Canvas) -> Option<Frames> {
        match self {
            Self::Raster(bytes) => raster::frames(bytes, canvas),
        }
    }
}
