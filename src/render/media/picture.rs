//! What can be shown as pixels, whatever it is made of: as one still, or as frames.

use std::sync::Arc;

use super::canvas::Canvas;
use super::data::{Medium, essence, is_raster};
use super::drawing::{self, Scene};
use super::frame::{Frames, PictureError, Still};
use super::{raster, svg};

/// Where an SVG file says what it is: behind a declaration and comments.
const SVG_HEAD: usize = 1024;

/// Something to look at.
#[derive(Clone, Debug)]
pub(in crate::render) enum Picture {
    /// PNG, JPEG, GIF, WebP or BMP.
    Raster(Arc<[u8]>),
    /// SVG.
    Svg(Arc<[u8]>),
    /// A drawing's canvas.
    Drawing(Arc<Scene>),
}

impl Picture {
    /// What a medium shows, if it is of a kind that shows anything by itself.
    pub(in crate::render) fn of(medium: &Medium) -> Option<Self> {
        let bytes = Arc::clone(&medium.bytes);
        match essence(&medium.mime).as_str() {
            "image/svg+xml" => Some(Self::Svg(bytes)),
            _ => is_raster(&medium.mime).then_some(Self::Raster(bytes)),
        }
    }

    /// What a file shows, told by its content.
    pub(in crate::render) fn of_file(bytes: &[u8]) -> Option<Self> {
        if image::guess_format(bytes).is_ok() {
            return Some(Self::Raster(bytes.into()));
        }
        let start = String::from_utf8_lossy(bytes.get(..bytes.len().min(SVG_HEAD))?);
        let start = start.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let is_svg = start.starts_with("<svg") || (start.starts_with('<') && start.contains("<svg"));
        is_svg.then(|| Self::Svg(bytes.into()))
    }

    /// The pixels of what is to be seen in the end. It may take long: see [`super::run_with_limit()`].
    pub(in crate::render) fn still(&self, canvas: &Canvas) -> Result<Still, PictureError> {
        match self {
            Self::Raster(bytes) => raster::still(bytes, canvas),
            Self::Svg(bytes) => svg::still(bytes, canvas),
            Self::Drawing(scene) => drawing::still(scene, canvas),
        }
    }

    /// The frames, if it moves, as they are made.
    pub(in crate::render) fn frames(&self, canvas: Canvas) -> Option<Frames> {
        match self {
            Self::Raster(bytes) => raster::frames(bytes, canvas),
            Self::Svg(_) => None,
            Self::Drawing(scene) => drawing::frames(scene, canvas),
        }
    }

    /// The file that it came as, if it is one.
    pub(in crate::render) fn as_it_came(&self) -> Option<&Arc<[u8]>> {
        match self {
            Self::Raster(bytes) | Self::Svg(bytes) => Some(bytes),
            Self::Drawing(_) => None,
        }
    }

    /// The extension of a file of it.
    pub(in crate::render) fn extension(&self) -> &'static str {
        match self {
            Self::Svg(_) => "svg",
            Self::Raster(bytes) => {
                let format = image::guess_format(bytes).ok();
                format.and_then(|format| format.extensions_str().first().copied()).unwrap_or("bin")
            }
            Self::Drawing(_) => "png",
        }
    }
}
