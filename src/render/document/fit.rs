//! Tables as lines of a given width: chooses the columns to show, their widths, and the marks for omitted parts.

use unicode_width::UnicodeWidthStr;

use super::line::{DocumentStyle, Line, Piece};
use super::table::{Align, Table, is_missing};
use crate::render::sanitize;
use crate::theme::Role;

/// The cells between two columns.
const GAP: usize = 2;
/// A text column that shrinks keeps at least this many cells, if it had them.
const NARROW: usize = 8;
/// The largest width of a data column.
const WIDE: usize = 100;
/// A prose table with more rows has its cells cut, not wrapped.
const MAX_WRAPPED: usize = 200;
/// The most lines of one wrapped cell.
const MAX_CELL_LINES: usize = 40;

/// A column to show: one of the table's, or the mark for omitted columns.
#[derive(Clone, Copy, Debug)]
struct Shown {
    column: Option<usize>,
    width: usize,
}

/// Lays out a table in a window of `width` cells. Returns the lines and the number of omitted columns. A table with
/// more than `rows` rows shows the first and the last ones.
pub(super) fn fit(
    table: &Table,
    width: usize,
    rows: Option<usize>,
    skin: &DocumentStyle,
) -> (Vec<Line>, usize) {
    let natural: Vec<usize> = (0..table.columns()).map(|column| natural_width(table, column)).collect();
    let wraps = !table.is_data && table.rows.len() <= MAX_WRAPPED;
    let shown = choose(table, &natural, width, wraps);
    let left_out = table.columns() - shown.iter().filter(|one| one.column.is_some()).count();
    let mut lines = Vec::with_capacity(table.rows.len() + 4);
    for row in &table.header {
        lines.push(header(table, row, &shown, skin));
    }
    if !table.header.is_empty() {
        let total = shown.iter().map(|one| one.width).sum::<usize>() + GAP * shown.len().saturating_sub(1);
        lines.push(Line(vec![Piece::of(Role::TableRule, skin.rule().repeat(total))]));
    }
    let (first, last) = match rows.filter(|most| table.rows.len() > *most) {
        None => (table.rows.len(), table.rows.len()),
        Some(most) => (most - most / 5, table.rows.len() - most / 5),
    };
    for row in table.rows.get(..first).unwrap_or_default() {
        body(table, row, &shown, wraps, skin, &mut lines);
    }
    if first < last {
        let text = format!("{} {} rows", skin.signs.ellipsis, last - first);
        lines.push(Line(vec![Piece::of(Role::Note, text)]));
        for row in table.rows.get(last..).unwrap_or_default() {
            body(table, row, &shown, wraps, skin, &mut lines);
        }
    }
    (lines, left_out)
}

/// The width of the widest cell in a column, including header cells that cover only this column.
fn natural_width(table: &Table, column: usize) -> usize {
    let names = table.header.iter().filter_map(|row| {
        let mut at = 0;
        row.iter().find_map(|cell| {
            let here = at == column && cell.span == 1;
            at += cell.span;
            here.then(|| cell.text.width())
        })
    });
    let cells = table.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
    names.chain(cells).max().unwrap_or(0).clamp(1, if table.is_data { WIDE } else { usize::MAX })
}

/// Chooses the columns that fit, with their widths. Text columns shrink before number columns, which are never cut.
/// Columns in the middle are omitted first, because the first and last columns of a wide table are the most useful.
fn choose(table: &Table, natural: &[usize], width: usize, wraps: bool) -> Vec<Shown> {
    let mut widths = natural.to_vec();
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    let words = |column: usize| table.align.get(column) != Some(&Align::Right);
    let least = |natural: usize| if wraps { natural.min(NARROW * 2) } else { natural.min(NARROW) };
    while total(&widths) > width {
        let excess = total(&widths) - width;
        let widest = (0..widths.len())
            .filter(|column| words(*column))
            .filter(|column| widths.get(*column) > natural.get(*column).map(|n| least(*n)).as_ref())
            .max_by_key(|column| widths.get(*column).copied());
        let Some(column) = widest else { break };
        // Columns of the same width shrink together, to the next smaller width at most.
        let now = widths.get(column).copied().unwrap_or(0);
        let next = widths
            .iter()
            .enumerate()
            .filter(|(other, width)| words(*other) && **width < now)
            .map(|(_, width)| *width)
            .max()
            .unwrap_or(0);
        let floor = natural.get(column).map_or(1, |n| least(*n));
        let step = excess.min(now - floor).min((now - next.max(floor)).max(1));
        if let Some(width) = widths.get_mut(column) {
            *width -= step.max(1);
        }
    }
    let all = |widths: &[usize]| {
        widths
            .iter()
            .enumerate()
            .map(|(column, width)| Shown { column: Some(column), width: *width })
            .collect()
    };
    if total(&widths) <= width {
        return all(&widths);
    }
    let kept = drop_middle(&widths, table.index.max(1), width);
    match kept.len() {
        // No column fits: the first column is shown and cut.
        0 | 1 => vec![Shown { column: Some(0), width: width.clamp(1, widths.first().copied().unwrap_or(1)) }],
        _ => kept,
    }
}

