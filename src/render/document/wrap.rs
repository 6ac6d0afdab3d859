//! Breaks text into lines of a given width, between words if possible.

use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::line::{Line, Piece};
use crate::theme::Role;

/// Fills lines word by word.
pub(super) struct Wrap {
    width: usize,
    lines: Vec<Line>,
    line: Line,
    at: usize,
}

impl Wrap {
    /// Creates an empty text with lines of this width.
    pub(super) fn new(width: usize) -> Self {
        Self { width, lines: Vec::new(), line: Line::default(), at: 0 }
    }

    /// Adds text. A line feed ends the line.
    pub(super) fn push(&mut self, text: &str, roles: &[Role], link: Option<&Arc<str>>) {
        for (index, part) in text.split('\n').enumerate() {
            if index > 0 {
                self.end_line();
            }
            for word in part.split_inclusive(' ') {
                self.word(word, roles, link);
            }
        }
    }

    fn word(&mut self, word: &str, roles: &[Role], link: Option<&Arc<str>>) {
        let bare = word.trim_end_matches(' ').width();
        if self.at > 0 && self.at + bare > self.width && bare > 0 {
            self.end_line();
        }
        if bare <= self.width {
            self.put(word, roles, link);
            return;
        }
        // A word that is longer than a line is broken at the end of the line.
        for symbol in word.graphemes(true) {
            if self.at + symbol.width() > self.width && self.at > 0 {
                self.end_line();
            }
            self.put(symbol, roles, link);
        }
    }

    fn put(&mut self, text: &str, roles: &[Role], link: Option<&Arc<str>>) {
        if self.at == 0 && text == " " {
            return;
        }
        self.at += text.width();
        match self.line.0.last_mut() {
            Some(last) if last.roles == roles && last.link.as_ref() == link => last.text.push_str(text),
            _ => {
                self.line.0.push(Piece { text: text.to_owned(), roles: roles.to_vec(), link: link.cloned() })
            }
        }
    }

    fn end_line(&mut self) {
        self.line.trim_end();
        self.lines.push(std::mem::take(&mut self.line));
        self.at = 0;
    }

    /// Returns the lines.
    pub(super) fn finish(mut self) -> Vec<Line> {
        if !self.line.0.is_empty() {
            self.end_line();
        }
        self.lines
    }
}

/// Wraps text without styles into at most `most` lines of this width.
pub(super) fn wrap_plain(text: &str, width: usize, most: usize) -> Vec<String> {
    if text.width() <= width {
        return vec![text.to_owned()];
    }
    let mut wrap = Wrap::new(width);
    wrap.push(text, &[], None);
    let mut lines: Vec<String> =
        wrap.finish().into_iter().map(|line| line.0.into_iter().map(|piece| piece.text).collect()).collect();
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = crate::render::sanitize::truncate(&format!("{last}  "), width.min(last.width() + 1))
                .into_owned();
        }
    }
    lines
}
