//! HTML as text that can be read on a terminal.

use std::time::Duration;

use super::within;
use crate::render::sanitize;

/// Most bytes of HTML that are read; the rest is cut off.
const MAX_BYTES: usize = 1024 * 1024;

/// Most bytes of the text.
const MAX_TEXT: usize = 1024 * 1024;

/// Most elements inside one another: the layout calls itself for each.
const MAX_DEPTH: usize = 128;

/// Longest time for the layout.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Widths outside of this range make no readable text.
const WIDTHS: std::ops::RangeInclusive<usize> = 20..=250;

/// `html` as harmless text, laid out for a window of `width` columns, with lines in ASCII unless `unicode`. HTML that is cut off, too deep or too slow to
/// lay out gives its text without a layout.
pub(in crate::render) fn html_to_text(html: &str, width: usize, unicode: bool) -> String {
    let mut end = html.len().min(MAX_BYTES);
    while !html.is_char_boundary(end) {
        end -= 1;
    }
    let cut = html.get(..end).unwrap_or_default();
    let laid_out = if depth(cut) <= MAX_DEPTH { lay_out(cut.to_owned(), width) } else { None };
    let mut text = sanitize::text(&laid_out.map_or_else(|| without_tags(cut), |text| compact_tables(&text)));
    if !unicode {
        text = text.chars().map(ascii_lines).collect();
    }
    if text.len() > MAX_TEXT {
        let mut end = MAX_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    let mut text = text.trim_matches('\n').to_owned();
    if end < html.len() {
        text.push_str(&format!("\n[the first {} MB of {} bytes of HTML]", MAX_BYTES >> 20, html.len()));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn lay_out(html: String, width: usize) -> Option<String> {
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let job = move || html2text::config::plain().string_from_read(html.as_bytes(), width).ok();
    within(MAX_TIME, job).flatten()
}

/// Elements without content, which need no end.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

/// How deep elements lie inside one another at most, by their tags. An element that is never closed counts as open,
/// as the parser sees it, except for those whose end may be left out.
fn depth(html: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for tag in html.split('<').skip(1) {
        if tag.starts_with('/') {
            now = now.saturating_sub(1);
            continue;
        }
        let name: String = tag
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(10)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let closed = tag.split('>').next().is_some_and(|inside| inside.ends_with('/'));
        let end_optional = matches!(name.as_str(), "p" | "li" | "td" | "th" | "tr" | "dt" | "dd" | "option");
        if !name.is_empty() && !closed && !end_optional && !VOID.contains(&name.as_str()) {
            now += 1;
            most = most.max(now);
        }
    }
    most
}

/// Takes the rules between the rows of tables out, but for the first, which has the header above it: a table of data
/// has a row on each line then. Tables with a row of several lines keep all their rules.
fn compact_tables(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len());
    let mut rest = lines.as_slice();
    while let Some((first, others)) = rest.split_first() {
        let rows = if is_rule(first) { one_line_rows(others) } else { 0 };
        let table = rest.get(..rows * 2 + 1).unwrap_or_default();
        for (index, line) in table.iter().enumerate() {
            if index <= 2 || index % 2 == 1 || index + 1 == table.len() {
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
        if table.is_empty() {
            out.push_str(first.trim_end());
            out.push('\n');
        }
        rest = rest.get(table.len().max(1)..).unwrap_or_default();
    }
    out
}

/// How many times a row of one line and a rule follow one another at the start of `lines`; 0 if the table goes on
/// with something else.
fn one_line_rows(lines: &[&str]) -> usize {
    let is_row = |line: &&str| !is_rule(line) && line.contains('\u{2502}');
    let rows = lines
        .chunks_exact(2)
        .take_while(|pair| matches!(pair, [row, rule] if is_row(row) && is_rule(rule)))
        .count();
    let goes_on = lines.get(rows * 2).is_some_and(is_row);
    if goes_on { 0 } else { rows }
}

/// A line of a table that only separates.
fn is_rule(line: &str) -> bool {
    !line.is_empty() && line.chars().all(|c| ('\u{2500}'..='\u{257f}').contains(&c) && c != '\u{2502}')
}

/// The lines of a table for terminals without Unicode.
fn ascii_lines(c: char) -> char {
    match c {
        '\u{2500}' | '\u{2501}' => '-',
        '\u{2502}' | '\u{2503}' => '|',
        '\u{2504}'..='\u{257f}' => '+',
        other => other,
    }
}

/// The text between the tags.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut inside = false;
    for c in html.chars() {
        match (c, inside) {
            ('<', _) => inside = true,
            ('>', true) => inside = false,
            (c, false) => text.push(c),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned() {
        let html = "<table border='1' class='dataframe'><thead><tr><th></th><th>name</th><th>age</th></tr></thead>\
                    <tbody><tr><th>0</th><td>Ann</td><td>31</td></tr><tr><th>1</th><td>Bartholomew</td><td>7</td></tr></tbody></table>";
        insta::assert_snapshot!(html_to_text(html, 60, true), @r"
        ─┬───────────┬───
         │name       │age
        ─┼───────────┼───
        0│Ann        │31
        1│Bartholomew│7
        ─┴───────────┴───
        ");
        let wrapped = "<table><tr><td>a</td><td>b</td></tr><tr><td>c d e f g h i j k l m n o p q r s</td><td>x</td></tr><tr><td>y</td><td>z</td></tr></table>";
        assert_eq!(html_to_text(wrapped, 20, true).lines().filter(|line| is_rule(line)).count(), 4);
        assert_eq!(
            html_to_text("<table><tr><td>a</td><td>b</td></tr></table>", 60, false),
            "-+-\na|b\n-+-\n"
        );
    }

    #[test]
    fn what_is_written_between_tags_cannot_harm() {
        let text =
            html_to_text("<p>a&#27;[2Jb &#x202e;c</p><script>alert(1)</script><style>p{}</style>", 80, true);
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}') && !text.contains("alert"), "{text:?}");
    }

    #[test]
    fn bombs_end() {
        let deep = "<div>".repeat(100_000);
        assert_eq!(html_to_text(&deep, 80, true), "");
        let deep_text = format!("{}core{}", "<b>".repeat(50_000), "</b>".repeat(50_000));
        assert_eq!(html_to_text(&deep_text, 80, true), "core\n");
        let long = format!("<p>{}</p>", "word ".repeat(1_000_000));
        assert!(html_to_text(&long, 80, true).len() <= MAX_TEXT + 100);
        let wide = format!("<table><tr>{}</tr></table>", "<td>x</td>".repeat(20_000));
        assert!(html_to_text(&wide, 80, true).len() <= MAX_TEXT + 100);
        html_to_text(&"<table><tr><td>".repeat(5_000), 80, true);
    }

    #[test]
    fn every_width_is_survived() {
        for width in [0, 1, 10, 80, usize::MAX] {
            assert!(
                html_to_text("<h1>Title</h1><p>Some words and <a href='x'>a link</a>.</p>", width, true)
                    .contains("Title")
            );
        }
    }
}
