//! The visible screen: the content of each cell, and the position of the cursor.

use alacritty_terminal::index::Point;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::color::Colors;
use alacritty_terminal::term::{TermMode, point_to_viewport};
use alacritty_terminal::vte::ansi::{Color, CursorShape as GridCursorShape, NamedColor};

use super::Model;

/// A colour of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CellColor {
    /// The terminal's default foreground or background.
    #[default]
    Default,
    /// One of the 256 colours; the terminal defines the first sixteen.
    Indexed(u8),
    /// Red, green and blue.
    Rgb(u8, u8, u8),
}

/// A kind of underline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underline {
    /// None.
    #[default]
    Off,
    /// One straight line.
    Single,
    /// Two straight lines.
    Double,
    /// A wave.
    Curly,
    /// Dots.
    Dotted,
    /// Dashes.
    Dashed,
}

/// The style of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellStyle {
    /// Colour of the text.
    pub foreground: CellColor,
    /// Colour behind the text.
    pub background: CellColor,
    /// Colour of the underline.
    pub underline_color: CellColor,
    /// Kind of underline.
    pub underline: Underline,
    /// Bold.
    pub bold: bool,
    /// Faint.
    pub dim: bool,
    /// Italic.
    pub italic: bool,
    /// Foreground and background swapped.
    pub reverse: bool,
    /// Not shown.
    pub hidden: bool,
    /// Struck through.
    pub strike: bool,
}

/// One cell, or the two cells of a wide character.
#[derive(Clone, Copy, Debug)]
pub struct Glyph<'a> {
    /// Column from the left, from 0.
    pub column: u16,
    /// Row from the top of the window, from 0.
    pub row: u16,
    /// The character; a space in an empty cell.
    pub character: char,
    /// Combining characters on it.
    pub combining: &'a [char],
    /// Width, 1 or 2 columns.
    pub width: u8,
    /// Its style.
    pub style: CellStyle,
    /// Whether it is part of the selection.
    pub selected: bool,
}

/// The cursor's shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CursorShape {
    /// The default of the user's terminal.
    #[default]
    Default,
    /// The whole cell.
    Block,
    /// A line under the cell.
    Underline,
    /// A line before the cell.
    Bar,
}

/// A visible cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Column from the left, from 0.
    pub column: u16,
    /// Row from the top of the window, from 0.
    pub row: u16,
    /// Its shape.
    pub shape: CursorShape,
    /// Whether it blinks.
    pub blinking: bool,
}

impl Cursor {
    /// The number of its shape in DECSCUSR (`CSI n SP q`).
    pub fn style_number(self) -> u8 {
        match (self.shape, self.blinking) {
            (CursorShape::Default, _) => 0,
            (CursorShape::Block, true) => 1,
            (CursorShape::Block, false) => 2,
            (CursorShape::Underline, true) => 3,
            (CursorShape::Underline, false) => 4,
            (CursorShape::Bar, true) => 5,
            (CursorShape::Bar, false) => 6,
        }
    }
}

