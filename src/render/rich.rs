//! Structured text in the console: HTML, Markdown, formulas and JSON become lines. The last table is kept, so that the
//! user can view it whole.

use std::io::Write;
use std::sync::Arc;

use super::console::{Console, Flow, RenderError, Stream};
use super::document::{
    Block, DocumentStyle, PageSize, Table, is_drawn_by_script, lay_out, paint, read_html, read_json,
    read_latex, read_markdown,
};
use super::media::{Medium, without_media};
use super::sanitize;
use crate::theme::Signs;

/// The limits for the width of a document, whatever the window's width is.
const WIDTHS: std::ops::RangeInclusive<usize> = 20..=500;

impl<O: Write, E: Write> Console<O, E> {
    /// Returns the last table, complete.
    pub fn last_table(&self) -> Option<Arc<Table>> {
        self.table.clone()
    }

    pub(super) fn html(&mut self, html: &str) -> Result<Flow, RenderError> {
        let (html, media) = without_media(html);
        let blocks = read_html(&html);
        if is_drawn_by_script(&html, &blocks) {
            let medium = Medium { mime: "text/html".to_owned(), bytes: html.as_bytes().into() };
            let saved = self.keep(&medium, None);
            return self.describe(&medium, ", drawn by a script", saved);
        }
        let mut flow = self.document(&blocks)?;
        for medium in &media {
            flow = self.show(medium)?;
        }
        Ok(flow)
    }

    /// Shows text of a structured type as a document, and any other text unchanged.
    pub(super) fn rich_text(&mut self, mime: &str, text: &str) -> Result<Flow, RenderError> {
        let blocks = match mime {
            "text/html" => Some(read_html(text)),
            "text/markdown" => Some(read_markdown(text)),
            "text/latex" => Some(read_latex(text)),
            "application/json" => read_json(text),
            _ if mime.ends_with("+json") => read_json(text),
            _ => None,
        };
        match blocks {
            Some(blocks) => self.document(&blocks),
            None => {
                let mut text = sanitize::text(text);
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                self.own_lines(&text)
            }
        }
    }

    fn document(&mut self, blocks: &[Block]) -> Result<Flow, RenderError> {
        let terminal = self.on_terminal(Stream::Stdout);
        let unicode = self.options.screen.unicode;
        let style = DocumentStyle {
            theme: Arc::clone(&self.options.theme),
            depth: (terminal && !self.options.screen.dumb).then_some(self.options.screen.colors),
            signs: Signs::new(unicode),
            unicode,
            links: self.options.links,
        };
        let width = usize::from(self.options.size.cols).clamp(*WIDTHS.start(), *WIDTHS.end());
        let rows = self.options.max_lines.filter(|_| self.options.repl);
        let (lines, left_out) = lay_out(blocks, PageSize { width, rows }, &style);
        let last = blocks.iter().rev().find_map(|block| match block {
            Block::Table(table) => Some(Arc::clone(table)),
            _ => None,
        });
        let cut = last.as_ref().is_some_and(|table| rows.is_some_and(|rows| table.rows.len() > rows));
        self.table = last.or_else(|| self.table.take());
        let flow = self.own_lines(&paint(&lines, &style))?;
        if left_out == 0 && !cut {
            return Ok(flow);
        }
        let what = match left_out {
            0 => "rows are left out".to_owned(),
            1 => "1 column is left out".to_owned(),
            count => format!("{count} columns are left out"),
        };
        let all = if self.options.repl { "; :table shows all" } else { "" };
        self.note(&format!("[{what}{all}]"))
    }

    /// Writes whole lines that are harmless. On a terminal they contain our own sequences.
    fn own_lines(&mut self, text: &str) -> Result<Flow, RenderError> {
        if !self.on_terminal(Stream::Stdout) {
            return self.text(Stream::Stdout, text);
        }
        self.our_lines(text)
    }
}
