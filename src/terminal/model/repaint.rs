//! Converts the model back to bytes that make a plain terminal show the same screen with the same modes.

use std::fmt::Write;

use alacritty_terminal::term::TermMode;

use super::Model;
use super::modes::{Modes, MouseEncoding, MouseProtocol};
use super::view::{CellColor, CellStyle, Underline};

/// Resets all modes that a program may have set.
const PLAIN: &str = "\x1b[0m\x1b[?25l\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l\
                     \x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[4l\x1b[?6l\x1b[?7h\x1b[r\x1b(B\x0f\x1b[0 q";

impl Model {
    /// Returns the bytes that paint this screen on a terminal of the same size, whatever it showed before, and set the
    /// program's modes. The caller enters or leaves the alternate screen.
    pub fn repaint(&self) -> Vec<u8> {
        let mut out = String::from(PLAIN);
        out.push_str("\x1b[H\x1b[2J");
        let mut pen = CellStyle::default();
        let mut cursor = None;
        for glyph in self.glyphs() {
            let blank =
                glyph.character == ' ' && glyph.combining.is_empty() && glyph.style == CellStyle::default();
            if blank {
                continue;
            }
            if cursor != Some((glyph.column, glyph.row)) {
                let _ = write!(out, "\x1b[{};{}H", glyph.row + 1, glyph.column + 1);
            }
            if pen != glyph.style {
                write_style(&glyph.style, &mut out);
                pen = glyph.style;
            }
            out.push(glyph.character);
            out.extend(glyph.combining);
            // Terminals disagree on the width of characters beyond ASCII: set the cursor again after them.
            let width_is_certain = glyph.character.is_ascii() && glyph.combining.is_empty();
            cursor = width_is_certain.then(|| (glyph.column + 1, glyph.row));
        }
        out.push_str("\x1b[0m");
        self.write_state(&mut out);
        out.into_bytes()
    }

    fn write_state(&self, out: &mut String) {
        let term = &self.handler.term;
        write_modes(&self.modes(), out);
        if term.mode().contains(TermMode::INSERT) {
            out.push_str("\x1b[4h");
        }
        if !term.mode().contains(TermMode::LINE_WRAP) {
            out.push_str("\x1b[?7l");
        }
        if let Some((column, row)) = self.cursor_position() {
            let _ = write!(out, "\x1b[{};{}H", row + 1, column + 1);
        }
        // The program's next output continues in its current colours.
        write_style(&super::view::style_of(&term.grid().cursor.template, term.colors()), out);
        if let Some(cursor) = self.cursor() {
            let style = cursor.style_number();
            let _ = write!(out, "\x1b[{style} q\x1b[?25h");
        }
    }
}

fn write_modes(modes: &Modes, out: &mut String) {
    let mouse = match modes.mouse {
        MouseProtocol::Off => "",
        MouseProtocol::X10 => "\x1b[?9h",
        MouseProtocol::Normal => "\x1b[?1000h",
        MouseProtocol::Drag => "\x1b[?1002h",
        MouseProtocol::Any => "\x1b[?1003h",
    };
    let encoding = match modes.mouse_encoding {
        MouseEncoding::Legacy => "",
        MouseEncoding::Utf8 => "\x1b[?1005h",
        MouseEncoding::Sgr => "\x1b[?1006h",
        MouseEncoding::Urxvt => "\x1b[?1015h",
    };
    out.push_str(mouse);
    out.push_str(encoding);
    for (on, sequence) in [
        (modes.application_cursor, "\x1b[?1h"),
        (modes.application_keypad, "\x1b="),
        (modes.bracketed_paste, "\x1b[?2004h"),
        (modes.focus, "\x1b[?1004h"),
    ] {
        if on {
            out.push_str(sequence);
        }
    }
}

/// Appends the sequence that sets exactly this style.
pub(super) fn write_style(style: &CellStyle, out: &mut String) {
    out.push_str("\x1b[0");
    for (on, code) in [
        (style.bold, ";1"),
        (style.dim, ";2"),
        (style.italic, ";3"),
        (style.reverse, ";7"),
        (style.hidden, ";8"),
        (style.strike, ";9"),
    ] {
        if on {
            out.push_str(code);
        }
    }
    out.push_str(match style.underline {
        Underline::Off => "",
        Underline::Single => ";4",
        Underline::Double => ";4:2",
        Underline::Curly => ";4:3",
        Underline::Dotted => ";4:4",
        Underline::Dashed => ";4:5",
    });
    write_color(style.foreground, 38, out);
    write_color(style.background, 48, out);
    write_color(style.underline_color, 58, out);
    out.push('m');
}

fn write_color(color: CellColor, base: u8, out: &mut String) {
    let _ = match color {
        CellColor::Default => Ok(()),
        CellColor::Indexed(n @ 0..=7) if base != 58 => write!(out, ";{}", base - 8 + n),
        CellColor::Indexed(n @ 8..=15) if base != 58 => write!(out, ";{}", base + 52 + n - 8),
        CellColor::Indexed(n) => write!(out, ";{base};5;{n}"),
        CellColor::Rgb(r, g, b) => write!(out, ";{base};2;{r};{g};{b}"),
    };
}
