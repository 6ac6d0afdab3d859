//! Text without control characters, which is safe to show and to edit: typed, pasted, or read from a file.

/// `text` without control characters other than tab and line feed.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}
