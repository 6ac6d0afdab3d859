//! A snapshot of the fake terminal's screen as text that tests can compare.

use alacritty_terminal::Term;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;

/// Returns the text of a line. Lines above the window have negative numbers.
fn text<T>(term: &Term<T>, line: i32) -> String {
    let row = &term.grid()[Line(line)];
    let cells = (0..term.columns()).map(|column| &row[Column(column)]);
    cells.filter(|cell| !cell.flags.contains(Flags::WIDE_CHAR_SPACER)).map(|cell| cell.c).collect()
}

/// Returns the lines of the window, without trailing spaces.
pub(crate) fn lines<T>(term: &Term<T>) -> Vec<String> {
    (0..term.screen_lines() as i32).map(|line| text(term, line).trim_end().to_owned()).collect()
}

/// A snapshot of the screen.
#[derive(Debug, Clone)]
pub struct Screen {
    /// All lines, the oldest first. Wrapped lines are joined.
    pub all: String,
    /// The lines of the window, without trailing spaces.
    pub lines: Vec<String>,
    /// The cursor's line and column, from 0.
    pub cursor: (usize, usize),
    /// Whether the cursor is shown.
    pub cursor_shown: bool,
    /// Whether any output has arrived since keys were last sent.
    pub answered: bool,
    /// The number of bytes that have arrived.
    pub written: usize,
    /// The modes of the terminal, such as the alternate screen, mouse reports and application keys.
    pub modes: TermMode,
}

impl Screen {
    /// Returns a snapshot of the model. `before_keys` bytes had arrived when keys were last sent, and `written` until
    /// now.
    pub(crate) fn of<T>(term: &Term<T>, before_keys: usize, written: usize) -> Self {
        let grid = term.grid();
        let first = -(grid.history_size() as i32);
        let mut all = String::new();
        for line in first..grid.screen_lines() as i32 {
            let text = text(term, line);
            let last = &grid[Line(line)][Column(grid.columns() - 1)];
            if last.flags.contains(Flags::WRAPLINE) {
                all.push_str(&text);
            } else {
                all.push_str(text.trim_end());
                all.push('\n');
            }
        }
        let cursor = grid.cursor.point;
        Screen {
            all: all.trim_end().to_owned(),
            lines: lines(term),
            cursor: (usize::try_from(cursor.line.0).unwrap_or(0), cursor.column.0),
            cursor_shown: term.mode().contains(TermMode::SHOW_CURSOR),
            answered: written > before_keys,
            written,
            modes: *term.mode(),
        }
    }

    /// Returns the last line that is not empty.
    pub fn last_line(&self) -> &str {
        self.lines.iter().rev().find(|line| !line.is_empty()).map_or("", |line| line)
    }

    /// Whether this sentence is shown, also if its lines are broken between words.
    pub fn says(&self, sentence: &str) -> bool {
        self.all.replace('\n', " ").contains(sentence)
    }

    /// Whether a line equals `line`.
    pub fn has_line(&self, line: &str) -> bool {
        self.all.lines().any(|candidate| candidate == line)
    }
}
