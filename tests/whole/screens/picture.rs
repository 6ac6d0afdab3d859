//! The cells of a terminal as a picture: as SVG, and as PNG by the crate that also draws SVG in the program.

use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor, Rgb};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::fmt::Write;
use std::sync::Arc;

/// The size of a cell in pixels, before the picture is enlarged to twice the size.
const WIDTH: f32 = 8.4;
const HEIGHT: f32 = 17.0;
const FONT: f32 = 14.0;
const MARGIN: f32 = 10.0;
const SCALE: f32 = 2.0;

/// The sixteen colours, the foreground and the background.
pub struct Scheme {
    pub foreground: Rgb,
    pub background: Rgb,
    pub sixteen: [u32; 16],
}

/// Returns a colour from its hexadecimal number.
pub const fn rgb(value: u32) -> Rgb {
    Rgb { r: (value >> 16) as u8, g: (value >> 8) as u8, b: value as u8 }
}

/// Common colours of terminals with a dark background.
pub const DARK: Scheme = Scheme {
    foreground: rgb(0xd8dee9),
    background: rgb(0x1b1e28),
    sixteen: [
        0x2b303b, 0xe06c75, 0x98c379, 0xe5c07b, 0x61afef, 0xc678dd, 0x56b6c2, 0xc8ccd4, 0x636d83, 0xff7b86,
        0xb1e18b, 0xefd08a, 0x7cc3ff, 0xd89cf6, 0x6fd3e0, 0xffffff,
    ],
};

/// Draws lines of cells.
pub fn svg(lines: &[Vec<Cell>], scheme: &Scheme) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = columns as f32 * WIDTH + 2.0 * MARGIN;
    let height = lines.len() as f32 * HEIGHT + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' xml:space='preserve' width='{width}' height='{height}'>\
         <rect width='100%' height='100%' rx='6' fill='{}'/>\
         <g font-family='DejaVu Sans Mono, monospace' font-size='{FONT}'>",
        hex(scheme.background)
    );
    for (row, cells) in lines.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            put(&mut svg, cell, column as f32 * WIDTH + MARGIN, row as f32 * HEIGHT + MARGIN, scheme);
        }
    }
    svg + "</g></svg>"
}

fn put(svg: &mut String, cell: &Cell, x: f32, y: f32, scheme: &Scheme) {
    let (mut fg, mut bg) = (look(cell.fg, scheme), look(cell.bg, scheme));
    if cell.flags.contains(Flags::INVERSE) {
        std::mem::swap(&mut fg, &mut bg);
    }
    let columns = if cell.flags.contains(Flags::WIDE_CHAR) { 2.0 } else { 1.0 };
    let mut block = |y: f32, height: f32, color: Rgb| {
        // A little wider, so that no gap shows between two rectangles.
        let width = WIDTH * columns + 0.3;
        let _ = write!(
            svg,
            "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' fill='{}' \
             shape-rendering='crispEdges'/>",
            hex(color)
        );
    };
    if bg != scheme.background {
        block(y, HEIGHT + 0.3, bg);
    }
    match cell.c {
        '\u{2580}' => block(y, HEIGHT / 2.0 + 0.3, fg),
        '\u{2584}' => block(y + HEIGHT / 2.0, HEIGHT / 2.0 + 0.3, fg),
        ' ' | '\t' | '\0' => {}
        c => {
            let mut style = String::new();
            if cell.flags.contains(Flags::BOLD) {
                style.push_str(" font-weight='bold'");
            }
            if cell.flags.contains(Flags::ITALIC) {
                style.push_str(" font-style='italic'");
            }
            if cell.flags.contains(Flags::DIM) {
                style.push_str(" opacity='0.65'");
            }
            if cell.flags.intersects(Flags::ALL_UNDERLINES) {
                style.push_str(" text-decoration='underline'");
            }
            let text = match c {
                '<' => "&lt;".to_owned(),
                '&' => "&amp;".to_owned(),
                c => c.to_string(),
            };
            let _ =
                write!(svg, "<text x='{x:.1}' y='{:.1}' fill='{}'{style}>{text}</text>", y + 13.0, hex(fg));
        }
    }
}

fn look(color: Color, scheme: &Scheme) -> Rgb {
    let sixteen = |index: usize| scheme.sixteen.get(index).map_or(scheme.foreground, |value| rgb(*value));
    match color {
        Color::Spec(rgb) => rgb,
        Color::Named(NamedColor::Background) => scheme.background,
        Color::Named(named) if (named as usize) < 16 => sixteen(named as usize),
        Color::Named(_) => scheme.foreground,
        Color::Indexed(index @ 0..=15) => sixteen(index.into()),
        Color::Indexed(index @ 16..=231) => {
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let n = index - 16;
            Rgb { r: level(n / 36), g: level(n / 6 % 6), b: level(n % 6) }
        }
        Color::Indexed(index) => {
            let grey = 8 + 10 * (index - 232);
            Rgb { r: grey, g: grey, b: grey }
        }
    }
}

fn hex(color: Rgb) -> String {
    format!("#{:02x}{:02x}{:02x}", color.r, color.g, color.b)
}

/// Returns the picture as PNG.
pub fn png(svg: &str) -> Vec<u8> {
    let mut options = Options::default();
    options.fontdb_mut().load_system_fonts();
    options.fontdb = Arc::clone(&options.fontdb);
    let tree = Tree::from_str(svg, &options).unwrap();
    let size = tree.size();
    let mut pixmap = Pixmap::new((size.width() * SCALE) as u32, (size.height() * SCALE) as u32).unwrap();
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixmap.as_mut());
    pixmap.encode_png().unwrap()
}
