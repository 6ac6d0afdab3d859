//! Syntax colours of code, computed line by line as far as it is displayed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::shell::{Appearance, put};
use crate::render::highlight::{Grammar, Place, Spans};
use crate::theme::Role;

/// Maximum coloured lines: a jump to the end of a long text must not take seconds.
const MAX_LINES: usize = 5_000;

/// The syntax colours of one text.
pub(super) struct SyntaxColours {
    grammar: Grammar,
    place: Place,
    lines: Vec<Spans>,
}

impl SyntaxColours {
    /// Colours for a file of this name; `None` if its language is unknown.
    pub(super) fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let token = name.rsplit_once('.').map_or(name, |(_, extension)| extension);
        let grammar = Grammar::for_token(token)?;
        let place = grammar.start();
        Some(Self { grammar, place, lines: Vec::new() })
    }

    /// The colours of one line. The text must be the same in every call.
    pub(super) fn line(&mut self, text: &[String], row: usize) -> &[(usize, Option<Role>)] {
        while self.lines.len() <= row.min(MAX_LINES - 1)
            && let Some(line) = text.get(self.lines.len())
        {
            self.lines.push(self.grammar.parse(&format!("{line}\n"), &mut self.place));
        }
        self.lines.get(row).map_or(&[], Vec::as_slice)
    }
}

/// Draws a line in its colours, starting at a byte of it. Text without a colour is plain.
pub(super) fn put_line(
    (buffer, area, row): (&mut Buffer, Rect, u16),
    line: &str,
    from: usize,
    colours: &[(usize, Option<Role>)],
    appearance: &Appearance,
) {
    let (mut column, mut start) = (0, 0);
    let rest = (usize::MAX - line.len(), None);
    for &(length, role) in colours.iter().chain([&rest]) {
        let end = line.len().min(start + length);
        let style = role.map_or_else(|| appearance.plain_text(), |role| appearance.style(role));
        let piece = line.get(start.max(from)..end).unwrap_or_default();
        column = put(buffer, area, column, row, piece, style);
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Theme;
    use std::sync::Arc;

    #[test]
    fn each_line_is_coloured_once() {
        let text: Vec<String> = ["x = '''", "def", "'''", "def f(): pass"].map(str::to_owned).into();
        let mut colours = SyntaxColours::of("a/b.py").unwrap();
        assert_eq!(colours.line(&text, 3)[0], (3, Some(Role::Keyword)));
        assert_eq!(colours.line(&text, 1)[0].1, Some(Role::String), "inside of a text");
        assert!(colours.line(&text, 9).is_empty(), "there is no such line");
        let long = vec!["x".to_owned(); MAX_LINES + 2];
        let mut colours = SyntaxColours::of("b.py").unwrap();
        assert!(colours.line(&long, MAX_LINES + 1).is_empty() && colours.lines.len() == MAX_LINES);
        assert!(SyntaxColours::of("notes.unknown-kind").is_none());
    }

    #[test]
    fn a_line_is_shown_from_any_byte() {
        let appearance = Appearance::in_colours().with_theme(Arc::new(Theme::named("dark").unwrap()));
        let area = Rect::new(0, 0, 20, 1);
        for (from, shown) in [(0, "def é()"), (4, "é()"), (6, "()"), (8, ""), (99, "")] {
            let mut buffer = Buffer::empty(area);
            put_line(
                (&mut buffer, area, 0),
                "def é()",
                from,
                &[(3, Some(Role::Keyword)), (1, None)],
                &appearance,
            );
            let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
            assert_eq!(text.trim_end(), shown, "{from}");
        }
        let mut buffer = Buffer::empty(area);
        put_line((&mut buffer, area, 0), "def f", 1, &[(3, Some(Role::Keyword)), (3, None)], &appearance);
        assert_eq!(buffer[(1, 0)].fg, appearance.style(Role::Keyword).fg.unwrap());
        assert_ne!(buffer[(1, 0)].fg, buffer[(3, 0)].fg);
    }
}
