//! Builds the blocks of a document while it is read from start to end. It keeps the open lists and quotations, and the
//! current text.

use super::{Block, MAX_DEPTH, Mark, Span};
use crate::render::sanitize;

/// An open block that contains other blocks.
#[derive(Debug)]
enum Open {
    Document,
    Quote,
    List { first: Option<u64>, items: Vec<Vec<Block>> },
    Item,
}

/// A document that is being read.
#[derive(Debug)]
pub(super) struct Builder {
    open: Vec<(Open, Vec<Block>)>,
    /// How many blocks are open beyond the depth limit and still have to be closed.
    too_deep: usize,
    text: Vec<Span>,
    heading: Option<u8>,
    pub(super) mark: Mark,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            open: vec![(Open::Document, Vec::new())],
            too_deep: 0,
            text: Vec::new(),
            heading: None,
            mark: Mark::default(),
        }
    }

    /// Adds a block at the current position.
    pub(super) fn push(&mut self, block: Block) {
        self.end_text();
        self.put(block);
    }

    fn put(&mut self, block: Block) {
        // A list contains items only. Other content in a list belongs to the last item.
        if let Some((Open::List { items, .. }, _)) = self.open.last_mut() {
            match items.last_mut() {
                Some(item) => item.push(block),
                None => items.push(vec![block]),
            }
        } else if let Some((_, blocks)) = self.open.last_mut() {
            blocks.push(block);
        }
    }

    /// Adds text with the current marks and keeps its spaces.
    pub(super) fn exact(&mut self, text: &str) {
        let text = sanitize::text(text);
        match self.text.last_mut() {
            Some(last) if last.mark == self.mark => last.text.push_str(&text),
            _ => self.text.push(Span { text, mark: self.mark.clone() }),
        }
    }

    /// Adds text and collapses runs of spaces and line ends into one space. A line does not start with a space.
    pub(super) fn flowing(&mut self, text: &str) {
        let mut flowing = String::with_capacity(text.len());
        let mut after_space = match self.text.last() {
            None => true,
            Some(last) => last.text.ends_with([' ', '\n']),
        };
        for c in text.chars() {
            let is_space = matches!(c, ' ' | '\n' | '\t' | '\r' | '\x0c');
            if !(is_space && after_space) {
                flowing.push(if is_space { ' ' } else { c });
            }
            after_space = is_space;
        }
        if !flowing.is_empty() {
            self.exact(&flowing);
        }
    }

    /// Ends the line inside a paragraph.
    pub(super) fn line_break(&mut self) {
        if !self.text.is_empty() {
            self.exact("\n");
        }
    }

    /// Starts a heading. The text up to the next block belongs to it.
    pub(super) fn heading(&mut self, level: u8) {
        self.end_text();
        self.heading = Some(level.clamp(1, 6));
    }

    /// Ends the paragraph or heading.
    pub(super) fn end_text(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        let heading = self.heading.take();
        if let Some(last) = text.last_mut() {
            last.text.truncate(last.text.trim_end().len());
        }
        text.retain(|span| !span.text.is_empty());
        if text.iter().all(|span| span.text.trim().is_empty()) {
            return;
        }
        self.put(match heading {
            Some(level) => Block::Heading(level, text),
            None => Block::Paragraph(text),
        });
    }

    /// Takes the text since the last block.
    pub(super) fn take_text(&mut self) -> String {
        std::mem::take(&mut self.text).into_iter().map(|span| span.text).collect()
    }

    pub(super) fn open_quote(&mut self) {
        self.open(Open::Quote);
    }

    pub(super) fn open_list(&mut self, first: Option<u64>) {
        self.open(Open::List { first, items: Vec::new() });
    }

    /// Opens an item and closes the open item of the same list.
    pub(super) fn open_item(&mut self) {
        if self.too_deep > 0 {
            self.end_text();
            return;
        }
        if matches!(self.open.last(), Some((Open::Item, _))) {
            self.close();
        }
        if !matches!(self.open.last(), Some((Open::List { .. }, _))) {
            self.open_list(None);
        }
        self.open(Open::Item);
    }

    fn open(&mut self, what: Open) {
        self.end_text();
        if self.open.len() > 2 * MAX_DEPTH || self.too_deep > 0 {
            self.too_deep += 1;
        } else {
            self.open.push((what, Vec::new()));
        }
    }

    /// Closes the innermost quotation, if one is open.
    pub(super) fn close_quote(&mut self) {
        self.close_through(|open| matches!(open, Open::Quote));
    }

    /// Closes the innermost list, if one is open.
    pub(super) fn close_list(&mut self) {
        self.close_through(|open| matches!(open, Open::List { .. }));
    }

    /// Closes the innermost item, if one is open.
    pub(super) fn close_item(&mut self) {
        if self.too_deep == 0 && matches!(self.open.last(), Some((Open::Item, _))) {
            self.close();
        } else {
            self.end_text();
        }
    }

    fn close_through(&mut self, is_it: impl Fn(&Open) -> bool) {
        self.end_text();
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        let Some(at) = self.open.iter().rposition(|(open, _)| is_it(open)) else { return };
        while self.open.len() > at.max(1) {
            self.close();
        }
    }

    fn close(&mut self) {
        self.end_text();
        if self.open.len() <= 1 {
            return;
        }
        let Some((what, blocks)) = self.open.pop() else { return };
        match what {
            Open::Document => {}
            Open::Quote if blocks.is_empty() => {}
            Open::Quote => self.put(Block::Quote(blocks)),
            Open::List { items, .. } if items.is_empty() => {}
            Open::List { first, items } => self.put(Block::List { first, items }),
            Open::Item => {
                if let Some((Open::List { items, .. }, _)) = self.open.last_mut() {
                    items.push(blocks);
                }
            }
        }
    }

    /// Closes all open blocks and returns the document.
    pub(super) fn finish(mut self) -> Vec<Block> {
        self.end_text();
        while self.open.len() > 1 {
            self.close();
        }
        self.open.pop().map(|(_, blocks)| blocks).unwrap_or_default()
    }
}
