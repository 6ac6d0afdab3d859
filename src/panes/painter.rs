//! A backend for ratatui that converts cells to bytes in a buffer, which the pane writes when the terminal has room.
//!
//! ratatui's backend for crossterm is not suitable: it writes at once, it supports one kind of underline, and it sends the
//! sixteen colours in a form that terminals with only sixteen colours do not support. The kind of an underline is stored in
//! bits of [`Modifier`] that ratatui does not use.

use std::fmt::Write as _;
use std::io;

use crossterm::Command;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{self, BeginSynchronizedUpdate, Clear, EndSynchronizedUpdate};
use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

use crate::terminal::ColorDepth;
use crate::terminal::model::{Cursor, Underline};
use crate::theme;

/// Position of the kind of underline in a [`Modifier`]: four bits above ratatui's own.
const UNDERLINE_SHIFT: u32 = 12;

/// The modifier for a kind of underline.
pub(super) fn underline(kind: Underline) -> Modifier {
    let bits = match kind {
        Underline::Off => 0,
        Underline::Single => 1,
        Underline::Double => 2,
        Underline::Curly => 3,
        Underline::Dotted => 4,
        Underline::Dashed => 5,
    };
    Modifier::from_bits_retain(bits << UNDERLINE_SHIFT)
}

/// The current colours and attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    line: Color,
    modifier: Modifier,
}

/// The backend.
#[derive(Debug)]
pub(super) struct Painter {
    size: Size,
    depth: ColorDepth,
    out: String,
    drawn: bool,
    cursor: Option<Cursor>,
}

impl Painter {
    pub(super) fn new(columns: u16, rows: u16, depth: ColorDepth) -> Self {
        Self { size: Size::new(columns, rows), depth, out: String::new(), drawn: false, cursor: None }
    }

    pub(super) fn set_size(&mut self, columns: u16, rows: u16) {
        self.size = Size::new(columns, rows);
    }

    /// Takes the bytes drawn since the last call as one synchronized update, with the cursor; `None` if there was no change.
    pub(super) fn take_frame(&mut self, cursor: Option<Cursor>) -> Option<String> {
        let moved = self.cursor != cursor;
        if !self.drawn && !moved {
            self.out.clear();
            return None;
        }
        let mut frame = String::with_capacity(self.out.len() + 64);
        put(BeginSynchronizedUpdate, &mut frame);
        if self.drawn {
            put(Hide, &mut frame);
            frame.push_str(&self.out);
            put(SetAttribute(Attribute::Reset), &mut frame);
        }
        write_cursor(self.cursor, cursor, &mut frame);
        put(EndSynchronizedUpdate, &mut frame);
        self.cursor = cursor;
        self.drawn = false;
        self.out.clear();
        Some(frame)
    }

    /// Marks everything as changed, because the terminal has lost its content.
    pub(super) fn forget(&mut self) {
        self.cursor = None;
        self.drawn = true;
    }

    fn color(&mut self, color: Color, base: u8) {
        let color = match color {
            Color::Indexed(n @ 0..=15) => theme::Color::Ansi(n),
            Color::Indexed(n) => theme::Color::Indexed(n),
            Color::Rgb(r, g, b) => theme::Color::Rgb(theme::Rgb { r, g, b }),
            _ => return,
        };
        let Some(color) = color.fit(self.depth) else { return };
        self.out.push(';');
        match color {
            theme::Color::Ansi(n) if base == 58 => {
                let _ = write!(self.out, "58;5;{n}");
            }
            color if base == 58 => color.write_sgr(50, &mut self.out),
            color => color.write_sgr(base, &mut self.out),
        }
    }

    fn pen(&mut self, pen: Pen) {
        self.out.push_str("\x1b[0");
        for (modifier, code) in [
            (Modifier::BOLD, ";1"),
            (Modifier::DIM, ";2"),
            (Modifier::ITALIC, ";3"),
            (Modifier::REVERSED, ";7"),
            (Modifier::HIDDEN, ";8"),
            (Modifier::CROSSED_OUT, ";9"),
        ] {
            if pen.modifier.contains(modifier) {
                self.out.push_str(code);
            }
        }
        let line = pen.modifier.bits() >> UNDERLINE_SHIFT;
        match line {
            0 => {}
            1 => self.out.push_str(";4"),
            n => {
                let _ = write!(self.out, ";4:{n}");
            }
        }
        self.color(pen.fg, 30);
        self.color(pen.bg, 40);
        if line != 0 {
            self.color(pen.line, 58);
        }
        self.out.push('m');
    }
}