impl Model {
    /// All cells of the window, row by row, without the second halves of wide characters.
    pub fn glyphs(&self) -> impl Iterator<Item = Glyph<'_>> {
        let term = &self.handler.term;
        let offset = term.grid().display_offset();
        let selection = term.selection.as_ref().and_then(|selection| selection.to_range(term));
        let colors = term.colors();
        let mut cells = term.grid().display_iter().peekable();
        let mut covered = false;
        std::iter::from_fn(move || {
            loop {
                let indexed = cells.next()?;
                let cell: &Cell = indexed.cell;
                // Deleting and inserting can leave half of a wide character behind: it is shown as a space.
                let spacer = cell.flags.contains(Flags::WIDE_CHAR_SPACER);
                let skip = spacer && covered;
                covered = cell.flags.contains(Flags::WIDE_CHAR)
                    && cells.peek().is_some_and(|next| {
                        next.point.line == indexed.point.line && next.flags.contains(Flags::WIDE_CHAR_SPACER)
                    });
                if skip {
                    continue;
                }
                let half = spacer || (cell.flags.contains(Flags::WIDE_CHAR) && !covered);
                let Some(position) = point_to_viewport(offset, indexed.point) else { continue };
                return Some(Glyph {
                    column: u16::try_from(position.column.0).ok()?,
                    row: u16::try_from(position.line).ok()?,
                    // The grid stores a tab character in the cell where the tab started.
                    character: if half || cell.c == '\t' { ' ' } else { cell.c },
                    combining: if half { &[] } else { cell.zerowidth().unwrap_or_default() },
                    width: if covered { 2 } else { 1 },
                    style: style_of(cell, colors),
                    selected: selection.is_some_and(|range| range.contains(indexed.point)),
                });
            }
        })
    }

    /// The cursor; `None` if the program hides it or the window is scrolled away from it.
    pub fn cursor(&self) -> Option<Cursor> {
        let term = &self.handler.term;
        if !term.mode().contains(TermMode::SHOW_CURSOR) {
            return None;
        }
        let (column, row) = self.cursor_position()?;
        // The grid does not report whether the program set a style, so its default style counts as not set.
        let style = term.cursor_style();
        let shape = match style.shape {
            GridCursorShape::Block if !style.blinking => CursorShape::Default,
            GridCursorShape::Underline => CursorShape::Underline,
            GridCursorShape::Beam => CursorShape::Bar,
            _ => CursorShape::Block,
        };
        Some(Cursor { column, row, shape, blinking: style.blinking })
    }

    /// The position of the cursor, hidden or not; `None` if the window is scrolled away from it.
    pub(super) fn cursor_position(&self) -> Option<(u16, u16)> {
        let grid = self.handler.term.grid();
        let Point { line, column } = point_to_viewport(grid.display_offset(), grid.cursor.point)?;
        let (_, rows) = self.size();
        let row = u16::try_from(line).ok().filter(|row| *row < rows)?;
        Some((u16::try_from(column.0).ok()?, row))
    }

    /// The window's rows as text without trailing spaces, for tests and plain text.
    pub fn rows(&self) -> Vec<String> {
        let (_, rows) = self.size();
        let mut lines = vec![String::new(); rows.into()];
        for glyph in self.glyphs() {
            if let Some(line) = lines.get_mut(usize::from(glyph.row)) {
                line.push(glyph.character);
                line.extend(glyph.combining);
            }
        }
        lines.iter().map(|line| line.trim_end().to_owned()).collect()
    }
}

/// The style of a cell, with redefined colours resolved.
pub(super) fn style_of(cell: &Cell, colors: &Colors) -> CellStyle {
    let flags = cell.flags;
    let underline = [
        (Flags::UNDERLINE, Underline::Single),
        (Flags::DOUBLE_UNDERLINE, Underline::Double),
        (Flags::UNDERCURL, Underline::Curly),
        (Flags::DOTTED_UNDERLINE, Underline::Dotted),
        (Flags::DASHED_UNDERLINE, Underline::Dashed),
    ];
    let underline = if flags.intersects(Flags::ALL_UNDERLINES) {
        underline.into_iter().find(|(flag, _)| flags.contains(*flag)).map_or(Underline::Off, |(_, line)| line)
    } else {
        Underline::Off
    };
    CellStyle {
        foreground: cell_color(cell.fg, colors),
        background: cell_color(cell.bg, colors),
        underline_color: cell.underline_color().map_or(CellColor::Default, |color| cell_color(color, colors)),
        underline,
        bold: flags.contains(Flags::BOLD),
        dim: flags.contains(Flags::DIM),
        italic: flags.contains(Flags::ITALIC),
        reverse: flags.contains(Flags::INVERSE),
        hidden: flags.contains(Flags::HIDDEN),
        strike: flags.contains(Flags::STRIKEOUT),
    }
}

fn cell_color(color: Color, colors: &Colors) -> CellColor {
    let index = match color {
        Color::Spec(rgb) => return CellColor::Rgb(rgb.r, rgb.g, rgb.b),
        Color::Indexed(index) => usize::from(index),
        Color::Named(name) => name as usize,
    };
    if index <= NamedColor::Cursor as usize
        && let Some(rgb) = colors[index]
    {
        return CellColor::Rgb(rgb.r, rgb.g, rgb.b);
    }
    u8::try_from(index).map_or(CellColor::Default, CellColor::Indexed)
}
