//! What a colour's number looks like, for programs that ask.

use alacritty_terminal::term::color::{COUNT, Colors};
use alacritty_terminal::vte::ansi::NamedColor;

/// Red, green and blue light.
pub(super) type Light = (u8, u8, u8);

/// xterm's sixteen.
const SIXTEEN: [Light; 16] = [
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

/// The colours of the terminal that the model stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    pub(super) foreground: Light,
    pub(super) background: Light,
}

impl Default for Palette {
    fn default() -> Self {
        Self { foreground: (229, 229, 229), background: (0, 0, 0) }
    }
}

impl Palette {
    /// The colour with this number in the grid's table: what the program set it to, else what it is by itself.
    pub(super) fn color(&self, set: &Colors, index: usize) -> Light {
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

fn indexed(index: u8) -> Light {
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
