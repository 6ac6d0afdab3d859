//! Structured text (HTML, Markdown, formulas, JSON) as lines for a terminal. The readers produce [`Block`]s, which are
//! laid out for a width and painted with the theme.
//!
//! All input is untrusted. The readers accept a limited number of bytes, run in time proportional to the input, are not
//! recursive, and return text that [`sanitize`](crate::render::sanitize) has passed. The escape sequences around it are
//! only our own. This module does not know where the lines are written.

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

use crate::format;

/// The most bytes of a document that are read. The rest is cut off.
pub(in crate::render) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The deepest nesting of lists and quotations. Deeper content is shown at this depth.
const MAX_DEPTH: usize = 12;

/// A part of a document that occupies whole lines.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::render) enum Block {
    Paragraph(Vec<Span>),
    /// A heading with its level, from 1.
    Heading(u8, Vec<Span>),
    /// Preformatted text. The language may be empty.
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

/// The marks of a piece of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mark {
    strong: bool,
    emphasis: bool,
    strike: bool,
    code: bool,
    math: bool,
    link: Option<Arc<str>>,
}

/// Returns the longest prefix of `text` that has at most `bytes` bytes.
fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Whether HTML, which has become these blocks, has no text of its own: a script draws what a browser shows.
pub(in crate::render) fn is_drawn_by_script(html: &str, blocks: &[Block]) -> bool {
    let remarks = usize::from(html.len() > MAX_BYTES);
    blocks.len() <= remarks && html.contains("<script")
}

/// Cuts a document to the size limit. Returns a notice if something was cut off.
fn cut(text: &str, what: &str) -> (String, Option<Block>) {
    let read = head(text, MAX_BYTES);
    let remark = (read.len() < text.len()).then(|| {
        let (shown, all) = (format::size(MAX_BYTES as u64), format::size(text.len() as u64));
        let text = format!("[the first {shown} of {all} of {what}]");
        Block::Paragraph(vec![Span { text, mark: Mark::default() }])
    });
    (read.to_owned(), remark)
}

#[cfg(test)]
mod tests;
