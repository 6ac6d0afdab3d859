//! Text with structure (HTML, Markdown, formulas, JSON) as lines for a terminal: what is read becomes [`Block`]s, which
//! are laid out for a width and painted with the theme.
//!
//! Everything that is read is untrusted. Readers take a bounded number of bytes in time that grows with them, call
//! themselves nowhere, and give text that [`sanitize`](crate::render::sanitize) has passed; what is painted around it is
//! ours alone. Nothing here knows where the lines go.

mod build;
mod fit;
mod html;
mod json;
mod latex;
mod layout;
mod line;
mod markdown;
mod symbols;
mod table;
mod wrap;

pub(in crate::render) use html::read_html;
pub(in crate::render) use json::read_json;
pub(in crate::render) use latex::read_latex;
pub(in crate::render) use layout::{PageSize, lay_out};
pub(in crate::render) use line::{DocumentStyle, Line, paint};
pub(in crate::render) use markdown::read_markdown;
pub use table::{Align, HeaderCell, Table, is_missing};

use std::sync::Arc;

/// Most bytes of a document that are read; the rest is cut off.
pub(in crate::render) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Most lists and quotations inside one another; what lies deeper is shown at this depth.
const MAX_DEPTH: usize = 12;

/// A piece of a document that stands on lines of its own.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::render) enum Block {
    Paragraph(Vec<Span>),
    /// With its level, from 1.
    Heading(u8, Vec<Span>),
    /// Text that is shown as it is; the language may be empty.
    Code {
        language: String,
        text: String,
    },
    /// A formula on lines of its own.
    Formula(String),
    Quote(Vec<Block>),
    List {
        first: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    Rule,
    Table(Arc<Table>),
    /// Lines that are laid out already.
    Lines(Vec<Line>),
}

/// A piece of text in one style. A line feed in it ends the line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::render) struct Span {
    text: String,
    mark: Mark,
}

/// How a piece of text is marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mark {
    strong: bool,
    emphasis: bool,
    strike: bool,
    code: bool,
    math: bool,
    link: Option<Arc<str>>,
}

/// The longest start of `text` that has at most `bytes` bytes.
fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The start of a document that is read, and a sentence when there is more.
fn cut(text: &str, what: &str) -> (String, Option<Block>) {
    let read = head(text, MAX_BYTES);
    let remark = (read.len() < text.len()).then(|| {
        let text = format!("[the first {} MB of {} bytes of {what}]", MAX_BYTES >> 20, text.len());
        Block::Paragraph(vec![Span { text, mark: Mark::default() }])
    });
    (read.to_owned(), remark)
}

#[cfg(test)]
mod tests;
