//! Colours and styles, and their reduction to the colours that a terminal can show.

use std::fmt::Write;

use crate::terminal::ColorDepth;

/// A colour as red, green and blue, 0 to 255 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
}

impl From<(u8, u8, u8)> for Rgb {
    fn from((r, g, b): (u8, u8, u8)) -> Self {
        Self { r, g, b }
    }
}

impl Rgb {
    /// Parses `#rrggbb`.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        let valid = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let [_, r, g, b] = u32::from_str_radix(digits, 16).ok().filter(|_| valid)?.to_be_bytes();
        Some(Self { r, g, b })
    }

    /// Whether dark text is more readable on it than light text, by perceived brightness (ITU-R BT.601 weights).
    pub fn is_light(self) -> bool {
        299 * u32::from(self.r) + 587 * u32::from(self.g) + 114 * u32::from(self.b) > 128_000
    }

    /// The distance between two colours; meaningful only in comparisons.
    fn distance(self, other: Self) -> u32 {
        let part = |a: u8, b: u8, weight: u32| weight * u32::from(a.abs_diff(b)).pow(2);
        part(self.r, other.r, 3) + part(self.g, other.g, 6) + part(self.b, other.b, 1)
    }
}

/// A colour in a form that terminals accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// One of the sixteen ANSI colours, 0 to 15, which the terminal's colour scheme defines.
    Ansi(u8),
    /// One of xterm's 256 colours.
    Indexed(u8),
    /// A 24-bit colour.
    Rgb(Rgb),
    /// A 24-bit colour, and its substitute on terminals with sixteen colours.
    Paired(Rgb, u8),
}

/// The levels of the 6×6×6 colour cube in xterm's palette.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// xterm's default sixteen colours, to find the nearest one. The user's colour scheme decides their real values.
const SIXTEEN: [Rgb; 16] = [
    rgb(0, 0, 0),
    rgb(205, 0, 0),
    rgb(0, 205, 0),
    rgb(205, 205, 0),
    rgb(0, 0, 238),
    rgb(205, 0, 205),
    rgb(0, 205, 205),
    rgb(229, 229, 229),
    rgb(127, 127, 127),
    rgb(255, 0, 0),
    rgb(0, 255, 0),
    rgb(255, 255, 0),
    rgb(92, 92, 255),
    rgb(255, 0, 255),
    rgb(0, 255, 255),
    rgb(255, 255, 255),
];

const fn rgb(r: u8, g: u8, b: u8) -> Rgb {
    Rgb { r, g, b }
}

impl Color {
    /// The nearest colour that `depth` has; `None` if there are no colours.
    pub fn fit(self, depth: ColorDepth) -> Option<Self> {
        match (depth, self) {
            (ColorDepth::None, _) => None,
            (ColorDepth::Ansi16, Self::Paired(_, ansi)) => Some(Self::Ansi(ansi)),
            (_, Self::Paired(rgb, _)) => Self::Rgb(rgb).fit(depth),
            (ColorDepth::TrueColor, any) | (_, any @ Self::Ansi(_)) => Some(any),
            (ColorDepth::Ansi256, any @ Self::Indexed(_)) => Some(any),
            (ColorDepth::Ansi256, Self::Rgb(rgb)) => Some(Self::Indexed(nearest_of_256(rgb))),
            (ColorDepth::Ansi16, Self::Indexed(index)) => Some(Self::Ansi(nearest_of_16(indexed(index)))),
            (ColorDepth::Ansi16, Self::Rgb(rgb)) => Some(Self::Ansi(nearest_of_16(rgb))),
        }
    }

    /// Appends the SGR parameters for this colour, without separators around them. `base` is 30 for the foreground
    /// and 40 for the background.
    pub fn write_sgr(self, base: u8, out: &mut String) {
        let _ = match self {
            Self::Ansi(n @ 0..=7) => write!(out, "{}", base + n),
            Self::Ansi(n) => write!(out, "{}", u16::from(base) + 60 + u16::from(n & 7)),
            Self::Indexed(n) => write!(out, "{};5;{n}", base + 8),
            Self::Rgb(Rgb { r, g, b }) | Self::Paired(Rgb { r, g, b }, _) => {
                write!(out, "{};2;{r};{g};{b}", base + 8)
            }
        };
    }
}

impl Color {
    /// The colour as RGB. The sixteen ANSI colours count as xterm's defaults.
    pub fn to_rgb(self) -> Rgb {
        match self {
            Self::Ansi(index) | Self::Indexed(index) => indexed(index),
            Self::Rgb(rgb) | Self::Paired(rgb, _) => rgb,
        }
    }
}

