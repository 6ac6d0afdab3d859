//! The layout of `:help` in a window: two columns, and lines that are wrapped at blanks.

use unicode_width::UnicodeWidthStr;

/// The least width of the second column; if the window has less, it begins below the first.
const MIN_COLUMN: usize = 40;
/// The indentation of the second column below the first.
const BELOW: usize = 8;

/// Rows of a usage and its explanation, for a window of this width.
pub(super) fn help_table(rows: &[(String, String)], columns: usize) -> String {
    let first = rows.iter().map(|(usage, _)| usage.width() + 2).max().unwrap_or_default();
    let mut text = String::new();
    for (usage, explanation) in rows {
        let usage = usage.trim_end();
        if first + MIN_COLUMN <= columns {
            let explained = indented(explanation, columns, first);
            text.push_str(usage);
            text.push_str(&" ".repeat(first.saturating_sub(usage.width())));
            text.push_str(explained.trim_start());
        } else {
            text.push_str(&indented(usage, columns, 0));
            text.push_str(&indented(explanation, columns, BELOW));
        }
    }
    text
}

/// A text in lines that are at most `columns` wide and begin with `indent` blanks. A longer word gets a line of its own.
pub(super) fn indented(text: &str, columns: usize, indent: usize) -> String {
    // The last column stays free: some terminals wrap after it.
    let width = columns.saturating_sub(indent + 1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| format!("{:indent$}{line}\n", "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_at_blanks_in_every_window() {
        let rows =
            [(":ls [FLAGS]", "list the sessions of the server, with the flags of `ls`"), (":quit ", "leave")]
                .map(|(usage, explanation)| (usage.to_owned(), explanation.to_owned()));
        assert_eq!(
            help_table(&rows, 60),
            ":ls [FLAGS]  list the sessions of the server, with the\n             flags of `ls`\n:quit        leave\n"
        );
        assert_eq!(
            help_table(&rows, 40),
            ":ls [FLAGS]\n        list the sessions of the\n        server, with the flags of `ls`\n:quit\n        leave\n"
        );
        for columns in [20, 40, 60, 80, 100, 200] {
            assert!(help_table(&rows, columns).lines().all(|line| line.width() < columns), "{columns}");
        }
    }
}
