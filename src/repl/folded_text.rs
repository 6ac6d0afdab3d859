//! Folded text: of a cell that is taller than the window, the editor holds the rows around the cursor. What is above and below
//! is one character each, a mark, and comes into view when the cursor goes there. An editor that repaints more lines than the
//! screen has would scroll at every key. A mark is one unit: no key cuts it in two, what removes it removes all of its text, and
//! undo brings it back. No text of the user is taken for one: such a character of theirs becomes a mark of its own.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The characters that are marks: of private use, in a plane that no font and no program uses. The driver of Python has the end
/// of that plane.
const FIRST: char = '\u{100000}';
const LAST: char = '\u{10efff}';
/// As many marks are kept: older ones are long out of reach of undo and yank.
const MOST: usize = 0xf000;
/// A new mark is looked for among so many of the last ones.
const RECENT: usize = 64;
/// The editor asks for the same texts again and again, of the history too. So many are known.
const RECENT_TEXTS: usize = 16;

/// The rows of the window that are left for what is below the cell.
const OTHER_ROWS: usize = 3;
/// A mark above, a row, and a mark below.
const FEWEST_ROWS: usize = 3;
/// A text with more rows is not shown whole in the scrollback either.
pub(super) const MAX_ROWS: usize = 1_000;
/// So many characters beside the mark of a line that is cut, the cursor is near to it.
const NEAR: usize = 4;

/// Whether a character is a mark.
pub(super) fn is_mark(c: char) -> bool {
    (FIRST..=LAST).contains(&c)
}

/// A line of the editor, and the cursor in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// The rows around the cursor, and marks.
    pub(super) line: String,
    /// The cursor, as a byte position.
    pub(super) cursor: usize,
}

/// The texts behind the marks, as parts of the texts that were folded.
#[derive(Debug, Default)]
pub(super) struct FoldedTexts {
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    /// The next one takes the place of the oldest when there are [`MOST`].
    kept: Vec<(Arc<str>, Range<usize>)>,
    next: usize,
    /// The texts that were folded last, the newest at the end.
    texts: VecDeque<Arc<str>>,
}

impl Marks {
    fn mark(&mut self, whole: &Arc<str>, range: Range<usize>) -> char {
        let recent = (0..self.next.min(RECENT)).map(|back| self.next - 1 - back);
        let known = recent.map(|number| number % MOST).find(|&at| {
            self.kept.get(at).is_some_and(|(text, known)| Arc::ptr_eq(text, whole) && *known == range)
        });
        let at = known.unwrap_or_else(|| {
            let (at, new) = (self.next % MOST, (Arc::clone(whole), range));
            match self.kept.get_mut(at) {
                Some(oldest) => *oldest = new,
                None => self.kept.push(new),
            }
            self.next += 1;
            at
        });
        u32::try_from(at).ok().and_then(|at| char::from_u32(u32::from(FIRST) + at)).unwrap_or(LAST)
    }

    fn text(&self, mark: char) -> Option<&str> {
        let at = usize::try_from(u32::from(mark).checked_sub(u32::from(FIRST))?).ok()?;
        let (whole, range) = self.kept.get(at)?;
        whole.get(range.clone())
    }

    /// `whole`, shared with the marks that were made from the same text before.
    fn shared(&mut self, whole: &str) -> Arc<str> {
        if let Some(known) = self.texts.iter().find(|text| ***text == *whole) {
            return Arc::clone(known);
        }
        if self.texts.len() == RECENT_TEXTS {
            self.texts.pop_front();
        }
        let new: Arc<str> = whole.into();
        self.texts.push_back(Arc::clone(&new));
        new
    }
}

impl FoldedTexts {
    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `whole` as the editor shows it in this window, or `None` if it shows it as it is.
    pub(super) fn view(&self, whole: &str, cursor: usize) -> Option<View> {
        let size = crate::terminal::size();
        self.view_in(whole, cursor, usize::from(size.rows), usize::from(size.cols))
    }

