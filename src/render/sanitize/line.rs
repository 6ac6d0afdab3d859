//! Short untrusted strings: names of files and sessions, error bodies, log lines, prompts.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Attributes, Cursor, Pen, Policy, Sanitizer};
use crate::terminal::ColorDepth;

/// Returns `input` as one harmless line of at most `max_width` cells. `…` replaces what was cut off. Line feeds and
/// tabs become spaces, escape sequences are dropped, other control characters are shown as `^X`.
pub fn line(input: &str, max_width: usize) -> String {
    // Limits the input to what can be shown, even if each character is written as a long number.
    let head = head(input, max_width.saturating_mul(16).saturating_add(1024));
    let clean = through(head, Policy::Line);
    let clean = clean.trim_end_matches(' ');
    if head.len() < input.len() && clean.width() <= max_width {
        return truncate(&format!("{clean}…"), max_width).into_owned();
    }
    truncate(clean, max_width).into_owned()
}

/// Returns `input` as harmless text of several lines. Line feeds and tabs stay; colours and cursor moves are dropped.
pub fn text(input: &str) -> String {
    through(input, Policy::Plain)
}

fn through(input: &str, policy: Policy) -> String {
    // The window's size affects only cursor moves, which these policies drop.
    let (mut cursor, mut pen) = (Cursor::new(u16::MAX, u16::MAX), Pen::new(ColorDepth::None, true));
    let mut sanitizer = Sanitizer::new(policy, Attributes::default());
    let mut out = Vec::with_capacity(input.len());
    sanitizer.push(input.as_bytes(), &mut cursor, &mut pen, &mut out);
    sanitizer.finish(&mut cursor, &mut pen, &mut out);
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Returns the longest prefix of `input` that has at most `bytes` bytes.
fn head(input: &str, bytes: usize) -> &str {
    let mut end = bytes.min(input.len());
    while !input.is_char_boundary(end) {
        end -= 1;
    }
    input.get(..end).unwrap_or_default()
}

/// Cuts `input`, which must be harmless, to at most `max_width` cells. `…` marks the cut.
pub fn truncate(input: &str, max_width: usize) -> std::borrow::Cow<'_, str> {
    if input.width() <= max_width {
        return input.into();
    }
    let Some(room) = max_width.checked_sub(1) else { return "".into() };
    let mut kept = String::new();
    let mut width = 0;
    for c in input.chars() {
        width += c.width().unwrap_or(0);
        if width > room {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line_and_shows_what_was_hidden() {
        assert_eq!(line("plain name.txt", 80), "plain name.txt");
        assert_eq!(line("two\r\nlines\tand a tab\n", 80), "two lines and a tab");
        assert_eq!(line("\x1b]0;title\x07na\x1b[31mme\x1b[2J", 80), "name");
        assert_eq!(line("bell\x07 nul\x00 del\x7f", 80), "bell^G nul^@ del^?");
        assert_eq!(line("invoice\u{202e}fdp.exe", 80), "invoice<U+202E>fdp.exe");
        assert_eq!(line("", 80), "");
    }

    #[test]
    fn a_line_is_cut_by_cells() {
        assert_eq!(line("abcdefghij", 10), "abcdefghij");
        assert_eq!(line("abcdefghijk", 10), "abcdefghi…");
        assert_eq!(line("한국어이름", 6), "한국…", "never half of a wide character");
        assert_eq!(line("abc", 1), "…");
        assert_eq!(line("abc", 0), "");
        assert_eq!(line(&"x".repeat(10_000_000), 5), "xxxx…");
        assert_eq!(line(&"\u{301}".repeat(10_000_000), 5).width(), 1);
    }

    #[test]
    fn text_keeps_its_lines() {
        assert_eq!(text("a\tb\r\n\x1b[1mc\x1b[0m\n"), "a\tb\nc\n");
    }
}
