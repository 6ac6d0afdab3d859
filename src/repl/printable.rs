//! Text without characters that act on the terminal. [`printable`] is for texts that come in: typed, pasted, or read from a
//! file. The other functions are for texts that are shown; what they show is what `render::sanitize` calls harmless.

use crate::render::sanitize::is_harmless;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Maximum number of hidden characters that are named.
const MAX_NAMED: usize = 4;

/// `text` without control characters other than tab and line feed.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

/// `text` as it is shown while it is edited. The editor counts columns by the text itself, so a hidden character takes the
/// columns that the editor counts: usually none.
pub(super) fn editable(text: &str) -> Cow<'_, str> {
    replaced(text, |c, shown| {
        if !c.is_control() && c.encode_utf8(&mut [0; 4]).width() > 0 {
            shown.push(char::REPLACEMENT_CHARACTER);
        }
    })
}

/// `text` with the hidden characters by their numbers, as in the output of programs. Control characters are left out.
pub(super) fn named(text: &str) -> Cow<'_, str> {
    replaced(text, |c, shown| {
        if !c.is_control() {
            shown.push_str(&number(c));
        }
    })
}

/// The numbers of the characters that [`editable`] hides, without control characters.
pub(super) fn hidden(text: &str) -> Option<String> {
    let mut found: Vec<char> = Vec::new();
    for c in text.chars().filter(|c| !is_harmless(*c) && !c.is_control()) {
        if found.len() <= MAX_NAMED && !found.contains(&c) {
            found.push(c);
        }
    }
    let more = if found.len() > MAX_NAMED { " and others" } else { "" };
    let numbers: Vec<String> = found.iter().take(MAX_NAMED).copied().map(number).collect();
    (!numbers.is_empty()).then(|| numbers.join(" ") + more)
}

fn number(c: char) -> String {
    format!("<U+{:04X}>", u32::from(c))
}

fn replaced(text: &str, replace: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) { shown.push(c) } else { replace(c, &mut shown) }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sanitize;

    #[test]
    fn hidden_characters_are_left_out_named_or_counted() {
        let text = "a\u{202e}b\u{1b}c\u{9b}d\u{ad}é\n\t\u{301}";
        assert_eq!(editable(text), "abcdé\n\t\u{301}");
        assert_eq!(named(text), "a<U+202E>bcd<U+00AD>é\n\t\u{301}");
        assert_eq!(hidden(text).as_deref(), Some("<U+202E> <U+00AD>"));
        assert_eq!(hidden("plain"), None);
        assert_eq!(printable(text), "a\u{202e}bcd\u{ad}é\n\t\u{301}");
        let many: String = ('\u{2066}'..='\u{2069}').chain('\u{202a}'..='\u{202e}').collect();
        assert!(hidden(&many).unwrap().ends_with("<U+2069> and others"));
    }

    #[test]
    fn a_named_character_looks_as_in_output() {
        for c in ['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{2028}'] {
            assert_eq!(named(&c.to_string()), sanitize::text(&c.to_string()));
        }
    }

    #[test]
    fn the_editor_counts_the_columns_that_are_shown() {
        let all = (0..=0x10_ffff).filter_map(char::from_u32);
        for c in all.filter(|c| !is_harmless(*c) && !c.is_control()) {
            let text = c.to_string();
            assert_eq!(editable(&text).width(), text.width(), "{c:?}");
        }
    }
}
