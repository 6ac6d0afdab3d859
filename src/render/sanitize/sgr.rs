//! SGR, the sequence that sets colours and attributes. It is read in all the forms that programs write, kept as
//! [`Attributes`], and written in one form.

use crate::terminal::ColorDepth;
use crate::theme::{Color, Rgb, Style};

/// The colours and attributes of text on the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub(super) fg: Option<Color>,
    pub(super) bg: Option<Color>,
    pub(super) underline_color: Option<Color>,
    pub(super) bold: bool,
    pub(super) dim: bool,
    pub(super) italic: bool,
    /// 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed.
    pub(super) underline: u8,
    pub(super) blink: bool,
    pub(super) reverse: bool,
    pub(super) strike: bool,
    pub(super) overline: bool,
}

impl From<Style> for Attributes {
    fn from(style: Style) -> Self {
        Self {
            fg: style.fg,
            bg: style.bg,
            bold: style.bold,
            dim: style.dim,
            italic: style.italic,
            underline: u8::from(style.underline),
            reverse: style.reverse,
            strike: style.strike,
            ..Self::default()
        }
    }
}

impl Attributes {
    /// Returns the attributes in the nearest colours that `depth` has.
    pub(super) fn fit(self, depth: ColorDepth) -> Self {
        let fit = |color: Option<Color>| color.and_then(|color| color.fit(depth));
        Self { fg: fit(self.fg), bg: fit(self.bg), underline_color: fit(self.underline_color), ..self }
    }

    /// Returns these attributes on top of `base`. Attributes that are not set here come from `base`.
    pub(super) fn over(self, base: Self) -> Self {
        Self {
            fg: self.fg.or(base.fg),
            bg: self.bg.or(base.bg),
            underline_color: self.underline_color.or(base.underline_color),
            bold: self.bold || base.bold,
            // Terminals disagree about text that is both bold and faint, so the text's own attribute wins.
            dim: self.dim || (base.dim && !self.bold),
            italic: self.italic || base.italic,
            underline: self.underline.max(base.underline),
            blink: self.blink || base.blink,
            reverse: self.reverse || base.reverse,
            strike: self.strike || base.strike,
            overline: self.overline || base.overline,
        }
    }

    /// Applies the parameters of one SGR sequence (`1;38;5;208`, `4:3`, …). Unknown or incomplete parameters have no
    /// effect. Concealed text (8) is not supported: all text is shown.
    pub(in crate::render) fn apply(&mut self, parameters: &[u8]) {
        let mut groups = parameters.split(|byte| *byte == b';');
        while let Some(group) = groups.next() {
            let (first, sub) = split_sub(group);
            let Some(code) = number(first) else { continue };
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = sub.map_or(1, |kind| number(kind).unwrap_or(1).min(5) as u8),
                5 | 6 => self.blink = true,
                7 => self.reverse = true,
                9 => self.strike = true,
                21 => self.underline = 2,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = 0,
                25 => self.blink = false,
                27 => self.reverse = false,
                29 => self.strike = false,
                30..=37 => self.fg = Some(Color::Ansi((code - 30) as u8)),
                38 => color(sub, &mut groups, &mut self.fg),
                39 => self.fg = None,
                40..=47 => self.bg = Some(Color::Ansi((code - 40) as u8)),
                48 => color(sub, &mut groups, &mut self.bg),
                49 => self.bg = None,
                53 => self.overline = true,
                55 => self.overline = false,
                58 => color(sub, &mut groups, &mut self.underline_color),
                59 => self.underline_color = None,
                90..=97 => self.fg = Some(Color::Ansi((code - 82) as u8)),
                100..=107 => self.bg = Some(Color::Ansi((code - 92) as u8)),
                _ => {}
            }
        }
    }
}

/// Splits at the first colon.
fn split_sub(group: &[u8]) -> (&[u8], Option<&[u8]>) {
    match group.iter().position(|byte| *byte == b':') {
        Some(at) => (group.get(..at).unwrap_or_default(), group.get(at + 1..)),
        None => (group, None),
    }
}

/// Returns a parameter's value. An empty one is 0; one with too many digits is `None`.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u32::from(digit))
    })
}

/// Reads the colour after 38, 48 or 58: `38:5:n`, `38:2:r:g:b`, `38:2:space:r:g:b`, `38;5;n`, `38;2;r;g;b`.
fn color<'a>(sub: Option<&'a [u8]>, groups: &mut impl Iterator<Item = &'a [u8]>, slot: &mut Option<Color>) {
    let read = |parts: &[&[u8]]| match parts {
        [kind, index] if number(kind) == Some(5) => Some(Color::Indexed(byte(index)?)),
        [kind, r, g, b] | [kind, _, r, g, b, ..] if number(kind) == Some(2) => {
            Some(Color::Rgb(Rgb { r: byte(r)?, g: byte(g)?, b: byte(b)? }))
        }
        _ => None,
    };
    let found = match sub {
        Some(sub) => read(&sub.split(|byte| *byte == b':').take(8).collect::<Vec<_>>()),
        None => {
            let Some(kind) = groups.next() else { return };
            let more = match number(kind) {
                Some(5) => 1,
                Some(2) => 3,
                _ => return,
            };
            let parts: Vec<&[u8]> = std::iter::once(kind).chain(groups.take(more)).collect();
            read(&parts)
        }
    };
    if found.is_some() {
        *slot = found;
    }
}

fn byte(digits: &[u8]) -> Option<u8> {
    number(digits).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &str) -> Attributes {
        let mut attributes = Attributes::default();
        attributes.apply(parameters.as_bytes());
        attributes
    }

    #[test]
    fn all_forms_of_a_colour_are_read() {
        let orange = Some(Color::Rgb(Rgb { r: 255, g: 135, b: 0 }));
        for form in ["38;2;255;135;0", "38:2:255:135:0", "38:2::255:135:0", "1;22;38;2;255;135;0"] {
            assert_eq!(read(form).fg, orange, "{form}");
        }
        assert_eq!(read("38;5;208").fg, Some(Color::Indexed(208)));
        assert_eq!(read("48:5:17").bg, Some(Color::Indexed(17)));
        assert_eq!(read("58:2::1:2:3").underline_color, Some(Color::Rgb(Rgb { r: 1, g: 2, b: 3 })));
        assert_eq!(read("97").fg, Some(Color::Ansi(15)));
        assert_eq!(read("103").bg, Some(Color::Ansi(11)));
    }

    #[test]
    fn incomplete_or_unknown_parameters_have_no_effect() {
        for form in [
            "38",
            "38;5",
            "38;2;1;2",
            "38;5;999",
            "38:5",
            "999",
            "99999999999999999999",
            "8",
            "28",
            ":",
            "38:2:1",
        ] {
            assert_eq!(read(form), Attributes::default(), "{form}");
        }
        assert_eq!(read("38;5;300;1"), read("1"), "a colour that is none takes its parameters with it");
    }

    #[test]
    fn attributes_go_on_and_off() {
        assert_eq!(read("1;2;3;4;5;7;9;53;22;23;24;25;27;29;55"), Attributes::default());
        assert_eq!(read("1;31;"), Attributes::default(), "an empty parameter is a reset");
        assert_eq!(read("4:3").underline, 3);
        assert_eq!(read("4:0").underline, 0);
        assert_eq!(read("4:99").underline, 5);
    }
}