    fn view_in(&self, whole: &str, cursor: usize, rows: usize, columns: usize) -> Option<View> {
        let limit = most_rows(rows);
        if rows_of(whole, columns, limit) <= limit && !whole.contains(is_mark) {
            return None;
        }
        let shown = visible(whole, cursor, limit, columns);
        let mut marks = self.marks();
        let shared = marks.shared(whole);
        let mut view = View { line: String::new(), cursor: 0 };
        if shown.lines.start > 0 {
            view.line.push(marks.mark(&shared, 0..shown.lines.start - 1));
            view.line.push('\n');
        }
        if shown.part.start > shown.lines.start {
            view.line.push(marks.mark(&shared, shown.lines.start..shown.part.start));
        }
        for (at, c) in whole.get(shown.part.clone()).unwrap_or_default().char_indices() {
            let at = shown.part.start + at;
            if at == cursor {
                view.cursor = view.line.len();
            }
            view.line.push(if is_mark(c) { marks.mark(&shared, at..at + c.len_utf8()) } else { c });
        }
        if cursor >= shown.part.end {
            view.cursor = view.line.len();
        }
        if shown.part.end < shown.lines.end {
            view.line.push(marks.mark(&shared, shown.part.end..shown.lines.end));
        }
        if shown.lines.end < whole.len() {
            view.line.push('\n');
            view.line.push(marks.mark(&shared, shown.lines.end + 1..whole.len()));
        }
        Some(view)
    }

    /// A text from elsewhere, as the editor gets it with the cursor at its end.
    pub(super) fn fold(&self, whole: &str) -> Option<String> {
        self.view(whole, whole.len()).map(|view| view.line)
    }

    /// `line` with each mark replaced by its text.
    pub(super) fn unfold(&self, line: &str) -> String {
        if !line.contains(is_mark) {
            return line.to_owned();
        }
        let marks = self.marks();
        let mut whole = String::new();
        for c in line.chars() {
            match marks.text(c) {
                Some(text) if is_mark(c) => whole.push_str(text),
                _ => whole.push(c),
            }
        }
        whole
    }

    /// Whether the editor has to show another part of the text when the cursor goes to this place of `line`: it is taller than
    /// the window, or the cursor would be near a mark.
    pub(super) fn is_to_be_moved(&self, line: &str, cursor: usize) -> bool {
        let (before, after) = line.split_at_checked(cursor).unwrap_or((line, ""));
        let above = before.rfind(is_mark).and_then(|at| before.get(at..)).map(|text| {
            let mut chars = text.chars();
            chars.next();
            is_near(chars.as_str(), chars.as_str().starts_with('\n'))
        });
        let below = after.find(is_mark).and_then(|at| after.get(..at));
        let below = below.map(|text| is_near(text, text.ends_with('\n')));
        above == Some(true) || below == Some(true) || is_too_tall(line)
    }

    /// Says how much is hidden, for the line below the cell.
    pub(super) fn hidden(&self, line: &str, cursor: usize) -> Option<String> {
        let marks = self.marks();
        let lines = |part: &str| -> usize {
            let texts = part.chars().filter(|c| is_mark(*c)).filter_map(|c| marks.text(c));
            texts.map(|text| text.split('\n').count()).sum()
        };
        let (before, after) = line.split_at_checked(cursor)?;
        let mut said = String::new();
        for (count, place) in [(lines(before), "above"), (lines(after), "below")] {
            if count > 0 {
                let comma = if said.is_empty() { "" } else { ", " };
                let plural = if count == 1 { "" } else { "s" };
                let _ = write!(said, "{comma}{count} more line{plural} {place}");
            }
        }
        (!said.is_empty()).then_some(said)
    }
}

/// Whether `line` has more rows than the editor may repaint in this window.
pub(super) fn is_too_tall(line: &str) -> bool {
    let size = crate::terminal::size();
    let limit = most_rows(usize::from(size.rows));
    rows_of(line, usize::from(size.cols), limit) > limit
}

