//! Short untrusted strings: names of files and sessions, error bodies, log lines, prompts.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Attributes, Cursor, Pen, Policy, Sanitizer};
use crate::terminal::ColorDepth;
use bai_protocol::byte_text;

/// Returns a name as one harmless line of at most `max_width` cells, as [`byte_text::shown`] shows it. `…` replaces what was
/// cut off.
pub fn name(input: &str, max_width: usize) -> String {
    cut(input, max_width, byte_text::shown)
}

/// Returns a title as one harmless line of at most `max_width` cells. It may contain names that are shown already, and stays as it is
/// then; all else is as in [`name`].
pub fn title(input: &str, max_width: usize) -> String {
    cut(input, max_width, byte_text::shown_sentence)
}

/// Returns a sentence as one harmless line of at most `max_width` cells. Line feeds and tabs become spaces. All else is as in
/// [`title`], because a sentence may contain names.
pub fn line(input: &str, max_width: usize) -> String {
    cut(input, max_width, |input| with_indent(&spaced(input)))
}

/// Returns a sentence of this program as one harmless line, however long. All that names in it hide is shown as in [`title`],
/// so no name makes a line of its own.
pub fn sentence(input: &str) -> String {
    capped(&with_indent(input))
}

/// Returns sentences of this program as harmless text of several lines. Each line is as in [`title`].
pub fn sentences(input: &str) -> String {
    let lines = input.split('\n').map(|line| capped(&with_indent(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A sentence, in which the spaces at the beginning are not part of a name.
fn with_indent(line: &str) -> String {
    let words = line.trim_start_matches(' ');
    let indent = " ".repeat(line.len() - words.len());
    indent + &byte_text::shown_sentence(words.trim_end_matches(' '))
}

/// Returns content, such as a log, as harmless text of several lines. Line feeds and tabs stay; colours and cursor moves are
/// dropped.
pub fn text(input: &str) -> String {
    through(input, Policy::Plain)
}

fn cut(input: &str, max_width: usize, show: impl Fn(&str) -> String) -> String {
    // Limits the input to what can be shown, even if each character is written as a long number.
    let head = head(input, max_width.saturating_mul(16).saturating_add(1024));
    let clean = capped(&show(head));
    if head.len() < input.len() && clean.width() <= max_width {
        return truncate(&format!("{clean}…"), max_width).into_owned();
    }
    truncate(&clean, max_width).into_owned()
}

/// Text without control characters, with limited runs of combining characters.
fn capped(text: &str) -> String {
    through(text, Policy::Plain)
}

/// One space for each run of line feeds, carriage returns and tabs.
fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' | '\r' | '\t' if spaced.ends_with(' ') => {}
            '\n' | '\r' | '\t' => spaced.push(' '),
            c => spaced.push(c),
        }
    }
    spaced
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
        assert_eq!(line("\x1b]0;title\x07na\x1b[2Jme", 80), "<U+001B>]0;title<U+0007>na<U+001B>[2Jme");
        assert_eq!(line("nul\x00 del\x7f \u{200b}", 80), "nul<U+0000> del<U+007F> <U+200B>");
        assert_eq!(line("  in\u{1b} ", 80), "  in<U+001B>");
        assert_eq!(name("two\nlines ", 80), "two<U+000A>lines<U+0020>");
        assert_eq!(sentence("  a\x1b\nbai-repl: forged "), "  a<U+001B><U+000A>bai-repl: forged");
        assert_eq!(sentences("  a\x1b]0;x'\n is  \n"), "  a<U+001B>]0;x'\n is\n");
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
