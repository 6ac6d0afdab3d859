//! The RGB values of colour numbers, for programs that query them.

use alacritty_terminal::term::color::{COUNT, Colors};
use alacritty_terminal::vte::ansi::NamedColor;

/// Red, green and blue, 0 to 255 each.
pub(super) type RgbTriple = (u8, u8, u8);

/// xterm's sixteen colours.
const SIXTEEN: [RgbTriple; 16] = [
    (0, 0, 0),
    (205, 0, 0),
    (0, 205, 0),
    (205, 205, 0),
    (0, 0, 238),
    (205, 0, 205),
    (0, 205, 205),
    (229, 229, 229),
    (127, 127, 127),
    (255, 0, 0),
    (0, 255, 0),
    (255, 255, 0),
    (92, 92, 255),
    (255, 0, 255),
    (0, 255, 255),
    (255, 255, 255),
];

/// The default colours that the model reports.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    pub(super) foreground: RgbTriple,
    pub(super) background: RgbTriple,
}

impl Default for Palette {
    fn default() -> Self {
        Self { foreground: (229, 229, 229), background: (0, 0, 0) }
    }
}

impl Palette {
    /// The colour with this number in the grid's table: the program's value, else the default.
    pub(super) fn color(&self, set: &Colors, index: usize) -> RgbTriple {
        if index < COUNT
            && let Some(color) = set[index]
        {
            return (color.r, color.g, color.b);
        }
        match u8::try_from(index) {
            Ok(index) => indexed(index),
            Err(_) if index == NamedColor::Background as usize => self.background,
            Err(_) => self.foreground,
        }
    }
}

fn indexed(index: u8) -> RgbTriple {
    let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    match index {
        0..=15 => SIXTEEN.get(usize::from(index)).copied().unwrap_or_default(),
        16..=231 => {
            let n = index - 16;
            (level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    }
}
