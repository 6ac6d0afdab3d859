//! Laid-out lines, and how they are painted: with the theme's styles on a terminal, and with links if the terminal
//! supports them.

use std::sync::Arc;

use unicode_width::UnicodeWidthStr;

use crate::terminal::ColorDepth;
use crate::theme::{Role, Signs, Theme};

/// One line for the terminal.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::render) struct Line(pub(super) Vec<Piece>);

/// A piece of a line in one style.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::render) struct Piece {
    pub(super) text: String,
    /// The styles; later ones override earlier ones.
    pub(super) roles: Vec<Role>,
    pub(super) link: Option<Arc<str>>,
}

impl Piece {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), roles: Vec::new(), link: None }
    }

    pub(super) fn of(role: Role, text: impl Into<String>) -> Self {
        Self { text: text.into(), roles: vec![role], link: None }
    }
}

impl Line {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self(vec![Piece::plain(text)])
    }

    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|piece| piece.text.width()).sum()
    }

    /// Removes the spaces at the end.
    pub(super) fn trim_end(&mut self) {
        while let Some(last) = self.0.last_mut() {
            last.text.truncate(last.text.trim_end_matches(' ').len());
            if !last.text.is_empty() {
                break;
            }
            self.0.pop();
        }
    }
}

/// The style of a document.
#[derive(Clone, Debug)]
pub(in crate::render) struct DocumentStyle {
    pub(in crate::render) theme: Arc<Theme>,
    /// The colour depth; `None` without a terminal or on a terminal without escape sequences.
    pub(in crate::render) depth: Option<ColorDepth>,
    pub(in crate::render) signs: Signs,
    pub(in crate::render) unicode: bool,
    /// The terminal supports links (OSC 8).
    pub(in crate::render) links: bool,
}

impl DocumentStyle {
    pub(super) fn rule(&self) -> &'static str {
        if self.unicode { "─" } else { "-" }
    }

    pub(super) fn bullet(&self) -> &'static str {
        if self.unicode { "•" } else { "*" }
    }

    pub(super) fn bar(&self) -> &'static str {
        if self.unicode { "│ " } else { "| " }
    }
}

/// Returns the lines as text for the terminal, each with its line end.
pub(in crate::render) fn paint(lines: &[Line], skin: &DocumentStyle) -> String {
    let mut out = String::new();
    for line in lines {
        for piece in &line.0 {
            self::piece(piece, skin, &mut out);
        }
        out.push('\n');
    }
    out
}

fn piece(piece: &Piece, skin: &DocumentStyle, out: &mut String) {
    let url = piece.link.as_deref().filter(|_| skin.links && skin.depth.is_some()).and_then(safe_url);
    if let Some(url) = &url {
        out.push_str("\x1b]8;;");
        out.push_str(url);
        out.push_str("\x1b\\");
    }
    let mut codes = String::new();
    if let Some(depth) = skin.depth {
        for role in &piece.roles {
            let more = skin.theme.style(*role).sgr_parameters(depth);
            if !codes.is_empty() && !more.is_empty() {
                codes.push(';');
            }
            codes.push_str(&more);
        }
    }
    if codes.is_empty() {
        out.push_str(&piece.text);
    } else {
        out.push_str("\x1b[");
        out.push_str(&codes);
        out.push('m');
        out.push_str(&piece.text);
        out.push_str("\x1b[0m");
    }
    if url.is_some() {
        out.push_str("\x1b]8;;\x1b\\");
    }
}

/// The longest address that is passed to a terminal.
const MAX_URL: usize = 2_000;

/// Returns an address that is safe to send to a terminal: a web or mail address in printable ASCII.
pub(super) fn safe_url(url: &str) -> Option<String> {
    let known = ["https://", "http://", "mailto:"];
    let lower = super::head(url, 16).to_ascii_lowercase();
    if url.len() > MAX_URL || !known.iter().any(|scheme| lower.starts_with(scheme)) {
        return None;
    }
    const OTHERS: &percent_encoding::AsciiSet =
        &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');
    Some(percent_encoding::utf8_percent_encode(url, OTHERS).to_string())
}