/// Appends a terminal command. Writing to a string cannot fail.
fn put(command: impl Command, out: &mut String) {
    let _ = command.write_ansi(out);
}

fn write_cursor(was: Option<Cursor>, cursor: Option<Cursor>, frame: &mut String) {
    let Some(cursor) = cursor else { return put(Hide, frame) };
    if was.map(Cursor::style_number) != Some(cursor.style_number()) {
        let _ = write!(frame, "\x1b[{} q", cursor.style_number());
    }
    put(MoveTo(cursor.column, cursor.row), frame);
    put(Show, frame);
}

impl Backend for Painter {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut pen = None;
        let mut cursor = None;
        for (x, y, cell) in content {
            self.drawn = true;
            if cursor != Some((x, y)) {
                put(MoveTo(x, y), &mut self.out);
            }
            let cell_pen =
                Pen { fg: cell.fg, bg: cell.bg, line: cell.underline_color, modifier: cell.modifier };
            if pen != Some(cell_pen) {
                self.pen(cell_pen);
                pen = Some(cell_pen);
            }
            let symbol = cell.symbol();
            self.out.push_str(symbol);
            // Terminals disagree on the width of characters beyond ASCII: set the cursor again after them.
            cursor = (symbol.len() == 1).then(|| (x + 1, y));
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor.map_or(Position::ORIGIN, |cursor| Position::new(cursor.column, cursor.row)))
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, _: P) -> io::Result<()> {
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        put(SetAttribute(Attribute::Reset), &mut self.out);
        put(Clear(terminal::ClearType::All), &mut self.out);
        self.drawn = true;
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::model::CursorShape;
    use crate::terminal::model::Model;
    use ratatui::Terminal;
    use ratatui::widgets::Widget;

    use crate::panes::terminal::view::Grid;

    /// The screen of a terminal that receives the painter's bytes.
    fn shown(original: &Model, depth: ColorDepth) -> Model {
        let (columns, rows) = original.size();
        let mut terminal = Terminal::new(Painter::new(columns, rows, depth)).unwrap();
        terminal.draw(|frame| Grid { model: original }.render(frame.area(), frame.buffer_mut())).unwrap();
        let frame = terminal.backend_mut().take_frame(original.cursor()).unwrap();
        let mut copy = Model::new(columns, rows);
        copy.feed(frame.as_bytes());
        copy
    }

    fn picture(model: &Model) -> Vec<String> {
        model
            .glyphs()
            .filter(|glyph| glyph.character != ' ' || glyph.style != Default::default())
            .map(|glyph| {
                format!(
                    "{},{} {}{:?} {:?}",
                    glyph.row, glyph.column, glyph.character, glyph.combining, glyph.style
                )
            })
            .collect()
    }

    #[test]
    fn the_painted_screen_equals_the_model() {
        let mut model = Model::new(60, 10);
        model.feed(
            "plain \x1b[1;3;9;31;44mstyled\x1b[0m \x1b[4:3;58;5;9mcurly\x1b[0m \x1b[4:2mdouble\x1b[0m \x1b[38;2;1;2;3mtrue\x1b[0m\r\n\
             한글 テスト e\u{301} 😀 \x1b(0lqk\x1b(B\r\n\x1b[7mreverse\x1b[0;2mdim\x1b[0m\x1b[5 q"
                .as_bytes(),
        );
        let copy = shown(&model, ColorDepth::TrueColor);
        assert_eq!(picture(&copy), picture(&model));
        assert_eq!(copy.cursor(), model.cursor());
        assert_eq!(copy.updating_until(), None);
    }

    #[test]
    fn colours_are_fitted_to_the_terminal() {
        let mut model = Model::new(20, 2);
        model.feed(b"\x1b[38;2;255;0;0mx");
        let foreground = |depth| shown(&model, depth).glyphs().next().unwrap().style.foreground;
        use crate::terminal::model::CellColor;
        assert_eq!(foreground(ColorDepth::TrueColor), CellColor::Rgb(255, 0, 0));
        assert_eq!(foreground(ColorDepth::Ansi256), CellColor::Indexed(196));
        assert_eq!(foreground(ColorDepth::Ansi16), CellColor::Indexed(9));
        assert_eq!(foreground(ColorDepth::None), CellColor::Default);
    }

    #[test]
    fn no_frame_is_made_without_a_change() {
        let mut painter = Painter::new(10, 2, ColorDepth::None);
        assert!(painter.take_frame(None).is_none());
        let cursor = Some(Cursor { column: 1, row: 1, shape: CursorShape::Default, blinking: false });
        assert!(painter.take_frame(cursor).is_some());
        assert!(painter.take_frame(cursor).is_none());
    }
}
