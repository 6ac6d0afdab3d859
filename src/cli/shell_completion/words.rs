//! Words of a command line that a shell completes: what a typed word means, and which names may be put into it. A name of a
//! server or of a file may be a piece of a program, such as `$(rm -r .)`.

use crate::render::sanitize;

/// The longest name that is offered.
const MAX_NAME: usize = 4_096;

/// Whether a shell gives a character no meaning, wherever it is in a word. A leading `~`, `=` or `-` has one.
fn is_harmless(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | ',' | '@' | '%' | '+' | '=')
}

/// Whether a shell gives a word no meaning.
pub(super) fn is_plain(word: &str) -> bool {
    !word.starts_with(['=', '%']) && word.chars().all(is_harmless)
}

/// Whether a name can be offered: it is shown as it is, so that it does not act on the terminal or look like another one.
pub(super) fn can_be_shown(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && sanitize::line(name, usize::MAX) == name
}

/// A word with a backslash before each character that may have a meaning to bash.
pub(super) fn escaped(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    let mut escaped = String::with_capacity(word.len() * 2);
    for (index, c) in word.chars().enumerate() {
        if !is_harmless(c) || (index == 0 && matches!(c, '=' | '%')) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The meaning of a word that is typed, without its quotes. The last quote may be open. Nothing is expanded.
pub(super) fn meaning(word: &str) -> String {
    let mut meaning = String::with_capacity(word.len());
    let mut chars = word.chars();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None) => meaning.extend(chars.next()),
            ('\\', Some('"')) => match chars.next() {
                Some(next) if matches!(next, '$' | '`' | '"' | '\\') => meaning.push(next),
                next => {
                    meaning.push('\\');
                    meaning.extend(next);
                }
            },
            (c, _) => meaning.push(c),
        }
    }
    meaning
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_words_are_unchanged() {
        for word in ["quiet-otter-3f2a", "cr.example/stable/python:3.6-ubuntu", "größe", "--name=x", "a@b"]
        {
            assert_eq!((is_plain(word), escaped(word).as_str()), (true, word));
        }
        for (word, expected) in [
            ("$(touch x)", "\\$\\(touch\\ x\\)"),
            ("~ann", "\\~ann"),
            ("=ls", "\\=ls"),
            ("a;b|c", "a\\;b\\|c"),
            ("it's", "it\\'s"),
        ] {
            assert_eq!((is_plain(word), escaped(word).as_str()), (false, expected));
        }
    }

    #[test]
    fn a_typed_word_is_read_as_a_shell_reads_it() {
        for (typed, expected) in [
            ("plain", "plain"),
            ("my\\ na", "my na"),
            ("'my na", "my na"),
            ("\"a\\$b\\x\"c", "a$b\\xc"),
            ("a'b'\"c\"\\", "abc"),
            ("$(touch x)", "$(touch x)"),
        ] {
            assert_eq!(meaning(typed), expected, "{typed}");
        }
    }

    #[test]
    fn names_that_act_on_a_terminal_are_not_offered() {
        for name in ["", "a\nb", "a\u{1b}[2J", "a\u{9b}m", "a\u{202e}b"] {
            assert!(!can_be_shown(name), "{name:?}");
        }
        assert!(can_be_shown("größe $(x) 日本"));
    }

    proptest! {
        #[test]
        fn an_escaped_word_means_the_name(name in "\\PC*") {
            prop_assert_eq!(meaning(&escaped(&name)), name);
        }
    }
}