fn most_rows(rows: usize) -> usize {
    rows.saturating_sub(OTHER_ROWS).clamp(FEWEST_ROWS, MAX_ROWS)
}

/// Whether a place is near a mark, from the text between them. A mark of whole lines has a row of its own.
fn is_near(between: &str, has_row: bool) -> bool {
    if has_row { between.matches('\n').count() < 2 } else { !between.contains('\n') && between.len() < NEAR }
}

/// What of a text is shown, as byte ranges: whole lines, and of a single line that is too long a part.
struct Visible {
    lines: Range<usize>,
    part: Range<usize>,
}

fn visible(whole: &str, cursor: usize, limit: usize, columns: usize) -> Visible {
    let (before, after) = whole.split_at_checked(cursor).unwrap_or((whole, ""));
    let mut start = before.rfind('\n').map_or(0, |at| at + 1);
    let mut end = cursor.min(whole.len()) + after.find('\n').unwrap_or(after.len());
    let room = limit.saturating_sub(2).max(1);
    let row = whole.get(start..end).unwrap_or_default();
    let mut used = rows_of(row, columns, room);
    if used > room {
        let cut = part(row, cursor - start, room * columns.max(4) - 3);
        return Visible { lines: start..end, part: start + cut.start..start + cut.end };
    }
    // As many rows above as below, and more where the other side has ended.
    let (mut above, mut below) = (0, 0);
    loop {
        let line_above = start.checked_sub(1).map(|last| {
            let first = whole.get(..last).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
            first..last
        });
        let line_below = (end < whole.len()).then(|| {
            let rest = whole.get(end + 1..).unwrap_or_default();
            end + 1..end + 1 + rest.find('\n').unwrap_or(rest.len())
        });
        let count = |line: &Option<Range<usize>>| {
            let text = line.clone().and_then(|line| whole.get(line))?;
            let rows = rows_of(text, columns, room);
            (used + rows <= room).then_some(rows)
        };
        match (count(&line_above), count(&line_below)) {
            (Some(rows), other) if other.is_none() || above <= below => {
                (above, used) = (above + rows, used + rows);
                start = line_above.map_or(start, |line| line.start);
            }
            (_, Some(rows)) => {
                (below, used) = (below + rows, used + rows);
                end = line_below.map_or(end, |line| line.end);
            }
            _ => return Visible { lines: start..end, part: start..end },
        }
    }
}

/// The part of a line around the cursor that has so many columns.
fn part(row: &str, cursor: usize, columns: usize) -> Range<usize> {
    let (before, after) = row.split_at_checked(cursor).unwrap_or((row, ""));
    let mut left = columns / 2;
    if after.len() < columns {
        left = left.max(columns - after.width().min(columns));
    }
    let (mut start, mut end, mut used) = (before.len(), before.len(), 0);
    for (at, cluster) in before.grapheme_indices(true).rev() {
        if used + cluster.width() > left {
            break;
        }
        (start, used) = (at, used + cluster.width());
    }
    for (at, cluster) in after.grapheme_indices(true) {
        if used + cluster.width() > columns {
            break;
        }
        (end, used) = (before.len() + at + cluster.len(), used + cluster.width());
    }
    start..end
}

