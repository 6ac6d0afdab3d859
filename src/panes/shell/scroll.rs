//! The selected row and the visible rows of a list.

use super::Press;

/// The scroll state of a list: the selected row and the rows in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::panes) struct Scroll {
    /// Number of rows.
    count: usize,
    /// The selected row.
    selected: usize,
    /// The first row in the window.
    top: usize,
    /// Rows of the window at the last drawing.
    room: usize,
}

/// A movement of the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::panes) enum Step {
    By(isize),
    Page(isize),
    First,
    Last,
}

impl Step {
    /// The movement of a key; `None` if it is not a movement.
    pub(in crate::panes) fn of(press: Press) -> Option<Self> {
        Some(match press {
            Press::Up | Press::Char('k') | Press::Ctrl('p') => Self::By(-1),
            Press::Down | Press::Char('j') | Press::Ctrl('n') => Self::By(1),
            Press::WheelUp => Self::By(-3),
            Press::WheelDown => Self::By(3),
            Press::PageUp | Press::Ctrl('b') => Self::Page(-1),
            Press::PageDown | Press::Char(' ') | Press::Ctrl('f') => Self::Page(1),
            Press::Home | Press::Char('g') => Self::First,
            Press::End | Press::Char('G') => Self::Last,
            _ => return None,
        })
    }
}

impl Scroll {
    /// Sets the number of rows.
    pub(in crate::panes) fn set_count(&mut self, count: usize) {
        self.count = count;
        self.selected = self.selected.min(count.saturating_sub(1));
    }

    /// The selected row.
    pub(in crate::panes) fn selected(&self) -> usize {
        self.selected
    }

    /// Selects a row.
    pub(in crate::panes) fn select(&mut self, row: usize) {
        self.selected = row.min(self.count.saturating_sub(1));
    }

    /// Moves the selection. Returns whether it changed.
    pub(in crate::panes) fn go(&mut self, step: Step) -> bool {
        let before = self.selected;
        let last = self.count.saturating_sub(1);
        let page = isize::try_from(self.room.max(1)).unwrap_or(isize::MAX);
        self.selected = match step {
            Step::By(rows) => self.selected.saturating_add_signed(rows).min(last),
            Step::Page(pages) => self.selected.saturating_add_signed(pages.saturating_mul(page)).min(last),
            Step::First => 0,
            Step::Last => last,
        };
        self.selected != before
    }

    /// Whether the last row is selected.
    pub(in crate::panes) fn is_at_end(&self) -> bool {
        self.selected + 1 >= self.count
    }

    /// The visible rows in a window of `room` rows; they include the selected row.
    pub(in crate::panes) fn window(&mut self, room: usize) -> std::ops::Range<usize> {
        self.room = room;
        if self.selected < self.top {
            self.top = self.selected;
        }
        if self.selected >= self.top + room {
            self.top = (self.selected + 1).saturating_sub(room);
        }
        self.top = self.top.min(self.count.saturating_sub(room));
        self.top..(self.top + room).min(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_always_in_the_window() {
        let mut scroll = Scroll::default();
        assert_eq!(scroll.window(5), 0..0);
        scroll.set_count(100);
        assert_eq!(scroll.window(10), 0..10);
        scroll.go(Step::Page(1));
        assert_eq!((scroll.selected(), scroll.window(10)), (10, 1..11));
        scroll.go(Step::Last);
        assert_eq!(scroll.window(10), 90..100);
        assert!(scroll.is_at_end() && !scroll.go(Step::By(1)));
        scroll.set_count(3);
        assert_eq!((scroll.selected(), scroll.window(10)), (2, 0..3));
        scroll.set_count(0);
        assert_eq!((scroll.selected(), scroll.window(0)), (0, 0..0));
        for room in 0..4 {
            scroll.set_count(7);
            scroll.select(5);
            let window = scroll.window(room);
            assert!(room == 0 || window.contains(&5), "{room} {window:?}");
        }
    }
}
