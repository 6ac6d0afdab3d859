//! Folded text: a text that is taller than the screen is one short mark in the editor. An editor that repaints more lines than
//! the screen has would scroll at every key.

use std::sync::{Mutex, MutexGuard, PoisonError};

use unicode_width::UnicodeWidthStr;

/// The brackets of a mark, which no language uses.
const OPEN: char = '⟦';
const CLOSE: char = '⟧';

/// A cell below this height is never folded, even on a very low screen.
const NEVER_BELOW_ROWS: usize = 6;
/// A text with more rows is folded on every screen.
const MAX_ROWS: usize = 1_000;

/// The texts behind the marks.
#[derive(Debug, Default)]
pub(super) struct FoldedTexts {
    texts: Mutex<Vec<(String, String)>>,
}

impl FoldedTexts {
    fn texts(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mark for `text`, if it is too tall for the screen.
    pub(super) fn fold_if_tall(&self, text: &str) -> Option<String> {
        let size = crate::terminal::size();
        let limit = usize::from(size.rows).saturating_sub(3).clamp(NEVER_BELOW_ROWS, MAX_ROWS);
        (rows(text, usize::from(size.cols), limit) > limit).then(|| self.fold(text))
    }

    fn fold(&self, text: &str) -> String {
        let mut texts = self.texts();
        if let Some((mark, _)) = texts.iter().find(|(_, known)| known == text) {
            return mark.clone();
        }
        let (number, lines) = (texts.len() + 1, text.lines().count());
        let mark = if lines > 1 {
            format!("{OPEN}{number}: {lines} lines{CLOSE}")
        } else {
            format!("{OPEN}{number}: {} characters{CLOSE}", text.chars().count())
        };
        texts.push((mark.clone(), text.to_owned()));
        mark
    }

    /// `line` with each mark replaced by its text.
    pub(super) fn unfold(&self, line: &str) -> String {
        if !line.contains(OPEN) {
            return line.to_owned();
        }
        let texts = self.texts();
        let (mut whole, mut rest) = (String::new(), line);
        while let Some((before, from)) = rest.find(OPEN).and_then(|at| rest.split_at_checked(at)) {
            whole.push_str(before);
            match texts.iter().find(|(mark, _)| from.starts_with(mark.as_str())) {
                Some((mark, text)) => {
                    whole.push_str(text);
                    rest = from.strip_prefix(mark.as_str()).unwrap_or_default();
                }
                None => {
                    whole.push(OPEN);
                    rest = from.strip_prefix(OPEN).unwrap_or_default();
                }
            }
        }
        whole.push_str(rest);
        whole
    }

    /// The length of the mark that ends right before the cursor.
    pub(super) fn mark_before(&self, before_cursor: &str) -> Option<usize> {
        if !before_cursor.ends_with(CLOSE) {
            return None;
        }
        self.texts()
            .iter()
            .find(|(mark, _)| before_cursor.ends_with(mark.as_str()))
            .map(|(mark, _)| mark.len())
    }
}

/// Rows that `text` needs on a screen of `columns`; counting stops soon after `limit`.
fn rows(text: &str, columns: usize, limit: usize) -> usize {
    let columns = columns.max(1);
    let mut rows = 0;
    for line in text.split('\n') {
        // A character is at most two columns wide and at least one byte long: no need to measure short lines.
        rows += if line.len() < columns { 1 } else { 1 + line.width() / columns };
        if rows > limit {
            break;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_replaced_with_its_exact_text() {
        let folds = FoldedTexts::default();
        let (a, b) = ("x\n".repeat(5000), "y".repeat(1_000_000));
        let line = format!("f({}) + {} ⟦9⟧", folds.fold(&a), folds.fold(&b));
        assert!(line.len() < 80, "{line}");
        assert_eq!(folds.unfold(&line), format!("f({a}) + {b} ⟦9⟧"));
        assert_eq!(folds.fold(&a), folds.fold(&a));
        assert_eq!(folds.unfold("⟦⟦"), "⟦⟦");
    }

    #[test]
    fn a_mark_is_erased_as_one() {
        let folds = FoldedTexts::default();
        let mark = folds.fold(&"x\n".repeat(99));
        assert_eq!(folds.mark_before(&format!("a {mark}")), Some(mark.len()));
        assert_eq!(folds.mark_before("a ⟦1: 3 lines⟧"), None);
    }

    #[test]
    fn rows_are_counted_as_the_screen_shows_them() {
        assert_eq!(rows("a\nb", 80, 99), 2);
        assert_eq!(rows(&"x".repeat(165), 80, 99), 3);
        assert_eq!(rows(&"語".repeat(50), 80, 99), 2);
        assert!(rows(&"\n".repeat(1_000_000), 80, 10) <= 11);
    }
}