/// Rows that `text` needs on a screen of `columns`; counting stops soon after `limit`.
fn rows_of(text: &str, columns: usize, limit: usize) -> usize {
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

    /// Lines `0` to `count - 1`.
    fn numbered(count: usize) -> String {
        (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join("\n")
    }

    /// With `⋮` for a mark and `|` for the cursor.
    fn drawn(view: &View) -> String {
        let (before, after) = view.line.split_at(view.cursor);
        format!("{before}|{after}").replace(is_mark, "⋮")
    }

    #[test]
    fn the_lines_around_the_cursor_are_shown() {
        let (folds, whole) = (FoldedTexts::default(), numbered(100));
        let at = |text: &str| whole.find(text).unwrap();
        for (cursor, shown) in [
            (0, "|0\n1\n2\n3\n4\n⋮"),
            (at("\n51"), "⋮\n48\n49\n50|\n51\n52\n⋮"),
            (whole.len(), "⋮\n95\n96\n97\n98\n99|"),
        ] {
            let view = folds.view_in(&whole, cursor, 10, 80).unwrap();
            assert_eq!(drawn(&view), shown);
            assert_eq!(folds.unfold(&view.line), whole);
            assert_eq!(folds.unfold(&view.line[..view.cursor]).len(), cursor);
        }
        assert_eq!(folds.view_in(&numbered(7), 0, 10, 80), None);
        assert_eq!(folds.view_in(&whole, 0, 1_000, 80), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_at_both_ends() {
        let folds = FoldedTexts::default();
        let whole = format!("first\n{}語{}\nlast", "a".repeat(500), "b".repeat(500));
        for cursor in [6, 7, 300, 506, 509, 1_000, 1_009] {
            let view = folds.view_in(&whole, cursor, 5, 20).unwrap();
            assert_eq!(folds.unfold(&view.line), whole);
            assert_eq!(folds.unfold(&view.line[..view.cursor]).len(), cursor);
            assert!(rows_of(&view.line, 20, 99) <= 3, "{}", drawn(&view));
        }
        let view = folds.view_in(&"x".repeat(1_000_000), 1_000_000, 24, 80).unwrap();
        assert!(rows_of(&view.line, 80, 99) <= 21);
    }

    #[test]
    fn a_character_of_the_user_is_no_mark() {
        let folds = FoldedTexts::default();
        let tall = folds.view_in(&numbered(100), 0, 10, 80).unwrap();
        let mark = tall.line.chars().find(|c| is_mark(*c)).unwrap();
        let typed = format!("s = '{mark}' + '{LAST}'");
        let view = folds.view_in(&typed, 3, 10, 80).unwrap();
        assert_eq!(folds.unfold(&view.line), typed);
        assert_eq!(view.cursor, 3);
        assert_eq!(folds.unfold("s = '⟦1: 62 lines⟧'"), "s = '⟦1: 62 lines⟧'");
    }

    #[test]
    fn marks_of_one_text_share_it_and_the_oldest_are_forgotten() {
        let (folds, whole) = (FoldedTexts::default(), numbered(100));
        let first = folds.view_in(&whole, 0, 10, 80).unwrap();
        assert_eq!(folds.view_in(&whole, 1, 10, 80).unwrap().line, first.line);
        for n in 0..MOST {
            folds.view_in(&format!("{n}\n{whole}"), 0, 10, 80);
        }
        assert_eq!(folds.marks().kept.len(), MOST);
        let last = folds.view_in(&whole, whole.len(), 10, 80).unwrap();
        assert_eq!(folds.unfold(&last.line), whole);
    }

    #[test]
    fn the_view_moves_before_the_cursor_is_at_a_mark() {
        let folds = FoldedTexts::default();
        let view = folds.view_in(&numbered(100), 150, 24, 80).unwrap();
        let place = |line: usize| view.line.match_indices('\n').nth(line).unwrap().0;
        assert!(folds.is_to_be_moved(&view.line, place(1)));
        assert!(!folds.is_to_be_moved(&view.line, place(2)));
        assert!(!folds.is_to_be_moved("a\nb", 0));
        let hidden = folds.hidden(&view.line, view.cursor).unwrap();
        assert!(hidden.contains(" more lines above, ") && hidden.contains(" more lines below"), "{hidden}");
        assert_eq!(folds.hidden("plain", 0), None);
    }

    #[test]
    fn rows_are_counted_as_the_screen_shows_them() {
        assert_eq!(rows_of("a\nb", 80, 99), 2);
        assert_eq!(rows_of(&"x".repeat(165), 80, 99), 3);
        assert_eq!(rows_of(&"語".repeat(50), 80, 99), 2);
        assert!(rows_of(&"\n".repeat(1_000_000), 80, 10) <= 11);
    }
}
