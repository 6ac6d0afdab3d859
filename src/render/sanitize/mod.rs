//! Makes remote text harmless. The output is printable text, line feeds, `\r`, `\b`, `\t`, SGR in one canonical form,
//! and cursor moves and erasures that stay inside the lines that this cell has printed. All else is shown in caret form
//! or dropped. Remote text cannot set a title, query the terminal, leave a mode on, write to the clipboard, or
//! overwrite what other programs printed.
//!
//! [`Sanitizer`] is for streams: its state survives input that is cut at any byte, and its memory is bounded.
//! For short strings there are [`name`], [`line()`], [`sentence`] and [`sentences`] (names, and sentences that contain them), and
//! [`text`] (content, such as log lines).

mod chars;
mod cursor;
mod line;
mod pen;
mod sgr;
mod stream;

pub use chars::is_harmless;
pub use cursor::Cursor;
pub use line::{line, name, sentence, sentences, text, title, truncate};
pub use pen::Pen;
pub use sgr::Attributes;
pub use stream::{Policy, Sanitizer};

#[cfg(test)]
mod tests;
