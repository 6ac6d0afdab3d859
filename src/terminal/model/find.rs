//! Scrolling, searching and selecting text in the scrollback.

use alacritty_terminal::grid::{Dimensions, Scroll};
use alacritty_terminal::index::{Column, Direction as GridDirection, Line, Point, Side};
use alacritty_terminal::selection::{Selection, SelectionType};
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::term::search::RegexSearch;
use alacritty_terminal::term::viewport_to_point;

use super::Model;

/// Maximum length of a search text, in characters; a longer one is cut.
const MAX_QUERY: usize = 200;

/// The direction of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Up, to older lines.
    Older,
    /// Down, to newer lines.
    Newer,
}

/// The unit of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectionKind {
    /// Single cells.
    Cells,
    /// Whole words.
    Words,
    /// Whole lines.
    Lines,
}

impl Model {
    /// Scrolls the window; a positive number moves it to older lines.
    pub fn scroll(&mut self, lines: i32) {
        self.handler.term.scroll_display(Scroll::Delta(lines));
        self.generation += 1;
    }

    /// Scrolls the window to the bottom, where the program writes.
    pub fn scroll_to_bottom(&mut self) {
        if self.scrolled_back() != 0 {
            self.handler.term.scroll_display(Scroll::Bottom);
            self.generation += 1;
        }
    }

    /// Number of lines that the window is scrolled back.
    pub fn scrolled_back(&self) -> usize {
        self.handler.term.grid().display_offset()
    }

    /// Number of lines in the scrollback.
    pub fn history(&self) -> usize {
        self.handler.term.history_size()
    }

    /// Starts a selection at a cell of the window.
    pub fn select(&mut self, column: u16, row: u16, kind: SelectionKind) {
        let kind = match kind {
            SelectionKind::Cells => SelectionType::Simple,
            SelectionKind::Words => SelectionType::Semantic,
            SelectionKind::Lines => SelectionType::Lines,
        };
        let mut selection = Selection::new(kind, self.point(column, row), Side::Left);
        if kind != SelectionType::Simple {
            selection.update(self.point(column, row), Side::Right);
        }
        self.handler.term.selection = Some(selection);
        self.generation += 1;
    }

    /// Extends the selection to a cell of the window (inclusive).
    pub fn select_to(&mut self, column: u16, row: u16) {
        let point = self.point(column, row);
        if let Some(selection) = &mut self.handler.term.selection {
            selection.update(point, Side::Right);
            self.generation += 1;
        }
    }

    /// Clears the selection.
    pub fn clear_selection(&mut self) {
        if self.handler.term.selection.take().is_some() {
            self.generation += 1;
        }
    }

    /// The selected text, with wrapped lines joined; `None` if there is no selection.
    pub fn selected_text(&self) -> Option<String> {
        let (start, end) = self.selected_range()?;
        let mut text = String::new();
        for line in (start.line.0..=end.line.0).map(Line) {
            let from = if line == start.line { start.column.0 } else { 0 };
            let to = if line == end.line { end.column.0 } else { usize::MAX };
            self.push_line(line, from, to, &mut text);
        }
        text.truncate(text.trim_end_matches('\n').len());
        Some(text).filter(|text| !text.is_empty())
    }

    /// Appends the cells of one line, and a line break unless the line is wrapped.
    fn push_line(&self, line: Line, from: usize, to: usize, text: &mut String) {
        let term = &self.handler.term;
        let begin = text.len();
        let mut wrapped = false;
        let cells = term.grid()[line][..].iter().enumerate();
        for (column, cell) in cells {
            wrapped = cell.flags.contains(Flags::WRAPLINE);
            let spacer = Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER;
            if (from..=to).contains(&column) && !cell.flags.intersects(spacer) {
                text.push(if cell.c == '\t' { ' ' } else { cell.c });
                text.extend(cell.zerowidth().unwrap_or_default());
            }
        }
        if !wrapped && to >= term.last_column().0 {
            let length = text.trim_end_matches(' ').len().max(begin);
            text.truncate(length);
            text.push('\n');
        }
    }

    /// The inclusive ends of the selection, limited to the grid: selected lines may have scrolled out of it.
    fn selected_range(&self) -> Option<(Point, Point)> {
        let term = &self.handler.term;
        let range = term.selection.as_ref()?.to_range(term)?;
        if range.end.line < term.topmost_line() || range.start.line > term.bottommost_line() {
            return None;
        }
        let within = |point: Point| {
            let line = point.line.max(term.topmost_line()).min(term.bottommost_line());
            Point::new(line, point.column.min(term.last_column()))
        };
        Some((within(range.start), within(range.end)))
    }

    /// Searches the next occurrence of `text`, from the selected match or else from the window's edge, and wraps around at the
    /// end. Selects the match and scrolls to it. The search ignores case if `text` has no capitals. Returns false if there is
    /// no match.
    pub fn search(&mut self, text: &str, direction: Direction) -> bool {
        let text: String = text.chars().take(MAX_QUERY).collect();
        if text.is_empty() {
            return false;
        }
        let Ok(mut pattern) = RegexSearch::new(&escape(&text)) else { return false };
        let term = &self.handler.term;
        let (grid_direction, side) = match direction {
            Direction::Older => (GridDirection::Left, Side::Right),
            Direction::Newer => (GridDirection::Right, Side::Left),
        };
        let mut origin = match (self.selected_range(), direction) {
            (Some((start, _)), Direction::Older) => self.before(start),
            (Some((_, end)), Direction::Newer) => self.after(end),
            (None, _) => viewport_to_point(
                self.scrolled_back(),
                Point::new(term.screen_lines().saturating_sub(1), term.last_column()),
            ),
        };
        // The grid accesses the cell to the left of the second half of a wide character, also in the first column.
        let flags = term.grid()[origin.line][origin.column].flags;
        if origin.column.0 == 0 && flags.contains(Flags::WIDE_CHAR_SPACER) {
            origin.column = Column(1);
        }
        let Some(found) = term.search_next(&mut pattern, origin, grid_direction, side, None) else {
            return false;
        };
        let mut selection = Selection::new(SelectionType::Simple, *found.start(), Side::Left);
        selection.update(*found.end(), Side::Right);
        self.handler.term.selection = Some(selection);
        self.handler.term.scroll_to_point(*found.start());
        self.generation += 1;
        true
    }

    /// Converts a cell of the window to a point of the grid.
    fn point(&self, column: u16, row: u16) -> Point {
        let term = &self.handler.term;
        let row = usize::from(row).min(term.screen_lines().saturating_sub(1));
        let column = Column(usize::from(column)).min(term.last_column());
        viewport_to_point(self.scrolled_back(), Point::new(row, column))
    }

    fn before(&self, point: Point) -> Point {
        let term = &self.handler.term;
        if point.column.0 > 0 {
            Point::new(point.line, point.column - 1)
        } else if point.line > term.topmost_line() {
            Point::new(point.line - 1, term.last_column())
        } else {
            Point::new(term.bottommost_line(), term.last_column())
        }
    }

    fn after(&self, point: Point) -> Point {
        let term = &self.handler.term;
        if point.column < term.last_column() {
            Point::new(point.line, point.column + 1)
        } else if point.line < term.bottommost_line() {
            Point::new(point.line + 1, Column(0))
        } else {
            Point::new(term.topmost_line(), Column(0))
        }
    }
}

/// Escapes a text for a pattern that matches it literally.
fn escape(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
