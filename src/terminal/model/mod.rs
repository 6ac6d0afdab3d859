//! The screen model of a terminal: bytes of a program in; cells, modes, a title and answers to the program's questions
//! out. It survives anything: memory and time are bounded whatever the bytes say.
//!
//! Nothing here reads or writes a terminal: what the program asks is answered by the model ([`Model::take_answers`]),
//! never by the terminal that the user sits at.

mod filter;
mod find;
mod handler;
mod modes;
mod palette;
mod repaint;
#[cfg(test)]
mod tests;
mod view;

use std::time::Instant;

use alacritty_terminal::Term;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::term::Config;
use alacritty_terminal::vte::ansi::Processor;

use filter::{Filter, Piece};
use handler::{GridHandler, GridListener, NoSyncBuffer};

pub use find::{Direction, SelectionKind};
pub use modes::{Modes, MouseEncoding, MouseProtocol};
pub use view::{CellColor, CellStyle, Cursor, CursorShape, Glyph, Underline};

/// The most lines of scrollback.
const HISTORY: usize = 10_000;
/// The most cells of scrollback; a very wide window has fewer lines.
const HISTORY_CELLS: usize = 2_000_000;
/// The widest and highest screen there is.
const MAX_SIDE: u16 = 1000;

/// Something that happened on the screen, to be told to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelEvent {
    /// The bell rang.
    Bell,
    /// The title changed; [`Model::title`] has it.
    Title,
    /// The program wants this text in the user's clipboard (OSC 52).
    Clipboard(String),
}

/// The screen of one program.
pub struct Model {
    filter: Filter,
    parser: Processor<NoSyncBuffer>,
    handler: GridHandler,
    generation: u64,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (columns, rows) = self.size();
        f.debug_struct("Model").field("columns", &columns).field("rows", &rows).finish_non_exhaustive()
    }
}

/// A size as the grid wants it.
#[derive(Clone, Copy)]
struct GridSize {
    columns: usize,
    rows: usize,
}

impl GridSize {
    /// The grid has at least two columns, so that a wide character has room.
    fn clamped(columns: u16, rows: u16) -> Self {
        Self { columns: columns.clamp(2, MAX_SIDE).into(), rows: rows.clamp(1, MAX_SIDE).into() }
    }

    /// Lines of scrollback at this width.
    fn history(self) -> usize {
        HISTORY.min(HISTORY_CELLS / self.columns.max(1))
    }
}

impl Dimensions for GridSize {
    fn total_lines(&self) -> usize {
        self.rows
    }
    fn screen_lines(&self) -> usize {
        self.rows
    }
    fn columns(&self) -> usize {
        self.columns
    }
}

fn config(history: usize) -> Config {
    Config { scrolling_history: history, ..Config::default() }
}

impl Model {
    /// An empty screen. Sides are clamped to 2–1000 columns and 1–1000 rows.
    pub fn new(columns: u16, rows: u16) -> Self {
        let sides = GridSize::clamped(columns, rows);
        let listener = GridListener::default();
        let term = Term::new(config(sides.history()), &sides, listener.clone());
        Self {
            filter: Filter::default(),
            parser: Processor::new(),
            handler: GridHandler::new(term, listener),
            generation: 0,
        }
    }

    /// Tells the default colours (red, green, blue) of the terminal that this model stands for, for programs that
    /// ask whether the background is dark.
    pub fn set_default_colors(&mut self, foreground: (u8, u8, u8), background: (u8, u8, u8)) {
        self.handler.palette = palette::Palette { foreground, background };
    }

    /// Takes the program's next output; it may be cut anywhere. The time this takes grows with the length only, so
    /// whoever must stay responsive feeds in slices.
    pub fn feed(&mut self, bytes: &[u8]) {
        let columns = self.handler.term.columns();
        let Self { filter, parser, handler, .. } = self;
        filter.feed(bytes, columns, &mut |piece| match piece {
            Piece::Pass(bytes) => parser.advance(handler, bytes),
            Piece::AsksVersion => handler.listener.with(|output| {
                output.answer(concat!("\x1bP>|bai-repl ", env!("CARGO_PKG_VERSION"), "\x1b\\"));
            }),
            Piece::AsksCursor => handler.tell_cursor_shape(),
            Piece::AsksSetting => handler.listener.with(|output| output.answer("\x1bP0$r\x1b\\")),
            Piece::AsksCapability => handler.listener.with(|output| output.answer("\x1bP0+r\x1b\\")),
        });
        // The grid moves a scrolled window also when lines scroll that never reach the scrollback.
        if handler.term.grid().display_offset() > handler.term.history_size() {
            handler.term.scroll_display(alacritty_terminal::grid::Scroll::Delta(0));
        }
        self.generation += 1;
    }

    /// Changes the size; lines that were wrapped are wrapped anew. Sides are clamped as in [`Model::new`].
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let sides = GridSize::clamped(columns, rows);
        let found = GridSize { columns: self.handler.term.columns(), rows: self.handler.term.screen_lines() };
        if (sides.columns, sides.rows) == (found.columns, found.rows) {
            return;
        }
        if sides.history() < found.history() {
            self.handler.term.set_options(config(sides.history()));
        }
        self.handler.term.resize(sides);
        if sides.history() > found.history() {
            self.handler.term.set_options(config(sides.history()));
        }
        self.generation += 1;
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        let side = |n: usize| u16::try_from(n).unwrap_or(MAX_SIDE);
        (side(self.handler.term.columns()), side(self.handler.term.screen_lines()))
    }

    /// What the program's questions are answered with since the last call: to be sent to its keyboard, unless a real
    /// terminal answers.
    pub fn take_answers(&mut self) -> Vec<u8> {
        self.handler.listener.with(|output| std::mem::take(&mut output.answers))
    }

    /// What happened since the last call. A bell that rang many times in a row is told once.
    pub fn take_events(&mut self) -> Vec<ModelEvent> {
        self.handler.listener.with(|output| std::mem::take(&mut output.events))
    }

    /// The title that the program gave its window: one line of printable text, or nothing.
    pub fn title(&self) -> String {
        self.handler.listener.with(|output| output.title.clone())
    }

    /// The modes that whoever holds the keyboard must obey.
    pub fn modes(&self) -> Modes {
        self.handler.modes()
    }

    /// Changes whenever the picture may have changed.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// While the program is in the midst of a synchronized update: when to paint all the same (at most 150 ms after
    /// its begin).
    pub fn updating_until(&self) -> Option<Instant> {
        self.handler.update_ends()
    }
}