/// Chooses columns from both ends, as many as fit with a mark between them.
fn drop_middle(widths: &[usize], index: usize, width: usize) -> Vec<Shown> {
    let at = |column: usize| widths.get(column).copied().unwrap_or(0) + GAP;
    let mut used = 1 + (0..index).map(at).sum::<usize>();
    let (mut left, mut right) = (index, widths.len());
    while left < right {
        // In turn, starting on the left.
        let from_left = left - index <= widths.len() - right;
        let column = if from_left { left } else { right - 1 };
        if used + at(column) > width {
            break;
        }
        used += at(column);
        if from_left { left += 1 } else { right -= 1 }
    }
    if used > width {
        return Vec::new();
    }
    let shown = |column: usize| Shown { column: Some(column), width: at(column) - GAP };
    let mut all: Vec<Shown> = (0..left).map(shown).collect();
    all.push(Shown { column: None, width: 1 });
    all.extend((right..widths.len()).map(shown));
    all
}

fn header(table: &Table, row: &[super::table::HeaderCell], shown: &[Shown], skin: &DocumentStyle) -> Line {
    let mut text = String::new();
    let mut at = 0;
    let mut cells = Vec::new();
    for cell in row {
        cells.push((at, at + cell.span, cell.text.as_str()));
        at += cell.span;
    }
    let mut index = 0;
    while let Some(one) = shown.get(index) {
        if index > 0 {
            text.push_str(&" ".repeat(GAP));
        }
        let Some(column) = one.column else {
            text.push_str(skin.signs.ellipsis);
            index += 1;
            continue;
        };
        let (from, to, name) =
            cells.iter().copied().find(|(from, to, _)| (*from..*to).contains(&column)).unwrap_or_default();
        // The adjacent columns that this header cell covers.
        let mut room = one.width;
        let mut spanned = 1;
        while let Some(next) = shown.get(index + spanned)
            && next.column.is_some_and(|next| (from..to).contains(&next))
        {
            room += GAP + next.width;
            spanned += 1;
        }
        let align =
            if spanned > 1 { Align::Left } else { table.align.get(column).copied().unwrap_or_default() };
        text.push_str(&aligned(name, room, align));
        index += spanned;
    }
    Line(vec![Piece::of(Role::TableHeader, text.trim_end().to_owned())])
}

fn body(
    table: &Table,
    row: &[String],
    shown: &[Shown],
    wraps: bool,
    skin: &DocumentStyle,
    lines: &mut Vec<Line>,
) {
    if wraps {
        let wrapped: Vec<Vec<String>> = shown
            .iter()
            .map(|one| {
                let cell = one.column.and_then(|column| row.get(column)).map_or("", String::as_str);
                super::wrap::wrap_plain(cell, one.width.max(1), MAX_CELL_LINES)
            })
            .collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0).max(1);
        if height > 1 {
            for line in 0..height {
                let cell = |index: usize| {
                    wrapped.get(index).and_then(|cell| cell.get(line)).map_or("", String::as_str)
                };
                lines.push(row_line(table, shown, skin, cell));
            }
            return;
        }
    }
    lines.push(row_line(table, shown, skin, |index| {
        let column = shown.get(index).and_then(|one| one.column);
        column.and_then(|column| row.get(column)).map_or("", String::as_str)
    }));
}

fn row_line<'a>(
    table: &Table,
    shown: &[Shown],
    skin: &DocumentStyle,
    cell: impl Fn(usize) -> &'a str,
) -> Line {
    let mut pieces: Vec<Piece> = Vec::with_capacity(shown.len());
    let mut plain = String::new();
    for (index, one) in shown.iter().enumerate() {
        if index > 0 {
            plain.push_str("  ");
        }
        let Some(column) = one.column else {
            plain.push_str(skin.signs.ellipsis);
            continue;
        };
        let text = cell(index);
        let written = aligned(text, one.width, table.align.get(column).copied().unwrap_or_default());
        let role = match () {
            () if column < table.index => Some(Role::TableIndex),
            () if is_missing(text) => Some(Role::TableMissing),
            () => None,
        };
        match role {
            None => plain.push_str(&written),
            Some(role) => {
                if !plain.is_empty() {
                    pieces.push(Piece::plain(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::of(role, written));
            }
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::plain(plain));
    }
    let mut line = Line(pieces);
    line.trim_end();
    line
}

/// Returns a cell in exactly `width` cells.
pub(super) fn aligned(text: &str, width: usize, align: Align) -> String {
    let text = sanitize::truncate(text, width);
    let space = width.saturating_sub(text.width());
    let before = match align {
        Align::Left => 0,
        Align::Center => space / 2,
        Align::Right => space,
    };
    format!("{}{text}{}", " ".repeat(before), " ".repeat(space - before))
}
