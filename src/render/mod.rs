//! Console records to what a terminal may be shown: text made harmless ([`sanitize`]), streams told apart, pictures,
//! HTML, Markdown, formulas and JSON as lines ([`Table`] among them), all through [`Console`].
//!
//! Nothing here talks to a server, reads the keyboard, or decides when a cell begins.

mod buffered_writer;
mod console;
mod document;
mod errors;
pub(crate) mod highlight;
mod image_viewer;
mod media;
mod partial;
mod rich;
pub mod sanitize;
mod show;
mod traceback;

pub use console::{Console, ConsoleOptions, Flow, RenderError, Stream};
pub use document::{Align, HeaderCell, Table, is_missing};
pub use image_viewer::{Blocks, GraphicsCapabilities, ImageViewer, Overlay, Part, Slide, Slides};
pub use media::Medium;
pub use partial::PartialLine;
pub use show::{PictureJob, PictureResult};
