//! Console records to what a terminal may be shown: text made harmless ([`sanitize`]), streams told apart, pictures,
//! HTML as text, all through [`Console`].
//!
//! Nothing here talks to a server, reads the keyboard, or decides when a cell begins.

mod console;
mod exhibit;
mod media;
mod partial;
pub mod sanitize;
mod show;
mod sink;

pub use console::{Console, ConsoleOptions, Flow, RenderError, Stream};
pub use exhibit::{Exhibit, Slide, Slides};
pub use media::Medium;
pub use partial::PartialLine;
pub use show::{Painted, Painting};
