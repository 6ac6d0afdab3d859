//! The list of suggestions below the line. It is shown until the next key, and never stays in the scrollback.

use bai_protocol::byte_text;
use unicode_width::UnicodeWidthStr;

/// Maximum number of rows; the next Tab shows the next page.
const MAX_ROWS: usize = 8;
/// Maximum width of a suggestion.
const MAX_WIDTH: usize = 40;

/// Suggestions for one position in one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SuggestionList {
    items: Vec<String>,
    /// The text and the cursor that the list was made for.
    pub(super) text: String,
    pub(super) position: usize,
    first: usize,
    shown: usize,
}

impl SuggestionList {
    pub(super) fn new(items: Vec<String>, text: &str, position: usize) -> Self {
        SuggestionList { items, text: text.to_owned(), position, first: 0, shown: 0 }
    }

    /// Turns to the next page; after the last page comes the first.
    pub(super) fn next_page(&mut self) {
        self.first += self.shown;
        if self.first >= self.items.len() {
            self.first = 0;
        }
    }

    /// The page as text that begins with a line feed, for a screen with this many columns and rows. The line above takes `used`
    /// rows. Empty if there is no room.
    pub(super) fn page(&mut self, columns: usize, rows: usize, used: usize, ellipsis: &str) -> String {
        let rows = rows.saturating_sub(used + 1).min(MAX_ROWS);
        let columns = columns.saturating_sub(1);
        if rows == 0 || columns < 4 {
            return String::new();
        }
        let widest = MAX_WIDTH.min(columns);
        let rest = self.items.get(self.first..).unwrap_or_default();
        let candidates: Vec<String> =
            rest.iter().take(rows * columns / 2).map(|item| clip(&shown(item), widest, ellipsis)).collect();
        let (shown, width) = fitting(&candidates, columns, rows);
        self.shown = shown.max(1);
        let per_row = (columns / width).max(1);
        let needed = shown.div_ceil(per_row);
        let mut page = String::new();
        for row in 0..needed {
            page.push('\n');
            let cells = candidates.iter().take(shown).skip(row).step_by(needed);
            let mut line = String::new();
            for cell in cells {
                let gap = line.width().div_ceil(width) * width - line.width();
                line.extend(std::iter::repeat_n(' ', gap));
                line.push_str(cell);
            }
            page.push_str(&line);
        }
        let left = rest.len().saturating_sub(shown);
        if (left > 0 || self.first > 0) && rows > needed {
            page.push_str(&clip(
                &format!("\n{ellipsis} {left} more, Tab shows the next page"),
                columns + 1,
                ellipsis,
            ));
        }
        page
    }
}

/// A suggestion as it is shown. A space at its end is not part of a name.
fn shown(item: &str) -> String {
    byte_text::shown_sentence(item.trim_end_matches(' '))
}

/// How many candidates fit into `rows`, and the width of a column. One row is kept for the note if not all fit.
fn fitting(candidates: &[String], columns: usize, rows: usize) -> (usize, usize) {
    let grid = |count: usize, rows: usize| {
        let widest = candidates.iter().take(count).map(|item| item.width()).max().unwrap_or(0);
        let width = (widest + 2).min(columns.max(1));
        let per_row = (columns / width).max(1);
        (count.div_ceil(per_row) <= rows).then_some(width)
    };
    if let Some(width) = grid(candidates.len(), rows) {
        return (candidates.len(), width);
    }
    let rows = (rows - 1).max(1);
    let (mut fits, mut too_many) = (1, candidates.len());
    while fits + 1 < too_many {
        let middle = fits.midpoint(too_many);
        if grid(middle, rows).is_some() { fits = middle } else { too_many = middle }
    }
    (fits, grid(fits, rows).unwrap_or(columns.max(1)))
}

/// `text` in at most `width` columns.
fn clip(text: &str, width: usize, ellipsis: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(ellipsis.width());
    let mut clipped = String::new();
    for c in text.chars() {
        clipped.push(c);
        if clipped.width() > room {
            clipped.pop();
            break;
        }
    }
    clipped + ellipsis
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(items: &[&str]) -> SuggestionList {
        SuggestionList::new(items.iter().map(|item| (*item).to_owned()).collect(), "", 0)
    }

    #[test]
    fn columns_read_downwards() {
        let page = listing(&["aa", "bb", "cc", "dd", "ee"]).page(13, 24, 1, "…");
        assert_eq!(page, "\naa  cc  ee\nbb  dd");
    }

    #[test]
    fn suggestions_that_do_not_fit_are_on_the_next_page() {
        let items: Vec<String> = (0..100_000).map(|n| format!("item{n:05}")).collect();
        let mut listing = SuggestionList::new(items, "", 0);
        let first = listing.page(80, 24, 1, "…");
        assert!(first.starts_with("\nitem00000") && first.contains("more, Tab"), "{first}");
        assert!(first.lines().count() <= MAX_ROWS + 1 && first.lines().all(|line| line.width() < 80));
        listing.next_page();
        assert!(!listing.page(80, 24, 1, "…").contains("item00000"));
    }

    #[test]
    fn disguised_suggestions_are_shown_with_numbers() {
        assert_eq!(listing(&["a\u{202e}b", "c\u{1b}"]).page(40, 24, 1, "…"), "\na<U+202E>b  c<U+001B>");
    }

    #[test]
    fn the_smallest_screen_works() {
        for columns in 0..30 {
            for rows in 0..6 {
                let page =
                    listing(&["a_rather_long_suggestion", "语言语言", "c"]).page(columns, rows, 1, "…");
                assert!(page.lines().all(|line| line.width() < columns.max(1)), "{columns}x{rows}: {page:?}");
                // The first line feed ends the line that is edited.
                assert!(page.lines().count() <= rows.max(1), "{columns}x{rows}: {page:?}");
            }
        }
    }

    #[test]
    fn the_last_page_is_followed_by_the_first() {
        let mut listing = listing(&["a", "b", "c"]);
        listing.page(80, 24, 1, "…");
        listing.next_page();
        assert_eq!(listing.page(80, 24, 1, "…"), "\na  b  c");
    }
}
