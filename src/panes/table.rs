//! The table view: rows and columns scroll, index columns stay visible, rows can be sorted by any column, searched, and
//! saved in a CSV file.

use std::cmp::Ordering;
use std::io;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::runtime::Handle;
use unicode_width::UnicodeWidthStr;

use super::find::Find;
use super::shell::{
    self, Appearance, KeyHelp, Press, Scroll, ScrollStep, Step, View, ViewWaker, cut, pad, put,
};
use crate::render::{Align, Table, is_missing};
use crate::theme::Role;

/// Maximum width of a column.
const MAX_WIDTH: usize = 60;
/// Cells between two columns.
const GAP: u16 = 2;

/// Shows a table until the user leaves. Works as `shell::show`.
///
/// # Errors
/// When standard input or output is not a terminal.
pub fn show_table(
    runtime: &Handle,
    table: Arc<Table>,
    appearance: &Appearance,
    editor_waits: bool,
) -> io::Result<()> {
    let waker = ViewWaker::new()?;
    shell::show(runtime, &waker, &mut TableView::new(table), appearance, editor_waits).map(|_| ())
}

/// The sort order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SortOrder {
    column: usize,
    descending: bool,
}

struct TableView {
    table: Arc<Table>,
    names: Vec<String>,
    widths: Vec<u16>,
    /// The indices of the rows, in display order.
    order: Vec<usize>,
    scroll: Scroll,
    /// The selected column.
    column: usize,
    /// The first visible column after the index columns.
    first: usize,
    sorted: Option<SortOrder>,
    find: Find,
    message: Option<(String, bool)>,
}

impl TableView {
    fn new(table: Arc<Table>) -> Self {
        let names: Vec<String> = (0..table.columns()).map(|column| table.column_name(column)).collect();
        let width = |(column, name): (usize, &String)| {
            let cells = table.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
            // Two cells for the sign of the sort order.
            let widest = cells.chain([name.width() + 2]).max().unwrap_or(0).clamp(1, MAX_WIDTH);
            u16::try_from(widest).unwrap_or(u16::MAX)
        };
        let widths = names.iter().enumerate().map(width).collect();
        let mut scroll = Scroll::default();
        scroll.set_count(table.rows.len());
        let order = (0..table.rows.len()).collect();
        let first = table.index;
        Self {
            names,
            widths,
            order,
            scroll,
            column: first,
            first,
            sorted: None,
            find: Find::default(),
            message: None,
            table,
        }
    }

    fn cell(&self, row: usize, column: usize) -> &str {
        let row = self.order.get(row).and_then(|row| self.table.rows.get(*row));
        row.and_then(|row| row.get(column)).map_or("", String::as_str)
    }

    fn width(&self, column: usize) -> u16 {
        self.widths.get(column).copied().unwrap_or(1)
    }

    /// Sorts by the selected column: first ascending, then descending, then in the original order.
    fn sort(&mut self) {
        self.sorted = match self.sorted {
            Some(SortOrder { column, descending: false }) if column == self.column => {
                Some(SortOrder { column, descending: true })
            }
            Some(SortOrder { column, descending: true }) if column == self.column => None,
            _ => Some(SortOrder { column: self.column, descending: false }),
        };
        self.order = (0..self.table.rows.len()).collect();
        let Some(SortOrder { column, descending }) = self.sorted else { return };
        let table = Arc::clone(&self.table);
        let numbers = table.align.get(column) == Some(&Align::Right);
        let value =
            |row: &usize| table.rows.get(*row).and_then(|row| row.get(column)).map_or("", String::as_str);
        self.order.sort_by(|a, b| {
            let (a, b) = (value(a), value(b));
            // Missing values come last in both orders.
            let missing = |cell: &str| cell.is_empty() || is_missing(cell);
            match (missing(a), missing(b)) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => {
                    let order = if numbers { number(a).total_cmp(&number(b)) } else { a.cmp(b) };
                    if descending { order.reverse() } else { order }
                }
            }
        });
    }

    /// The visible columns with their positions, in a window of `room` cells. Index columns stay if they leave enough room.
    fn layout(&mut self, room: u16) -> Vec<(usize, u16)> {
        let stay = |count: usize, widths: &[u16]| {
            widths.iter().take(count).map(|width| width + GAP).fold(0_u16, u16::saturating_add)
        };
        let index = self.table.index;
        let frozen = if stay(index, &self.widths) <= room / 2 { index } else { 0 };
        self.first = self.first.max(frozen);
        if self.column >= frozen {
            self.first = self.first.min(self.column.max(frozen));
            let left = room.saturating_sub(stay(frozen, &self.widths));
            // Scroll until the selected column is completely visible, or is the first one.
            while self.first < self.column {
                let needed = (self.first..=self.column)
                    .map(|column| self.width(column) + GAP)
                    .fold(0_u16, u16::saturating_add);
                if needed.saturating_sub(GAP) <= left {
                    break;
                }
                self.first += 1;
            }
        }
        let mut position = 0_u16;
        let mut shown = Vec::new();
        for column in (0..frozen).chain(self.first..self.table.columns()) {
            if position >= room {
                break;
            }
            shown.push((column, position));
            position = position.saturating_add(self.width(column) + GAP);
        }
        shown
    }

    fn save(&mut self, name: &str) {
        self.message = Some(match super::save::save_new(name, self.in_order().to_csv().as_bytes()) {
            Ok(path) => (format!("{} rows saved in {path}", self.order.len()), false),
            Err(problem) => (problem, true),
        });
    }

    /// The table with its rows in display order.
    fn in_order(&self) -> Table {
        let rows = self.order.iter().filter_map(|row| self.table.rows.get(*row)).cloned().collect();
        Table { rows, ..(*self.table).clone() }
    }

    fn draw_row(
        &self,
        row: usize,
        columns: &[(usize, u16)],
        area: Rect,
        line: u16,
        buffer: &mut Buffer,
        appearance: &Appearance,
    ) {
        let selected = row == self.scroll.selected();
        let base = if selected { appearance.style(Role::PaneSelected) } else { appearance.plain_text() };
        if selected {
            put(buffer, area, 0, line, &" ".repeat(area.width.into()), base);
        }
        for &(column, x) in columns {
            let cell = self.cell(row, column);
            let style = match () {
                () if self.find.is_in(cell) => appearance.style(Role::PaneMatch),
                () if selected => base,
                () if column < self.table.index => appearance.style(Role::TableIndex),
                () if is_missing(cell) => appearance.style(Role::TableMissing),
                () => base,
            };
            let text = self.aligned(cell, column);
            put(buffer, area, x, line, &text, style);
        }
    }

    fn aligned(&self, text: &str, column: usize) -> String {
        let width = usize::from(self.width(column));
        if self.table.align.get(column) == Some(&Align::Right) {
            let text = cut(text, width);
            format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
        } else {
            pad(text, width)
        }
    }
}