/// The RGB value of an entry of the 256-colour palette.
fn indexed(index: u8) -> Rgb {
    let level = |n: u8| CUBE.get(usize::from(n)).copied().unwrap_or(255);
    match index {
        0..=15 => SIXTEEN.get(usize::from(index)).copied().unwrap_or(rgb(0, 0, 0)),
        16..=231 => {
            let n = index - 16;
            rgb(level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        232..=255 => {
            let grey = 8 + 10 * (index - 232);
            rgb(grey, grey, grey)
        }
    }
}

fn nearest_of_256(color: Rgb) -> u8 {
    (16..=255).min_by_key(|index| indexed(*index).distance(color)).unwrap_or(15)
}

/// With so few colours the hue matters more than the distance: a colour with a hue must not become grey.
fn nearest_of_16(color: Rgb) -> u8 {
    let channels = [color.r, color.g, color.b];
    let (most, least) = channels.iter().fold((0, u8::MAX), |(most, least), n| (most.max(*n), least.min(*n)));
    if most - least <= 50 {
        let grey = |index: &u8| indexed(*index).distance(color);
        return [0, 7, 8, 15].into_iter().min_by_key(grey).unwrap_or(7);
    }
    // The sixteen are mixtures of full channels: switch on the brighter channels of this colour.
    let middle = least.midpoint(most);
    let hue =
        [1, 2, 4].into_iter().zip(channels).map(|(bit, n)| if n > middle { bit } else { 0 }).sum::<u8>();
    hue + if most > 190 { 8 } else { 0 }
}

/// Colours and attributes of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Foreground colour; `None` is the terminal's default.
    pub fg: Option<Color>,
    /// Background colour.
    pub bg: Option<Color>,
    /// Bold.
    pub bold: bool,
    /// Faint.
    pub dim: bool,
    /// Italic.
    pub italic: bool,
    /// Underlined.
    pub underline: bool,
    /// Foreground and background swapped.
    pub reverse: bool,
    /// Struck through.
    pub strike: bool,
}

impl Style {
    /// The SGR parameters of this style without the introducer, such as `1;31`; empty for no style. Without colours a
    /// background becomes reverse video, so that text marked only by its background stays marked.
    pub fn sgr_parameters(&self, depth: ColorDepth) -> String {
        let mut out = String::new();
        let attributes = [
            (self.bold, '1'),
            (self.dim, '2'),
            (self.italic, '3'),
            (self.underline, '4'),
            (self.is_reversed(depth), '7'),
            (self.strike, '9'),
        ];
        for (_, code) in attributes.into_iter().filter(|(on, _)| *on) {
            separate(&mut out);
            out.push(code);
        }
        for (color, base) in [(self.fg, 30), (self.bg, 40)] {
            if let Some(color) = color.and_then(|color| color.fit(depth)) {
                separate(&mut out);
                color.write_sgr(base, &mut out);
            }
        }
        out
    }

    /// Whether foreground and background are swapped at this colour depth.
    pub fn is_reversed(&self, depth: ColorDepth) -> bool {
        self.reverse || (depth == ColorDepth::None && self.bg.is_some())
    }

    /// The sequence that switches this style on; empty for no style.
    pub fn sgr(&self, depth: ColorDepth) -> String {
        let parameters = self.sgr_parameters(depth);
        if parameters.is_empty() { parameters } else { format!("\x1b[{parameters}m") }
    }
}

fn separate(out: &mut String) {
    if !out.is_empty() {
        out.push(';');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_fitted_to_the_nearest() {
        let orange = Color::Rgb(rgb(255, 135, 0));
        assert_eq!(orange.fit(ColorDepth::TrueColor), Some(orange));
        assert_eq!(orange.fit(ColorDepth::Ansi256), Some(Color::Indexed(208)));
        assert_eq!(Color::Indexed(196).fit(ColorDepth::Ansi16), Some(Color::Ansi(9)));
        assert_eq!(
            Color::Rgb(rgb(17, 99, 41)).fit(ColorDepth::Ansi16),
            Some(Color::Ansi(2)),
            "dark green is not grey"
        );
        assert_eq!(Color::Rgb(rgb(10, 10, 10)).fit(ColorDepth::Ansi16), Some(Color::Ansi(0)));
        assert_eq!(Color::Ansi(3).fit(ColorDepth::Ansi256), Some(Color::Ansi(3)), "the scheme's own is kept");
        assert_eq!(orange.fit(ColorDepth::None), None);
        let paired = Color::Paired(rgb(255, 135, 0), 3);
        assert_eq!(paired.fit(ColorDepth::Ansi256), Some(Color::Indexed(208)));
        assert_eq!(paired.fit(ColorDepth::Ansi16), Some(Color::Ansi(3)), "the substitute of the theme");
    }

    #[test]
    fn hex_is_six_digits_behind_a_hash() {
        assert_eq!(Rgb::from_hex("#0aFf10"), Some(rgb(10, 255, 16)));
        for wrong in ["0aff10", "#0aff1", "#0aff100", "#+a+f+1", "#0aff1é", "#", ""] {
            assert_eq!(Rgb::from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn greys_and_cube_corners_map_to_themselves() {
        for index in 16..=255_u8 {
            let found = nearest_of_256(indexed(index));
            assert_eq!(indexed(found), indexed(index), "{index} became {found}");
        }
    }

    #[test]
    fn sgr_is_written_as_terminals_read_it() {
        let style =
            Style { fg: Some(Color::Ansi(12)), bg: Some(Color::Indexed(17)), bold: true, ..Style::default() };
        assert_eq!(style.sgr(ColorDepth::TrueColor), "\x1b[1;94;48;5;17m");
        assert_eq!(style.sgr(ColorDepth::None), "\x1b[1;7m", "what was marked by a background stays marked");
        assert_eq!(Style::default().sgr(ColorDepth::TrueColor), "");
        let bright = Style { bg: Some(Color::Ansi(8)), ..Style::default() };
        assert_eq!(bright.sgr(ColorDepth::Ansi16), "\x1b[100m");
    }
}
