//! The position of the cursor, as far as it follows from the output: enough to keep moves inside a cell's own lines, to
//! return to a line that is to be shown anew, and to know whether a prompt must start on a new line.

/// The cursor. Its rows are counted from an arbitrary one.
///
/// If the terminal may disagree, the model counts fewer lines: a move that it allows ends on a line that this cell has
/// printed.
#[derive(Clone, Debug)]
pub struct Cursor {
    cols: u64,
    rows: u64,
    /// From 0 to `cols`. It equals `cols` if the last column is filled and the terminal has a pending wrap.
    col: u64,
    row: u64,
    last_row: u64,
    /// The first row that the program's moves may reach.
    own: u64,
    /// The first row for which the count is exact.
    known: u64,
    /// The row where the current line began. The line may have wrapped since.
    line_row: u64,
}

impl Cursor {
    /// Creates a cursor at the start of a line in a window of this size.
    pub fn new(cols: u16, rows: u16) -> Self {
        Self {
            cols: u64::from(cols.max(1)),
            rows: u64::from(rows.max(1)),
            col: 0,
            row: 0,
            last_row: 0,
            own: 0,
            known: 0,
            line_row: 0,
        }
    }

    /// Returns the column, from 0. It equals the window's width if the last column is filled.
    pub fn column(&self) -> usize {
        usize::try_from(self.col).unwrap_or(usize::MAX)
    }

    /// Returns the window's width.
    pub fn columns(&self) -> usize {
        usize::try_from(self.cols).unwrap_or(usize::MAX)
    }

    /// Returns the row.
    pub(in crate::render) fn row(&self) -> u64 {
        self.row
    }

    /// Makes only the lines that are printed from now on count as the cell's own. The cursor is in column 0, on a row that does
    /// not follow from the output.
    pub fn restart(&mut self) {
        self.leave_own_lines();
        self.known = self.row;
    }

    /// Makes only the lines that are printed from now on count as the cell's own. The cursor is in column 0.
    pub(in crate::render) fn leave_own_lines(&mut self) {
        self.col = 0;
        self.disown();
    }

    /// The first row at or below `row` to which [`Cursor::return_to`] can go.
    pub(in crate::render) fn first_reachable(&self, row: u64) -> u64 {
        row.max(self.known).max((self.last_row + 1).saturating_sub(self.rows))
    }

    /// Moves up to the start of a row that can be reached; the lines from there on are gone. Returns the number of rows.
    pub(in crate::render) fn return_to(&mut self, row: u64) -> u64 {
        let up = self.row.saturating_sub(row);
        self.row = row;
        self.own = self.own.min(row);
        self.leave_own_lines();
        up
    }

    /// Sets the size of the window. The terminal has wrapped its lines again, so moves upwards end at the current line.
    pub fn resize(&mut self, cols: u16, rows: u16) {
        self.cols = u64::from(cols.max(1));
        self.rows = u64::from(rows.max(1));
        self.col = if self.col > self.cols { (self.col - 1) % self.cols + 1 } else { self.col };
        self.disown();
        self.known = self.row + 1;
    }

    fn disown(&mut self) {
        self.last_row = self.row;
        self.own = self.row;
        self.line_row = self.row;
    }

    /// Moves to the start of the current line, across the rows into which it has wrapped. Returns the number of rows
    /// up, or `None` if the start cannot be reached because it has scrolled away or moves have mixed the lines.
    pub(in crate::render) fn rewind_line(&mut self) -> Option<u64> {
        let up = self.row.checked_sub(self.line_row).filter(|up| *up < self.rows)?;
        self.row = self.line_row;
        self.last_row = self.row;
        self.col = 0;
        Some(up)
    }

    /// Moves below something that covers this many rows, and that the program's moves do not reach.
    pub(in crate::render) fn pass_rows(&mut self, rows: u64) {
        self.down(rows);
        self.leave_own_lines();
    }

    fn down(&mut self, lines: u64) {
        self.row += lines;
        self.last_row = self.last_row.max(self.row);
    }

    pub(super) fn newline(&mut self) {
        self.newlines(1);
    }

    pub(super) fn newlines(&mut self, count: u64) {
        if count > 0 {
            self.col = 0;
            self.down(count);
            self.line_row = self.row;
        }
    }

    /// Moves over `count` characters of one cell each.
    pub(super) fn narrow(&mut self, count: usize) {
        let end = self.col + count as u64;
        if end <= self.cols {
            self.col = end;
        } else {
            let wraps = (end - 1) / self.cols;
            self.col = end - wraps * self.cols;
            self.down(wraps);
        }
    }

