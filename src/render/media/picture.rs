//! Media that can be shown as pixels: as a still picture or as frames.

use std::sync::Arc;

use super::canvas::Canvas;
use super::data::{Medium, essence, is_raster};
use super::drawing::{self, Scene};
use super::frame::{Frames, PictureError, Still};
use super::{raster, svg};

/// How far into a file the `<svg` tag may start, after a declaration and comments.
const SVG_HEAD: usize = 1024;

/// A picture of any format.
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
    /// Returns the picture of a medium, if its type is a picture that needs no other data.
    pub(in crate::render) fn of(medium: &Medium) -> Option<Self> {
        let bytes = Arc::clone(&medium.bytes);
        match essence(&medium.mime).as_str() {
            "image/svg+xml" => Some(Self::Svg(bytes)),
            _ => is_raster(&medium.mime).then_some(Self::Raster(bytes)),
        }
    }

    /// Returns the picture of a file, by its content.
    pub(in crate::render) fn of_file(bytes: &[u8]) -> Option<Self> {
        if image::guess_format(bytes).is_ok() {
            return Some(Self::Raster(bytes.into()));
        }
        let start = String::from_utf8_lossy(bytes.get(..bytes.len().min(SVG_HEAD))?);
        let start = start.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let is_svg = start.starts_with("<svg") || (start.starts_with('<') && start.contains("<svg"));
        is_svg.then(|| Self::Svg(bytes.into()))
    }

    /// Returns the pixels of the final state. This may take long: see [`super::run_with_limit()`].
    pub(in crate::render) fn still(&self, canvas: &Canvas) -> Result<Still, PictureError> {
        match self {
            Self::Raster(bytes) => raster::still(bytes, canvas),
            Self::Svg(bytes) => svg::still(bytes, canvas),
            Self::Drawing(scene) => drawing::still(scene, canvas),
        }
    }

    /// Returns the frames of an animation, each made when it is needed.
    pub(in crate::render) fn frames(&self, canvas: Canvas) -> Option<Frames> {
        match self {
            Self::Raster(bytes) => raster::frames(bytes, canvas),
            Self::Svg(_) => None,
            Self::Drawing(scene) => drawing::frames(scene, canvas),
        }
    }

    /// Returns the original file, if there is one.
    pub(in crate::render) fn original_bytes(&self) -> Option<&Arc<[u8]>> {
        match self {
            Self::Raster(bytes) | Self::Svg(bytes) => Some(bytes),
            Self::Drawing(_) => None,
        }
    }

    /// Returns the file extension.
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