/// Parses a number for sorting.
fn number(cell: &str) -> f64 {
    let clean: String = cell
        .chars()
        .map(|c| if c == '−' { '-' } else { c })
        .filter(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E'))
        .collect();
    match cell {
        "inf" | "Inf" | "∞" => f64::INFINITY,
        "-inf" | "-Inf" | "-∞" => f64::NEG_INFINITY,
        _ => clean.parse().unwrap_or(f64::NAN),
    }
}

impl View for TableView {
    fn title(&self) -> String {
        let name = self.names.get(self.column).map_or("", String::as_str);
        if name.is_empty() { "table".to_owned() } else { format!("table · {name}") }
    }

    fn state(&self) -> String {
        let row = if self.order.is_empty() { 0 } else { self.scroll.selected() + 1 };
        format!("row {row} of {} · column {} of {}", self.order.len(), self.column + 1, self.table.columns())
    }

    fn keys(&self) -> Vec<KeyHelp> {
        vec![
            ("← →", "columns"),
            ("s", "sort"),
            ("/", "search"),
            ("n N", "next, previous"),
            ("e", "export as CSV"),
        ]
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let columns = self.layout(area.width);
        for &(column, x) in &columns {
            let sign = match self.sorted {
                Some(sorted) if sorted.column == column => {
                    if sorted.descending {
                        " ▾"
                    } else {
                        " ▴"
                    }
                }
                _ => "",
            };
            let name = format!("{}{sign}", self.names.get(column).map_or("", String::as_str));
            let role = if column == self.column { Role::PaneSelected } else { Role::TableHeader };
            put(buffer, area, x, 0, &self.aligned(&name, column), appearance.style(role));
        }
        let rule = if area.height > 4 { 1 } else { 0 };
        if rule > 0 {
            let line = "─".repeat(area.width.into());
            put(buffer, area, 0, 1, &line, appearance.style(Role::TableRule));
        }
        let top = 1 + rule;
        let room = usize::from(area.height.saturating_sub(top));
        let rows = self.scroll.window(room);
        for (line, row) in rows.enumerate() {
            let line = top + u16::try_from(line).unwrap_or(u16::MAX);
            self.draw_row(row, &columns, area, line, buffer, appearance);
        }
    }

    fn press(&mut self, press: Press) -> Step {
        if let Some(step) = ScrollStep::of(press) {
            self.scroll.go(step);
            return Step::Stay;
        }
        let last = self.table.columns().saturating_sub(1);
        match press {
            Press::Left | Press::Char('h') => self.column = self.column.saturating_sub(1),
            Press::Right | Press::Char('l') => self.column = (self.column + 1).min(last),
            Press::Char('0') => self.column = 0,
            Press::Char('$') => self.column = last,
            Press::Char('s') => self.sort(),
            Press::Char('e') => return Step::Ask { label: "save as", initial: "table.csv".to_owned() },
            _ => return Step::Pass,
        }
        Step::Stay
    }

    fn entered(&mut self, _label: &'static str, line: &str) {
        self.save(line);
    }

    fn find(&mut self) -> Option<&mut Find> {
        Some(&mut self.find)
    }

    fn search(&mut self, back: bool) {
        let columns = self.table.columns();
        let find = self.find.clone();
        let is_in = |row: usize| (0..columns).any(|column| find.is_in(self.cell(row, column)));
        match find.next(self.order.len(), self.scroll.selected(), back, is_in) {
            Some(row) => {
                self.scroll.select(row);
                let found = (0..columns).find(|column| find.is_in(self.cell(row, *column)));
                self.column = found.unwrap_or(self.column);
            }
            None => self.message = find.not_in("the table"),
        }
    }

    fn message(&mut self) -> Option<(String, bool)> {
        self.message.take()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shell::tests::{press, search_for, shown};
    use super::*;
    use crate::render::HeaderCell;

    fn view(rows: usize, columns: usize) -> TableView {
        let header = (0..columns).map(|column| HeaderCell { text: format!("c{column}"), span: 1 }).collect();
        let row = |row: usize| (0..columns).map(|column| (row * 7 % 10 + column * 100).to_string()).collect();
        TableView::new(Arc::new(Table {
            header: vec![header],
            rows: (0..rows).map(row).collect(),
            index: 1,
            align: vec![Align::Right; columns],
            is_data: true,
        }))
    }

    #[test]
    fn rows_and_columns_scroll_and_index_columns_stay() {
        let mut view = view(100, 20);
        insta::assert_snapshot!(shown(&mut view, 40, 8), @r##"
         table ·… row 1 of 100 · column 2 of 20
          c0    c1    c2    c3    c4    c5    c6
        ────────────────────────────────────────
           0   100   200   300   400   500   600
           7   107   207   307   407   507   607
           4   104   204   304   404   504   604
           1   101   201   301   401   501   601
         ← → columns  s sort  / search  ? help
        "##);
        press(&mut view, &[Press::End, Press::Right, Press::Char('$')]);
        insta::assert_snapshot!(shown(&mut view, 40, 8), @r##"
         tabl… row 100 of 100 · column 20 of 20
          c0    c15    c16    c17    c18    c19
        ────────────────────────────────────────
           2   1502   1602   1702   1802   1902
           9   1509   1609   1709   1809   1909
           6   1506   1606   1706   1806   1906
           3   1503   1603   1703   1803   1903
         ← → columns  s sort  / search  ? help
        "##);
        press(&mut view, &[Press::Char('0')]);
        assert!(shown(&mut view, 40, 8).contains("column 1 of 20"));
    }

    #[test]
    fn rows_are_sorted_as_numbers_and_back() {
        let mut view = view(10, 2);
        let first = |view: &TableView| view.cell(0, 1).to_owned();
        press(&mut view, &[Press::Char('s')]);
        assert_eq!((first(&view).as_str(), view.cell(9, 1)), ("100", "109"));
        assert!(shown(&mut view, 30, 6).contains("c1 ▴"));
        press(&mut view, &[Press::Char('s')]);
        assert_eq!(first(&view), "109");
        press(&mut view, &[Press::Char('s')]);
        assert_eq!((first(&view).as_str(), view.cell(1, 1)), ("100", "107"));
        assert!(
            number("1,234.5") > number("−7")
                && number("5%") > number("4%")
                && number("-inf") < number("-1e9")
        );
    }

    #[test]
    fn a_search_selects_the_next_row_or_reports_no_match() {
        let mut view = view(30, 3);
        search_for(&mut view, "205");
        assert_eq!((view.cell(view.scroll.selected(), 2), view.column), ("205", 2));
        let before = view.scroll.selected();
        press(&mut view, &[Press::Char('n')]);
        assert_eq!(view.scroll.selected(), before + 10);
        press(&mut view, &[Press::Char('N')]);
        assert_eq!(view.scroll.selected(), before);
        search_for(&mut view, "nothing");
        assert!(view.message().is_some_and(|(text, bad)| bad && text.contains("nothing")));
    }

    #[test]
    fn the_table_is_saved_in_display_order_and_never_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let mut view = view(3, 2);
        press(&mut view, &[Press::Char('s'), Press::Char('s')]);
        view.entered("save as", path.to_str().unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "c0,c1\r\n7,107\r\n4,104\r\n0,100\r\n");
        view.message();
        view.entered("save as", path.to_str().unwrap());
        assert!(view.message().is_some_and(|(text, bad)| bad && text.contains("exists")));
    }

    #[test]
    fn the_smallest_window_and_table_work() {
        for (rows, columns) in [(0, 0), (0, 1), (1, 1), (50, 30)] {
            let mut view = view(rows, columns);
            for width in [1, 2, 5, 20, 80] {
                for height in [1, 2, 3, 4, 10] {
                    shown(&mut view, width, height);
                    for key in [Press::Right, Press::Down, Press::Char('s'), Press::End, Press::Char('n')] {
                        view.press(key);
                    }
                }
            }
        }
    }
}
