//! Tables: their data, and the reader for HTML tables with spans.

use std::sync::Arc;

use unicode_width::UnicodeWidthStr;

use super::{Block, Mark, Span};
use crate::render::sanitize;

/// The most cells of a table. Later rows are omitted.
const MAX_CELLS: usize = 1_000_000;
/// The most columns.
const MAX_COLUMNS: usize = 2_000;
/// The longest cell, in bytes.
const MAX_CELL: usize = 4_096;

/// The alignment of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Text.
    #[default]
    Left,
    /// Centred.
    Center,
    /// Numbers.
    Right,
}

/// A cell of the header: its text, and the number of columns that it covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderCell {
    /// Its text.
    pub text: String,
    /// The number of columns, at least one.
    pub span: usize,
}

/// A table of harmless text. Each row has a cell for each column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The header rows; the spans of each row add up to the number of columns.
    pub header: Vec<Vec<HeaderCell>>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// The number of columns at the left that name the rows.
    pub index: usize,
    /// The alignment of each column.
    pub align: Vec<Align>,
    /// The table holds program data, whose cells are values, and not prose.
    pub is_data: bool,
}

impl Table {
    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.align.len()
    }

    /// Whether no cell has text.
    fn is_empty(&self) -> bool {
        self.header.iter().flatten().all(|cell| cell.text.is_empty())
            && self.rows.iter().flatten().all(String::is_empty)
    }

    /// The name of a column: its header cells from top to bottom, joined by dots.
    pub fn column_name(&self, column: usize) -> String {
        let mut parts = Vec::new();
        for row in &self.header {
            let mut at = 0;
            for cell in row {
                if (at..at + cell.span).contains(&column) && !cell.text.is_empty() {
                    parts.push(cell.text.as_str());
                }
                at += cell.span;
            }
        }
        parts.join(".")
    }

    /// Sets the alignment of columns by their content. Explicit alignments are kept.
    pub(super) fn align_by_content(&mut self) {
        for (column, align) in self.align.iter_mut().enumerate() {
            if *align != Align::Left {
                continue;
            }
            let mut values =
                self.rows.iter().filter_map(|row| row.get(column)).filter(|cell| !is_empty(cell)).peekable();
            if values.peek().is_some() && values.all(|cell| is_number(cell)) {
                *align = Align::Right;
            }
        }
    }

    /// Returns the table as comma-separated values (RFC 4180), with one line of column names.
    pub fn to_csv(&self) -> String {
        let mut out = String::new();
        let mut line = |cells: &mut dyn Iterator<Item = String>| {
            for (index, cell) in cells.enumerate() {
                if index > 0 {
                    out.push(',');
                }
                if cell.contains([',', '"', '\n', '\r']) {
                    out.push('"');
                    out.push_str(&cell.replace('"', "\"\""));
                    out.push('"');
                } else {
                    out.push_str(&cell);
                }
            }
            out.push_str("\r\n");
        };
        if !self.header.is_empty() {
            line(&mut (0..self.columns()).map(|column| self.column_name(column)));
        }
        for row in &self.rows {
            line(&mut row.iter().cloned());
        }
        out
    }
}

/// Whether a cell marks a missing value, as written by pandas, R and databases.
pub fn is_missing(cell: &str) -> bool {
    matches!(cell, "NaN" | "NaT" | "None" | "<NA>" | "nan" | "null" | "NA" | "NULL")
}

/// Whether a cell does not indicate the type of its column.
fn is_empty(cell: &str) -> bool {
    cell.is_empty() || is_missing(cell) || matches!(cell, "…" | "..." | "⋮" | "⋯")
}

