//! Media records: what is in them, as pictures, as text, or as a remark that says what it is.
//!
//! A medium becomes a [`Picture`] where it can, a picture becomes pixels that fit a [`Canvas`], and pixels become what
//! a terminal understands, on a [`DrawingSurface`]. All of it is untrusted: every step has limits on bytes, pixels and time, and
//! works on a thread of its own where a bad input could take long.

mod canvas;
mod data;
mod draw;
mod drawing;
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
pub(super) use draw::{DrawError, Drawn, flatten};
pub(super) use drawing::Canvases;
pub(super) use frame::PictureError;
pub(super) use gitgraph::{GIT_GRAPH, git_graph};
pub(super) use picture::Picture;
pub(super) use save::save;
pub(super) use time_limit::run_with_limit;