    /// Moves over one character of two cells, which is never split between two lines.
    pub(super) fn wide(&mut self) {
        if self.col + 2 > self.cols {
            self.down(1);
            self.col = self.cols.min(2);
        } else {
            self.col += 2;
        }
    }

    pub(super) fn carriage_return(&mut self) {
        self.col = 0;
    }

    /// Moves back by one cell. Returns false in column 0.
    pub(super) fn backspace(&mut self) -> bool {
        let Some(col) = self.col.min(self.cols - 1).checked_sub(1) else { return false };
        self.col = col;
        true
    }

    pub(super) fn tab(&mut self) {
        self.settle();
        self.col = ((self.col / 8 + 1) * 8).min(self.cols - 1);
    }

    /// Ends a pending wrap. Terminals differ in which functions do so; assuming that all of them do counts fewer lines.
    pub(super) fn settle(&mut self) {
        self.col = self.col.min(self.cols - 1);
    }

    /// Moves up by at most `lines`: not above the first line of the cell, nor above the top of the window. Returns the
    /// number of lines.
    pub(super) fn move_up(&mut self, lines: u64) -> u64 {
        let top = (self.last_row + 1).saturating_sub(self.rows).max(self.own);
        let lines = lines.min(self.row.saturating_sub(top));
        self.row -= lines;
        if lines > 0 {
            self.settle();
        }
        lines
    }

    /// Moves down by at most `lines`, but not below the last printed line. Returns the number of lines.
    pub(super) fn move_down(&mut self, lines: u64) -> u64 {
        let lines = lines.min(self.last_row - self.row);
        self.row += lines;
        if lines > 0 {
            self.settle();
        }
        lines
    }

    /// Moves to a column (from 0), but not past the last one. Returns the column.
    pub(super) fn move_to_column(&mut self, col: u64) -> u64 {
        self.col = col.min(self.cols - 1);
        self.col
    }

    /// Moves left or right by at most `cells`. Returns the number of cells.
    pub(super) fn move_sideways(&mut self, cells: u64, right: bool) -> u64 {
        let from = self.col.min(self.cols - 1);
        let to =
            if right { from.saturating_add(cells).min(self.cols - 1) } else { from.saturating_sub(cells) };
        if from != to {
            self.col = to;
        }
        from.abs_diff(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_as_terminals_wrap_it() {
        let mut cursor = Cursor::new(10, 5);
        cursor.narrow(10);
        assert_eq!((cursor.col, cursor.row), (10, 0), "the wrap waits for the next character");
        cursor.narrow(1);
        assert_eq!((cursor.col, cursor.row), (1, 1));
        cursor.narrow(39);
        assert_eq!((cursor.col, cursor.row), (10, 4));
        cursor.newline();
        cursor.narrow(9);
        cursor.wide();
        assert_eq!((cursor.col, cursor.row), (2, 6), "a wide character goes to the next line as a whole");
    }

    #[test]
    fn moves_stay_inside_the_lines_of_the_cell() {
        let mut cursor = Cursor::new(80, 24);
        cursor.newline();
        cursor.newline();
        assert_eq!(cursor.move_up(99), 2);
        assert_eq!(cursor.move_up(1), 0);
        assert_eq!(cursor.move_down(99), 2);
        assert_eq!(cursor.move_down(1), 0);
    }

    #[test]
    fn lines_above_the_window_cannot_be_reached() {
        let mut cursor = Cursor::new(80, 10);
        cursor.newlines(100);
        assert_eq!(cursor.move_up(50), 9);
        assert_eq!(cursor.move_down(50), 9);
    }

    #[test]
    fn a_wrap_that_waits_is_forgotten_by_moves() {
        let mut cursor = Cursor::new(10, 5);
        cursor.narrow(30);
        assert_eq!(cursor.move_up(1), 1);
        cursor.narrow(1);
        assert_eq!((cursor.col, cursor.row), (10, 1), "no terminal is on a line above this one");
    }

    #[test]
    fn a_resize_gives_up_the_lines_above() {
        let mut cursor = Cursor::new(80, 24);
        cursor.newlines(5);
        cursor.narrow(70);
        cursor.resize(30, 24);
        assert_eq!(cursor.move_up(3), 0);
        assert_eq!(cursor.column(), 10);
    }

    #[test]
    fn a_window_of_one_column_works() {
        let mut cursor = Cursor::new(0, 0);
        cursor.wide();
        cursor.narrow(5);
        assert_eq!((cursor.column(), cursor.row), (1, 6));
        assert!(!cursor.backspace());
        assert_eq!(cursor.move_sideways(9, true), 0);
        cursor.tab();
        cursor.narrow(1);
        assert_eq!((cursor.column(), cursor.row), (1, 6));
    }
}
