//! The screen model of a terminal. Its input is the output of a program; its results are cells, modes, a title and answers
//! to the program's queries. Memory and time are bounded for any input.
//!
//! This module does not read or write a terminal. The model answers the program's queries ([`Model::take_answers`]); they
//! never reach the user's terminal.

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

/// Maximum lines of scrollback.
const HISTORY: usize = 10_000;
/// Maximum cells of scrollback; a very wide window has fewer lines.
const HISTORY_CELLS: usize = 2_000_000;
/// Maximum columns and rows of a screen.
const MAX_SIDE: u16 = 1000;

/// An event of the program that concerns the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelEvent {
    /// The bell rang.
    Bell,
    /// The title changed; see [`Model::title`].
    Title,
    /// The program asks to set the user's clipboard to this text (OSC 52).
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

/// The size of the grid.
#[derive(Clone, Copy)]
struct GridSize {
    columns: usize,
    rows: usize,
}

impl GridSize {
    /// Limits the sides. The grid needs at least two columns for a wide character.
    fn clamped(columns: u16, rows: u16) -> Self {
        Self { columns: columns.clamp(2, MAX_SIDE).into(), rows: rows.clamp(1, MAX_SIDE).into() }
    }

    /// Maximum lines of scrollback at this width.
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
    /// Creates an empty screen. The sides are limited to 2–1000 columns and 1–1000 rows.
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

    /// Sets the default colours (red, green, blue) that the model reports to programs, for example to those that check
    /// whether the background is dark.
    pub fn set_default_colors(&mut self, foreground: (u8, u8, u8), background: (u8, u8, u8)) {
        self.handler.palette = palette::Palette { foreground, background };
    }

    /// Processes the program's next output, which may be cut anywhere. The time depends only on the length, so a caller that
    /// must stay responsive feeds it in slices.
    pub fn feed(&mut self, bytes: &[u8]) {
        let columns = self.handler.term.columns();
        let Self { filter, parser, handler, .. } = self;
        filter.feed(bytes, columns, &mut |piece| match piece {
            Piece::Pass(bytes) => parser.advance(handler, bytes),
            Piece::VersionQuery => handler.listener.with(|output| {
                output.answer(concat!("\x1bP>|bai-repl ", env!("CARGO_PKG_VERSION"), "\x1b\\"));
            }),
            Piece::CursorQuery => handler.answer_cursor_shape(),
            Piece::SettingQuery => handler.listener.with(|output| output.answer("\x1bP0$r\x1b\\")),
            Piece::CapabilityQuery => handler.listener.with(|output| output.answer("\x1bP0+r\x1b\\")),
        });
        // The grid moves a scrolled window even if the scrolled lines do not reach the scrollback.
        if handler.term.grid().display_offset() > handler.term.history_size() {
            handler.term.scroll_display(alacritty_terminal::grid::Scroll::Delta(0));
        }
        self.generation += 1;
    }

    /// Changes the size and rewraps lines. The sides are limited as in [`Model::new`].
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let sides = GridSize::clamped(columns, rows);
        let current =
            GridSize { columns: self.handler.term.columns(), rows: self.handler.term.screen_lines() };
        if (sides.columns, sides.rows) == (current.columns, current.rows) {
            return;
        }
        if sides.history() < current.history() {
            self.handler.term.set_options(config(sides.history()));
        }
        self.handler.term.resize(sides);
        if sides.history() > current.history() {
            self.handler.term.set_options(config(sides.history()));
        }
        self.generation += 1;
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        let side = |n: usize| u16::try_from(n).unwrap_or(MAX_SIDE);
        (side(self.handler.term.columns()), side(self.handler.term.screen_lines()))
    }

    /// Takes the answers to the program's queries since the last call. The caller sends them to the program's input, unless a
    /// real terminal answers.
    pub fn take_answers(&mut self) -> Vec<u8> {
        self.handler.listener.with(|output| std::mem::take(&mut output.answers))
    }

    /// Takes the events since the last call. Consecutive bells count as one.
    pub fn take_events(&mut self) -> Vec<ModelEvent> {
        self.handler.listener.with(|output| std::mem::take(&mut output.events))
    }

    /// The title that the program set: one line of printable text, maybe empty.
    pub fn title(&self) -> String {
        self.handler.listener.with(|output| output.title.clone())
    }

    /// The modes that the code for keys, mouse and paste must follow.
    pub fn modes(&self) -> Modes {
        self.handler.modes()
    }

    /// A number that changes whenever the screen may have changed.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// During a synchronized update, the time when the screen must be painted anyway (at most 150 ms after its start).
    pub fn updating_until(&self) -> Option<Instant> {
        self.handler.update_ends()
    }
}