/// Whether a cell is a number as users and programs write it: signs, separators, exponents, percent.
fn is_number(cell: &str) -> bool {
    let text = cell.trim_start_matches(['-', '+', '−', '$', '€', '£', '¥', '₩']);
    let text = text.trim_end_matches(['%', 'j']);
    if matches!(text, "inf" | "Inf" | "∞") {
        return true;
    }
    let mut digits = 0_usize;
    let mut before = ' ';
    for c in text.chars() {
        match c {
            '0'..='9' => digits += 1,
            '.' | ',' | '_' | '\'' => {}
            'e' | 'E' if digits > 0 => {}
            '-' | '+' if matches!(before, 'e' | 'E') => {}
            _ => return false,
        }
        before = c;
    }
    digits > 0 && text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

/// A cell as read.
#[derive(Debug, Default)]
struct Cell {
    text: String,
    names: bool,
    columns: usize,
    rows: usize,
}

/// A table that is being read from HTML.
#[derive(Debug)]
pub(super) struct Grid {
    header: Vec<Vec<Cell>>,
    body: Vec<Vec<Cell>>,
    in_header: bool,
    target: TextTarget,
    caption: String,
    cells: usize,
    is_data: bool,
    left_out: usize,
}

/// The target of the current text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextTarget {
    Ignored,
    Cell,
    Caption,
}

impl Grid {
    /// Creates a table with the classes of its element.
    pub(super) fn new(classes: &str) -> Self {
        Self {
            header: Vec::new(),
            body: Vec::new(),
            in_header: false,
            target: TextTarget::Ignored,
            caption: String::new(),
            cells: 0,
            is_data: classes.split_whitespace().any(|class| class == "dataframe"),
            left_out: 0,
        }
    }

    pub(super) fn section(&mut self, header: bool) {
        self.in_header = header;
        self.target = TextTarget::Ignored;
    }

    pub(super) fn row(&mut self) {
        self.target = TextTarget::Ignored;
        if self.cells >= MAX_CELLS {
            self.left_out += 1;
            return;
        }
        if self.in_header { self.header.push(Vec::new()) } else { self.body.push(Vec::new()) }
    }

    pub(super) fn cell(&mut self, names: bool, columns: usize, rows: usize) {
        self.target = TextTarget::Ignored;
        if self.cells >= MAX_CELLS {
            return;
        }
        let section = if self.in_header { &mut self.header } else { &mut self.body };
        if section.is_empty() {
            section.push(Vec::new());
        }
        let Some(row) = section.last_mut().filter(|row| row.len() < MAX_COLUMNS) else { return };
        self.cells += 1;
        row.push(Cell {
            text: String::new(),
            names,
            columns: columns.clamp(1, MAX_COLUMNS),
            rows: rows.clamp(1, MAX_CELLS),
        });
        self.target = TextTarget::Cell;
    }

    pub(super) fn caption(&mut self) {
        self.target = TextTarget::Caption;
    }

    pub(super) fn end(&mut self, name: &str) {
        self.target = TextTarget::Ignored;
        if name == "thead" {
            self.in_header = false;
        }
    }

    /// Adds text. Text outside cells is ignored.
    pub(super) fn text(&mut self, text: &str) {
        let target = match self.target {
            TextTarget::Ignored => return,
            TextTarget::Caption => &mut self.caption,
            TextTarget::Cell => {
                let section = if self.in_header { &mut self.header } else { &mut self.body };
                match section.last_mut().and_then(|row| row.last_mut()) {
                    Some(cell) => &mut cell.text,
                    None => return,
                }
            }
        };
        if target.len() < MAX_CELL {
            target.push_str(super::head(text, MAX_CELL));
        }
    }

