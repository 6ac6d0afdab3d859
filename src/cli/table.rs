//! The output of commands: an aligned table for people that fits the window, or one JSON object on a line for programs. Control
//! characters in the text of servers are removed here.

use super::context::CommandContext;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::json_lines;
use crate::render::{Flow, sanitize};
use crate::terminal::{self, Out, Screen};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use tokio::sync::oneshot;
use unicode_width::UnicodeWidthStr;

/// Maximum width of a cell.
const CELL_WIDTH: usize = 200;
/// Minimum width of a column that is made narrower.
const MIN_WIDTH: usize = 8;
/// Width of the gap between two columns.
const GAP: usize = 2;

/// A column: its name, and the alignment of its cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its name, which is also the key in JSON.
    pub(super) name: &'static str,
    right: bool,
}

impl Column {
    /// A column of text.
    pub(super) const fn of(name: &'static str) -> Self {
        Column { name, right: false }
    }

    /// A column of numbers.
    pub(super) const fn number(name: &'static str) -> Self {
        Column { name, right: true }
    }
}

/// A row of a table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// The object for programs.
    pub(super) json: Value,
    /// The cells for people, one for each column. Their text is untrusted.
    pub(super) cells: Vec<String>,
}

/// Prints a table.
pub(super) fn print(
    context: &CommandContext,
    columns: &[Column],
    rows: &[Row],
) -> Result<ExitStatus, CliError> {
    if context.global.json {
        return write(&rows.iter().map(|row| json_lines::line(&row.json)).collect::<String>())
            .map(|_| ExitStatus::Ok);
    }
    let window = Screen::detect().stdout_tty.then(|| usize::from(terminal::size().cols));
    write(&table(columns, rows, window)).map(|_| ExitStatus::Ok)
}

/// Prints facts: a name and a value on each line, or one JSON object.
pub(super) fn print_facts(
    context: &CommandContext,
    json: &Value,
    facts: &[(&str, String)],
) -> Result<ExitStatus, CliError> {
    if context.global.json {
        return write(&json_lines::line(json)).map(|_| ExitStatus::Ok);
    }
    let width = facts.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| {
        format!("{name}{}  {}\n", " ".repeat(width - name.width()), sanitize::title(value, CELL_WIDTH * 4))
    };
    write(&facts.iter().map(line).collect::<String>()).map(|_| ExitStatus::Ok)
}

/// Reports what was done: an event for programs on standard output, or a sentence for people on standard error.
pub(super) fn report(context: &CommandContext, event: &Value, sentence: &str) -> Result<(), CliError> {
    if context.global.json {
        put_json(event)?;
    } else if !context.global.quiet {
        eprintln!("{}", sanitize::title(sentence, CELL_WIDTH * 4));
    }
    Ok(())
}

/// Tells people about an empty result, on standard error.
pub(super) fn note(context: &CommandContext, sentence: &str) {
    if !context.global.json && !context.global.quiet {
        eprintln!("{sentence}");
    }
}

/// Writes text to standard output. A closed pipe is not an error.
pub(super) fn write(text: &str) -> Result<Flow, CliError> {
    write_bytes(text.as_bytes())
}

/// Writes text to standard output, and ignores a closed pipe.
pub(super) fn put(text: &str) -> Result<(), CliError> {
    write(text).map(drop)
}

/// Writes one object for programs to standard output, and ignores a closed pipe.
pub(super) fn put_json(value: &Value) -> Result<(), CliError> {
    put(&json_lines::line(value))
}

/// Writes bytes to standard output. A closed pipe is not an error.
pub(super) fn write_bytes(bytes: &[u8]) -> Result<Flow, CliError> {
    match Out::stdout().write_all(bytes) {
        Ok(()) => Ok(Flow::Open),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Flow::Closed),
        Err(error) => {
            Err(CliError::new(ExitStatus::Failed, format!("cannot write to standard output: {error}")))
        }
    }
}

/// Waits until the reader of standard output is gone; for ever if there is no reader, as with a file.
pub(super) async fn reader_gone() {
    let (gone, wait) = oneshot::channel();
    // The runtime cannot watch standard output, so a thread does. It ends with the program.
    std::thread::spawn(move || {
        let stdout = std::io::stdout();
        // No event is requested: a closed reader is always reported.
        let polled = poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::empty())], PollTimeout::NONE);
        // The receiver may have stopped to wait.
        let _ = gone.send(polled.is_ok());
    });
    if wait.await != Ok(true) {
        std::future::pending::<()>().await;
    }
}

fn table(columns: &[Column], rows: &[Row], window: Option<usize>) -> String {
    let head: Vec<String> = columns.iter().map(|column| column.name.to_uppercase()).collect();
    let clean = |row: &Row| row.cells.iter().map(|cell| sanitize::name(cell, CELL_WIDTH)).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(clean)).collect();
    let natural = |index: usize| {
        lines.iter().filter_map(|line| line.get(index)).map(|cell| cell.width()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..columns.len()).map(natural).collect();
    if let Some(window) = window {
        fit(&mut widths, window);
    }
    let mut text = String::new();
    for line in &lines {
        let mut written = String::new();
        for ((cell, width), column) in line.iter().zip(&widths).zip(columns) {
            let cell = sanitize::truncate(cell, *width);
            let space = " ".repeat(width - cell.width());
            let (before, after) = if column.right { (space.as_str(), "") } else { ("", space.as_str()) };
            written.extend([before, &cell, after, &" ".repeat(GAP)]);
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
    text
}

/// Makes columns narrower until they fit, the widest first. If that is not enough, columns at the end are removed.
fn fit(widths: &mut Vec<usize>, window: usize) {
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    while total(widths) > window {
        let excess = total(widths) - window;
        let narrower = widths.iter_mut().max_by_key(|width| **width).filter(|width| **width > MIN_WIDTH);
        if let Some(width) = narrower {
            *width -= excess.min(*width - MIN_WIDTH).min(4);
        } else if widths.len() > 1 {
            widths.pop();
        } else {
            widths.fill(window);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(cells: &[&str]) -> Row {
        Row { json: json!({}), cells: cells.iter().map(|cell| (*cell).to_owned()).collect() }
    }

    #[test]
    fn columns_are_aligned_with_any_text() {
        let columns = [Column::of("name"), Column::number("size"), Column::of("status")];
        let rows = [row(&["한글", "7", "RUNNING"]), row(&["a\u{1b}[2Jb", "1234567", ""])];
        let expected =
            "NAME              SIZE  STATUS\n한글                 7  RUNNING\na<U+001B>[2Jb  1234567\n";
        assert_eq!(table(&columns, &rows, None), expected);
    }

    #[test]
    fn no_line_is_wider_than_the_window() {
        let columns = [Column::of("name"), Column::of("image"), Column::of("id")];
        let long = "한국어이름".repeat(8);
        let rows = [row(&[&long, "cr.example/stable/python:3.6", "0123456789abcdef"]), row(&["a", "b", "c"])];
        for window in 1..120 {
            let text = table(&columns, &rows, Some(window));
            assert!(text.lines().all(|line| line.width() <= window), "{window}:\n{text}");
            assert_eq!(text.lines().count(), 3);
        }
        let text = table(&columns, &rows, Some(60));
        assert!(text.contains('…') && text.contains("ID"), "{text}");
    }
}
