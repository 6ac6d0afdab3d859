//! Media records: shown as pictures, as text, or as a note that says what they are.
//!
//! A medium becomes a [`Picture`] if possible, a picture becomes pixels that fit a [`Canvas`], and a [`DrawingSurface`]
//! encodes the pixels for the terminal. All media are untrusted: each step limits bytes, pixels and time, and runs on a
//! separate thread if a bad input could take long.

mod canvas;
mod data;
mod draw;
mod drawing;
mod embedded;
mod frame;
mod gitgraph;
mod picture;
mod raster;
mod save;
mod svg;
mod time_limit;

pub(super) use canvas::{Canvas, DrawingSurface, Place};
pub use data::Medium;
pub(super) use data::{DRAWING, essence};
pub(super) use draw::{DrawError, EncodedPicture, flatten};
pub(super) use drawing::Canvases;
pub(super) use embedded::without_media;
pub(super) use frame::PictureError;
pub(super) use gitgraph::{GIT_GRAPH, git_graph};
pub(super) use picture::Picture;
pub(super) use save::save;
pub(super) use time_limit::run_with_limit;