    /// Returns the table with its caption above it and notices below it.
    pub(super) fn finish(mut self) -> Vec<Block> {
        // A first row with only header cells is a header, whichever element contains it.
        if self.header.is_empty()
            && self.body.len() > 1
            && self.body.first().is_some_and(|row| !row.is_empty() && row.iter().all(|cell| cell.names))
        {
            self.header.push(self.body.remove(0));
        }
        let index = self.body.iter().map(|row| row.iter().take_while(|cell| cell.names).count());
        let index = index.max().unwrap_or(0);
        let caption = clean(&self.caption);
        let left_out = self.left_out;
        let is_data = self.is_data;
        let header = place(self.header);
        let body = place(self.body);
        let columns = header.iter().chain(&body).map(Vec::len).max().unwrap_or(0);
        let mut blocks = Vec::new();
        let mut say = |text: String, emphasis| {
            if !text.is_empty() {
                let mark = Mark { emphasis, ..Mark::default() };
                blocks.push(Block::Paragraph(vec![Span { text, mark }]));
            }
        };
        say(caption, true);
        if columns == 0 {
            return blocks;
        }
        let mut table = Table {
            header: header.into_iter().map(|row| header_row(row, columns)).collect(),
            rows: body
                .into_iter()
                .map(|row| {
                    let mut cells: Vec<String> = row.into_iter().map(|slot| slot.text).collect();
                    cells.resize(columns, String::new());
                    cells
                })
                .collect(),
            index: index.min(columns.saturating_sub(1)),
            align: vec![Align::Left; columns],
            is_data,
        };
        if table.is_data && table.is_empty() {
            say("[empty table]".to_owned(), false);
            return blocks;
        }
        table.align_by_content();
        blocks.push(Block::Table(Arc::new(table)));
        if left_out > 0 {
            let text = format!("[{left_out} more rows are not read]");
            blocks.push(Block::Paragraph(vec![Span { text, mark: Mark::default() }]));
        }
        blocks
    }
}

/// A place in the grid. The text of a cell is in the first place that it covers.
#[derive(Clone, Debug, Default)]
struct Slot {
    text: String,
    /// A cell to the left covers this place.
    continued: bool,
}

/// Places the cells where their spans and the row spans above leave room.
fn place(rows: Vec<Vec<Cell>>) -> Vec<Vec<Slot>> {
    let mut placed = Vec::with_capacity(rows.len());
    // For each column, how many more rows a cell from above covers.
    let mut taken: Vec<usize> = Vec::new();
    let mut slots_left = 4 * MAX_CELLS;
    for row in rows {
        let mut line: Vec<Slot> = Vec::with_capacity(row.len());
        let fill = |line: &mut Vec<Slot>, taken: &mut Vec<usize>| {
            while let Some(rows) = taken.get_mut(line.len()).filter(|rows| **rows > 0) {
                *rows -= 1;
                line.push(Slot::default());
            }
        };
        for cell in row {
            fill(&mut line, &mut taken);
            let text = clean(&cell.text);
            for part in 0..cell.columns {
                if line.len() >= MAX_COLUMNS || slots_left == 0 {
                    break;
                }
                slots_left -= 1;
                if taken.len() <= line.len() {
                    taken.resize(line.len() + 1, 0);
                }
                if let Some(rows) = taken.get_mut(line.len()) {
                    *rows = cell.rows - 1;
                }
                let continued = part > 0;
                line.push(Slot { text: if continued { String::new() } else { text.clone() }, continued });
            }
        }
        fill(&mut line, &mut taken);
        placed.push(line);
    }
    placed
}

fn header_row(slots: Vec<Slot>, columns: usize) -> Vec<HeaderCell> {
    let mut cells: Vec<HeaderCell> = Vec::new();
    for slot in slots {
        match cells.last_mut().filter(|_| slot.continued) {
            Some(cell) => cell.span += 1,
            None => cells.push(HeaderCell { text: slot.text, span: 1 }),
        }
    }
    let width: usize = cells.iter().map(|cell| cell.span).sum();
    cells.extend((width..columns).map(|_| HeaderCell { text: String::new(), span: 1 }));
    cells
}

/// Returns the text of a cell as one harmless line.
pub(super) fn clean(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split([' ', '\n', '\t', '\r', '\u{a0}']).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        line
    } else {
        sanitize::line(&line, line.width())
    }
}
