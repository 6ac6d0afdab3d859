//! The unfinished line: the text that a program printed before it asked for input is the prompt of that question.

use unicode_width::UnicodeWidthChar;

use super::sanitize::{Attributes, Pen};
use crate::terminal::ColorDepth;

/// The most bytes of an unfinished line that are kept. No readable prompt is longer.
const MAX_BYTES: usize = 8 * 1024;

/// An unfinished line, as text that an editor can use as its prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialLine {
    /// The text with its colours (SGR only, reset at the end).
    pub text: String,
    /// Its width in cells.
    pub width: usize,
}

/// Collects the bytes that were written to the terminal since the last line feed.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    /// The attributes at the start of the line.
    start: Attributes,
    too_long: bool,
}

impl Tail {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Records output; `before` are the attributes before it.
    pub(super) fn note(&mut self, written: &[u8], before: Attributes) {
        let fresh = match written.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => {
                self.bytes.clear();
                self.too_long = false;
                let (line, fresh) = written.split_at_checked(at + 1).unwrap_or_default();
                self.start =
                    if fresh.is_empty() { Attributes::default() } else { attributes_after(line, before) };
                fresh
            }
            None => written,
        };
        if self.bytes.len() + fresh.len() > MAX_BYTES {
            self.too_long = true;
            self.bytes.clear();
        }
        if !self.too_long {
            self.bytes.extend_from_slice(fresh);
        }
    }

    /// Returns the line as text, without overwritten and erased characters. Only colours remain of the sequences.
    /// `None` if the line is longer than a prompt can be.
    pub(super) fn line(&self) -> Option<PartialLine> {
        if self.too_long {
            return None;
        }
        let text = String::from_utf8_lossy(&self.bytes);
        let mut attributes = self.start;
        let mut cells: Vec<(char, Attributes)> = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\x1b' => {
                    if let Some(parameters) = sgr_parameters(&mut rest) {
                        attributes.apply(parameters.as_bytes());
                    }
                }
                '\r' => cells.clear(),
                '\x08' => drop(cells.pop()),
                '\t' => {
                    let stop = 8 - cells.len() % 8;
                    cells.extend(std::iter::repeat_n((' ', attributes), stop));
                }
                c => cells.push((c, attributes)),
            }
        }
        Some(draw(&cells))
    }
}

/// Reads the sequence after an ESC. Returns its parameters if it is SGR.
fn sgr_parameters(rest: &mut std::str::Chars<'_>) -> Option<String> {
    let _bracket = rest.next();
    let mut parameters = String::new();
    for c in rest {
        if c.is_ascii_alphabetic() {
            return (c == 'm').then_some(parameters);
        }
        parameters.push(c);
    }
    None
}

fn draw(cells: &[(char, Attributes)]) -> PartialLine {
    let mut pen = Pen::new(ColorDepth::TrueColor, false);
    let mut styled = Vec::new();
    let mut width = 0;
    for (c, attributes) in cells {
        pen.set(*attributes, &mut styled);
        styled.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        width += c.width().unwrap_or(0);
    }
    pen.reset(&mut styled);
    PartialLine { text: String::from_utf8_lossy(&styled).into_owned(), width }
}

/// Returns the attributes after `written`. It is our own output, so its SGR sequences are in canonical form.
fn attributes_after(written: &[u8], before: Attributes) -> Attributes {
    let mut changes = Vec::new();
    let mut start = before;
    let mut rest = written;
    // Backwards to the last reset. Earlier sequences have no effect.
    while let Some(at) = rest.iter().rposition(|byte| *byte == 0x1b) {
        let sequence = String::from_utf8_lossy(rest.get(at + 1..).unwrap_or_default());
        let parameters = sgr_parameters(&mut sequence.chars());
        rest = rest.get(..at).unwrap_or_default();
        match parameters.as_deref() {
            Some("0") => {
                start = Attributes::default();
                break;
            }
            Some(_) => changes.extend(parameters),
            None => {}
        }
    }
    for parameters in changes.iter().rev() {
        start.apply(parameters.as_bytes());
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pieces: &[&str]) -> PartialLine {
        let mut tail = Tail::default();
        for piece in pieces {
            tail.note(piece.as_bytes(), Attributes::default());
        }
        tail.line().unwrap()
    }

    #[test]
    fn the_unfinished_line_is_what_follows_the_last_line_feed() {
        assert_eq!(line(&["hello\nName: "]), PartialLine { text: "Name: ".into(), width: 6 });
        assert_eq!(line(&["a\n", "Na", "me: "]).text, "Name: ");
        assert_eq!(line(&["done\n"]), PartialLine::default());
        assert_eq!(line(&["이름: "]).width, 6);
    }

    #[test]
    fn colours_stay_and_begin_as_they_were_at_the_start_of_the_line() {
        assert_eq!(line(&["\x1b[1;32mName\x1b[0m: "]).text, "\x1b[1;32mName\x1b[0m: ");
        assert_eq!(line(&["\x1b[31mred\nstill "]).text, "\x1b[31mstill \x1b[0m");
        assert_eq!(line(&["\x1b[31mred\x1b[0m\x1b[1mx\nbold"]).text, "\x1b[1mbold\x1b[0m");
    }

    #[test]
    fn overwritten_text_is_removed() {
        assert_eq!(line(&["50%\r100%"]).text, "100%");
        assert_eq!(line(&["pasx\x08sword"]).text, "password");
        assert_eq!(line(&["one\x1b[2K\rtwo\x1b[K"]).text, "two");
        assert_eq!(line(&["a\tb"]).text, "a       b");
    }

    #[test]
    fn a_line_longer_than_any_prompt_is_not_a_prompt() {
        let mut tail = Tail::default();
        for _ in 0..100 {
            tail.note(&[b'x'; 1000], Attributes::default());
        }
        assert_eq!(tail.line(), None);
        assert!(tail.bytes.capacity() <= 2 * MAX_BYTES);
        tail.note(b"\nshort", Attributes::default());
        assert_eq!(tail.line().unwrap().text, "short");
    }
}
