//! Text that may be shown and edited: what was typed, pasted or read from a file, without control characters.

/// `text` without control characters other than tab and line feed.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|&c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}
