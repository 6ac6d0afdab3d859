//! Turns console records into safe terminal output: sanitized text ([`sanitize`]), separate streams, pictures, and
//! lines for HTML, Markdown, formulas and JSON ([`Table`] among them). [`Console`] is the entry point.
//!
//! This module does not talk to a server, read the keyboard, or decide when a cell begins.

mod buffered_writer;
mod console;
mod document;
mod errors;
pub(crate) mod highlight;
mod image_viewer;
mod lines;
mod live;
mod media;
mod partial;
mod passed_terminal;
mod rich;
pub mod sanitize;
mod show;
mod traceback;

pub use console::{Console, ConsoleOptions, Flow, RenderError, Stream};
pub use document::{Align, HeaderCell, Table, is_missing};
pub use image_viewer::{Blocks, GraphicsCapabilities, ImageViewer, Overlay, Part, Slide, Slides};
pub use media::Medium;
pub use partial::PartialLine;
pub use passed_terminal::PassedTerminal;
pub use show::{PictureJob, PictureResult};
