//! Commands about sessions and images: tables for people, JSON lines for programs.

use super::args::Global;
use super::exit::Exit;
use super::failure::Failure;
use super::place::Place;
use crate::client::{ComputeSession, DestroyOptions};
use crate::config::FileConfig;
use crate::render::sanitize;
use crate::terminal::Out;
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};

/// The widest cell of a table.
const CELL_WIDTH: usize = 80;

/// Shows what the engine of this machine can run.
pub(super) async fn images(global: &Global) -> Result<Exit, Failure> {
    let found = crate::engine::images().await;
    if found.is_empty() {
        return Err(Failure::new(Exit::NotFound, "no interpreter was found on this machine")
            .hint("install Python 3, for example: apt install python3"));
    }
    let rows = found.iter().map(|image| {
        json!({
            "image": image.name, "version": image.version, "origin": image.origin,
            "executable": image.executable.display().to_string(),
        })
    });
    print(global, &["image", "version", "origin", "executable"], rows.collect())
}

/// Destroys sessions by name or id. All are tried; the first failure decides the exit code.
pub(super) async fn remove(global: &Global, config: &FileConfig, names: &[String]) -> Result<Exit, Failure> {
    let place = Place::find(global, config).await?;
    let mut exit = Exit::Ok;
    for name in names {
        let destroyed = async {
            let session = ComputeSession::attach(&place.api, name).await?;
            session.destroy(DestroyOptions::default()).await
        };
        if let Err(error) = destroyed.await {
            let failed = Failure::from(error).tell();
            exit = if exit == Exit::Ok { failed } else { exit };
        }
    }
    Ok(exit)
}

/// Lists the sessions that live.
pub(super) async fn list(global: &Global, config: &FileConfig) -> Result<Exit, Failure> {
    let place = Place::find(global, config).await?;
    let sessions = place.api.sessions(&[]).await?;
    let alive = sessions.iter().filter(|session| !session.status.is_dead());
    let rows = alive.map(|session| {
        json!({
            "name": session.name, "status": session.status.name(), "image": session.image,
            "created": session.created_at, "id": session.id,
        })
    });
    print(global, &["name", "status", "image", "created", "id"], rows.collect())
}

/// Rows as a table with a head, or as JSON lines.
pub(super) fn print(global: &Global, columns: &[&str], rows: Vec<Value>) -> Result<Exit, Failure> {
    let text =
        if global.json { rows.iter().map(|row| format!("{row}\n")).collect() } else { table(columns, &rows) };
    match Out::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(Exit::Failed, error)),
        _ => Ok(Exit::Ok),
    }
}

fn table(columns: &[&str], rows: &[Value]) -> String {
    let head: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    let cell = |row: &Value, column: &str| match row.get(column) {
        Some(Value::String(text)) => sanitize::line(text, CELL_WIDTH),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let body = rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |index: usize| {
        let cells = lines.iter().filter_map(|line| line.get(index));
        cells.map(|cell| unicode_width::UnicodeWidthStr::width(cell.as_str())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut written = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let gap = width - unicode_width::UnicodeWidthStr::width(cell.as_str()) + 2;
            written.push_str(cell);
            written.extend(std::iter::repeat_n(' ', gap));
        }
        text.push_str(written.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let rows =
            [json!({"name": "한글", "status": "RUNNING"}), json!({"name": "a\u{1b}[2Jb", "status": null})];
        let text = table(&["name", "status"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["NAME  STATUS", "한글  RUNNING"]);
        assert!(!text.contains('\u{1b}'));
    }
}
