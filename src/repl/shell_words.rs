//! Splits a line into words as a shell does: blanks separate words, quotes and backslashes keep them together.

use std::path::PathBuf;

/// Splits a line into words. An error is a sentence.
pub(super) fn split(line: &str) -> Result<Vec<String>, String> {
    let mut reader = Reader::default();
    let mut words: Vec<String> =
        line.char_indices().filter_map(|(at, letter)| reader.read(at, letter)).collect();
    if let Some(open) = reader.quote {
        return Err(format!("a quote {open} is not closed"));
    }
    words.extend(reader.end().map(|(_, word)| word));
    Ok(words)
}

/// The word that is being typed at the end of a line, and the byte position where it begins.
pub(super) fn last(line: &str) -> (usize, String) {
    let mut reader = Reader::default();
    for (at, letter) in line.char_indices() {
        reader.read(at, letter);
    }
    reader.end().unwrap_or((line.len(), String::new()))
}

/// Escapes a text, so that it is one word.
pub(super) fn escape(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_whitespace() || matches!(letter, '\'' | '"' | '\\') {
            word.push('\\');
        }
        word.push(letter);
    }
    word
}

/// A file name as people type it: `~` is the home folder, quotes around it are removed.
pub(super) fn file(argument: &str) -> PathBuf {
    bai_client::expand_tilde(unquoted(argument))
}

/// A name without the quotes around it.
pub(super) fn unquoted(argument: &str) -> &str {
    let inside = |quote: &char| argument.strip_prefix(*quote)?.strip_suffix(*quote);
    ['"', '\''].iter().find_map(inside).unwrap_or(argument)
}

#[derive(Default)]
struct Reader {
    /// The position of the word, and its text so far.
    word: Option<(usize, String)>,
    quote: Option<char>,
    escaped: bool,
}

impl Reader {
    /// Reads the letter at a byte position. Returns the word that it ends.
    fn read(&mut self, at: usize, letter: char) -> Option<String> {
        if !std::mem::take(&mut self.escaped) {
            match (self.quote, letter) {
                (Some(open), close) if open == close => {
                    self.quote = None;
                    return None;
                }
                (None, '\'' | '"') => {
                    self.quote = Some(letter);
                    self.word(at);
                    return None;
                }
                (None | Some('"'), '\\') => {
                    self.escaped = true;
                    self.word(at);
                    return None;
                }
                (None, blank) if blank.is_whitespace() => return self.word.take().map(|(_, word)| word),
                _ => {}
            }
        }
        self.word(at).push(letter);
        None
    }

    fn word(&mut self, at: usize) -> &mut String {
        &mut self.word.get_or_insert_with(|| (at, String::new())).1
    }

    /// The last word of the line. A backslash at the end is literal.
    fn end(mut self) -> Option<(usize, String)> {
        if self.escaped {
            self.word(0).push('\\');
        }
        self.word
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        for (line, words) in [
            ("", &[][..]),
            ("  a  b ", &["a", "b"]),
            ("'a b' \"c 'd'\" e\\ f", &["a b", "c 'd'", "e f"]),
            ("--exec='x y' ''", &["--exec=x y", ""]),
            ("a\\", &["a\\"]),
            (r#"'\' "\"" "#, &["\\", "\""]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        assert!(split("'a").is_err());
    }

    #[test]
    fn the_last_word_may_be_incomplete() {
        for (line, start, word) in [
            ("", 0, ""),
            ("a ", 2, ""),
            ("a b", 2, "b"),
            ("a b\\ c", 2, "b c"),
            ("größe 'b c", 8, "b c"),
            ("a \"b", 2, "b"),
        ] {
            assert_eq!(last(line), (start, word.to_owned()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_name_is_one_word(text in "[a-z 'é\"\\\\\t/]{1,12}", before in "[a-z ]{0,4} ") {
            let line = format!("{before}{}", escape(&text));
            prop_assert_eq!(split(&line).unwrap().pop(), Some(text.clone()));
            prop_assert_eq!(last(&line), (before.len(), text));
        }
    }
}
