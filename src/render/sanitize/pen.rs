//! The pen: the terminal's current attributes, and the shortest sequence that changes them.

use std::io::Write;

use super::sgr::Attributes;
use crate::terminal::ColorDepth;
use crate::theme::Color;

/// The attributes that the terminal has after the output so far. All streams of one terminal share a pen. It is set
/// just before text is written, so that text always has the attributes of its own stream.
#[derive(Clone, Debug)]
pub struct Pen {
    depth: ColorDepth,
    enabled: bool,
    /// The attributes of the last request.
    wanted: Attributes,
    /// The current attributes in the colours of the terminal.
    now: Attributes,
    codes: String,
}

impl Pen {
    /// Creates a pen for a terminal with this colour depth. On a `dumb` terminal the pen writes no bytes.
    pub fn new(depth: ColorDepth, dumb: bool) -> Self {
        let none = Attributes::default();
        Self { depth, enabled: !dumb, wanted: none, now: none, codes: String::new() }
    }

    /// Returns the current attributes of the terminal.
    pub(in crate::render) fn attributes(&self) -> Attributes {
        self.now
    }

    /// Sets the terminal's attributes to `wanted`, in the nearest colours that it has.
    pub(in crate::render) fn set(&mut self, wanted: Attributes, out: &mut Vec<u8>) {
        if wanted == self.wanted || !self.enabled {
            return;
        }
        self.wanted = wanted;
        let to = wanted.fit(self.depth);
        let from = std::mem::replace(&mut self.now, to);
        if to == from {
            return;
        }
        self.codes.clear();
        if to == Attributes::default() {
            self.codes.push('0');
        } else {
            codes(from, to, &mut self.codes);
        }
        if !self.codes.is_empty() {
            out.extend_from_slice(b"\x1b[");
            out.extend_from_slice(self.codes.as_bytes());
            out.push(b'm');
        }
        if to.underline > 1 || to.underline_color.is_some() || from.underline_color.is_some() {
            write_colon_codes(from, to, out);
        }
    }

    /// Resets the terminal's own attributes. Call this before another writer uses the terminal.
    pub fn reset(&mut self, out: &mut Vec<u8>) {
        self.set(Attributes::default(), out);
    }
}

/// Writes the SGR parameters that change one set of attributes into another.
fn codes(from: Attributes, to: Attributes, codes: &mut String) {
    // One code ends both bold and faint, so the one that remains is switched on again.
    let off = (from.bold && !to.bold) || (from.dim && !to.dim);
    if off {
        push(codes, "22");
    }
    for (was, is, on) in [(from.bold, to.bold, "1"), (from.dim, to.dim, "2")] {
        if is && (!was || off) {
            push(codes, on);
        }
    }
    for (was, is, on, off) in [
        (from.italic, to.italic, "3", "23"),
        (from.underline > 0, to.underline > 0, "4", "24"),
        (from.blink, to.blink, "5", "25"),
        (from.reverse, to.reverse, "7", "27"),
        (from.strike, to.strike, "9", "29"),
        (from.overline, to.overline, "53", "55"),
    ] {
        if was != is {
            push(codes, if is { on } else { off });
        }
    }
    if to.underline == 1 && from.underline > 1 {
        push(codes, "4");
    }
    for (was, is, base, off) in [(from.fg, to.fg, 30, "39"), (from.bg, to.bg, 40, "49")] {
        match is {
            _ if was == is => {}
            None => push(codes, off),
            Some(color) => {
                push(codes, "");
                color.write_sgr(base, codes);
            }
        }
    }
}

fn push(codes: &mut String, code: &str) {
    if !codes.is_empty() {
        codes.push(';');
    }
    codes.push_str(code);
}

/// Writes the attributes whose parameters have colons, each in a sequence of its own. A terminal that does not support
/// colons drops the whole sequence, including the other parameters in it.
fn write_colon_codes(from: Attributes, to: Attributes, out: &mut Vec<u8>) {
    if to.underline > 1 && from.underline != to.underline {
        let _ = write!(out, "\x1b[4:{}m", to.underline);
    }
    if from.underline_color != to.underline_color && to != Attributes::default() {
        let _ = match to.underline_color {
            None => write!(out, "\x1b[59m"),
            Some(Color::Ansi(n) | Color::Indexed(n)) => write!(out, "\x1b[58:5:{n}m"),
            Some(Color::Rgb(rgb) | Color::Paired(rgb, _)) => {
                write!(out, "\x1b[58:2::{}:{}:{}m", rgb.r, rgb.g, rgb.b)
            }
        };
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
        assert_eq!(way(ColorDepth::None, &["1;31", "32", "22"]), "^[1m||^[0m|");
    }

    #[test]
    fn a_dumb_terminal_gets_no_sequences() {
        let mut pen = Pen::new(ColorDepth::TrueColor, true);
        let mut out = Vec::new();
        pen.set(Attributes { bold: true, ..Attributes::default() }, &mut out);
        pen.reset(&mut out);
        assert!(out.is_empty());
    }
}
