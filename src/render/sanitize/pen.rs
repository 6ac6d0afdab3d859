//! The pen: which attributes the terminal has now, and the shortest way to others.

use std::fmt::Write;

use super::sgr::Attributes;
use crate::terminal::ColorDepth;
use crate::theme::Color;

/// What the terminal's attributes are, by what was written to it. One pen is shared by all streams that go to one
/// terminal; it is moved just before text is written, so that text always has its own stream's attributes.
#[derive(Clone, Debug)]
pub struct Pen {
    depth: ColorDepth,
    enabled: bool,
    now: Attributes,
    scratch: String,
}

impl Pen {
    /// A pen for a terminal with so many colours. On a `dumb` terminal it writes nothing at all.
    pub fn new(depth: ColorDepth, dumb: bool) -> Self {
        Self { depth, enabled: !dumb, now: Attributes::default(), scratch: String::new() }
    }

    /// The attributes that the terminal has now.
    pub(in crate::render) fn attributes(&self) -> Attributes {
        self.now
    }

    /// Makes the terminal's attributes `wanted`, in the nearest colours it has.
    pub(in crate::render) fn set(&mut self, wanted: Attributes, out: &mut Vec<u8>) {
        if wanted != self.now && self.enabled {
            self.transition(wanted, out);
        }
    }

    /// Back to the terminal's own attributes: to be called before anybody else writes.
    pub fn lift(&mut self, out: &mut Vec<u8>) {
        self.set(Attributes::default(), out);
    }

    fn transition(&mut self, wanted: Attributes, out: &mut Vec<u8>) {
        let fit = |color: Option<Color>| color.and_then(|color| color.fit(self.depth));
        let (from, to) = (self.now, wanted);
        let mut codes = std::mem::take(&mut self.scratch);
        codes.clear();
        let mut extra = String::new();
        let mut code = |code: &str| {
            if !codes.is_empty() {
                codes.push(';');
            }
            codes.push_str(code);
        };
        if to == Attributes::default() {
            code("0");
        } else {
            if (from.bold && !to.bold) || (from.dim && !to.dim) {
                code("22");
            }
            let kept = |was: bool| was && to.bold >= from.bold && to.dim >= from.dim;
            for (was, is, on) in [(from.bold, to.bold, "1"), (from.dim, to.dim, "2")] {
                if is && !kept(was) {
                    code(on);
                }
            }
            for (was, is, on, off) in [
                (from.italic, to.italic, "3", "23"),
                (from.blink, to.blink, "5", "25"),
                (from.reverse, to.reverse, "7", "27"),
                (from.strike, to.strike, "9", "29"),
                (from.overline, to.overline, "53", "55"),
            ] {
                if was != is {
                    code(if is { on } else { off });
                }
            }
            match (from.underline, to.underline) {
                (was, is) if was == is => {}
                (_, 0) => code("24"),
                (_, 1) => code("4"),
                // The kinds of underline have colons, which some terminals do not know: a sequence of their own, after
                // a plain underline, keeps the rest readable for those.
                (_, kind) => {
                    code("4");
                    let _ = write!(extra, "\x1b[4:{kind}m");
                }
            }
            for (was, is, base, off) in [(from.fg, to.fg, 30, "39"), (from.bg, to.bg, 40, "49")] {
                if fit(was) != fit(is) {
                    let mut text = String::new();
                    match fit(is) {
                        Some(color) => color.write_sgr(base, &mut text),
                        None => text.push_str(off),
                    }
                    code(&text);
                }
            }
            if fit(from.underline_color) != fit(to.underline_color) {
                let _ = match fit(to.underline_color) {
                    None => write!(extra, "\x1b[59m"),
                    Some(Color::Ansi(n) | Color::Indexed(n)) => write!(extra, "\x1b[58:5:{n}m"),
                    Some(Color::Rgb(rgb)) => write!(extra, "\x1b[58:2::{}:{}:{}m", rgb.r, rgb.g, rgb.b),
                };
            }
        }
        if !codes.is_empty() {
            out.extend_from_slice(b"\x1b[");
            out.extend_from_slice(codes.as_bytes());
            out.push(b'm');
        }
        out.extend_from_slice(extra.as_bytes());
        self.scratch = codes;
        self.now = wanted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(depth: ColorDepth, steps: &[&str]) -> String {
        let mut pen = Pen::new(depth, false);
        let mut out = Vec::new();
        let mut wanted = Attributes::default();
        for step in steps {
            wanted.apply(step.as_bytes());
            pen.set(wanted, &mut out);
            out.push(b'|');
        }
        String::from_utf8(out).unwrap().replace('\x1b', "^")
    }

    #[test]
    fn only_what_changes_is_written() {
        assert_eq!(way(ColorDepth::TrueColor, &["31", "31", "1", "39"]), "^[31m||^[1m|^[39m|");
        assert_eq!(way(ColorDepth::TrueColor, &["1;31", "0"]), "^[1;31m|^[0m|");
        assert_eq!(way(ColorDepth::TrueColor, &["1;2;3", "22"]), "^[1;2;3m|^[22m|");
        assert_eq!(way(ColorDepth::TrueColor, &["1;31", "22;2"]), "^[1;31m|^[22;2m|");
    }

    #[test]
    fn bold_survives_when_only_faint_ends() {
        let mut pen = Pen::new(ColorDepth::TrueColor, false);
        let mut out = Vec::new();
        pen.set(Attributes { bold: true, dim: true, ..Attributes::default() }, &mut out);
        out.clear();
        pen.set(Attributes { bold: true, ..Attributes::default() }, &mut out);
        assert_eq!(out, b"\x1b[22;1m");
    }

    #[test]
    fn kinds_of_underline_and_its_colour_have_sequences_of_their_own() {
        assert_eq!(way(ColorDepth::TrueColor, &["1;4:3;58:2::1:2:3"]), "^[1;4m^[4:3m^[58:2::1:2:3m|");
        assert_eq!(
            way(ColorDepth::TrueColor, &["4:3;58;5;9;1", "59;24"]),
            "^[1;4m^[4:3m^[58:5:9m|^[24m^[59m|"
        );
    }

    #[test]
    fn colours_are_fitted_to_the_terminal() {
        assert_eq!(way(ColorDepth::Ansi256, &["38;2;255;135;0"]), "^[38;5;208m|");
        assert_eq!(way(ColorDepth::Ansi16, &["38;5;196", "0"]), "^[91m|^[0m|");
        assert_eq!(way(ColorDepth::None, &["1;31", "32", "22"]), "^[1m||^[22m|");
    }

    #[test]
    fn a_dumb_terminal_gets_nothing() {
        let mut pen = Pen::new(ColorDepth::TrueColor, true);
        let mut out = Vec::new();
        pen.set(Attributes { bold: true, ..Attributes::default() }, &mut out);
        pen.lift(&mut out);
        assert!(out.is_empty());
    }
}
