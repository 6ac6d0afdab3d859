//! Lines of the prompt's own notices, broken at blanks where the window is too narrow: a terminal breaks them in the middle of
//! words.

use unicode_width::UnicodeWidthStr;

/// A harmless text whose lines have at most `columns`. What follows a break is indented as its line is. A word that is longer
/// than a line stays whole, so that a path can be copied.
pub(super) fn at_words(text: &str, columns: usize) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| wrapped(line, columns)).collect();
    lines.join("\n")
}

fn wrapped(line: &str, columns: usize) -> String {
    if line.width() <= columns {
        return line.to_owned();
    }
    let words = line.trim_start_matches(' ');
    let indent = line.get(..line.len() - words.len()).unwrap_or_default();
    let (mut text, mut used) = (indent.to_owned(), indent.width());
    for word in words.split_inclusive(' ') {
        let is_first = used == indent.width();
        if !is_first && used + word.trim_end_matches(' ').width() > columns {
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
            text.push_str(indent);
            used = indent.width();
        }
        text.push_str(word);
        used += word.width();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_keep_their_indent() {
        for (text, columns, shown) in [
            ("one two three", 13, "one two three"),
            ("one two three", 12, "one two\nthree"),
            ("one two three\nfour", 7, "one two\nthree\nfour"),
            ("  one  two three", 10, "  one  two\n  three"),
            ("see /a/long/path here", 8, "see\n/a/long/path\nhere"),
            ("漢字 漢字", 8, "漢字\n漢字"),
            ("a b", 0, "a\nb"),
        ] {
            assert_eq!(at_words(text, columns), shown, "{text:?} {columns}");
        }
    }
}
