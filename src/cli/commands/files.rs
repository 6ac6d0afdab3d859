//! `bai-repl files`: what lies in a folder of a session.

use crate::cli::args::{Files, Global};
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table::{self, Column, Row};
use crate::config::FileConfig;
use crate::format;
use bai_protocol::files::FileEntry;
use jiff::Timestamp;
use serde_json::json;

/// Lists it, by name.
pub(in crate::cli) async fn run(
    global: &Global,
    config: &FileConfig,
    flags: &Files,
) -> Result<ExitStatus, CliError> {
    let (_place, session) = super::session(global, config, &flags.subject).await?;
    let mut entries = session.list_files(&flags.path).await?;
    entries.sort_by(|a, b| a.filename.cmp(&b.filename));
    let columns = [Column::of("mode"), Column::number("size"), Column::of("modified"), Column::of("name")];
    table::print(global, &columns, &entries.iter().map(row).collect::<Vec<_>>())
}

fn row(entry: &FileEntry) -> Row {
    // Whole seconds are all that is shown; what is out of range is no time.
    #[allow(clippy::cast_possible_truncation)]
    let modified =
        Timestamp::from_second(entry.mtime as i64).map(|time| time.to_string()).unwrap_or_default();
    let is_folder = entry.is_dir();
    let name = if is_folder { format!("{}/", entry.filename) } else { entry.filename.clone() };
    Row {
        json: json!({
            "name": entry.filename, "mode": entry.mode, "size": entry.size, "modified": modified,
            "folder": is_folder,
        }),
        cells: vec![
            entry.mode.clone(),
            if is_folder { String::new() } else { format::size(entry.size) },
            format::ago(&modified, Timestamp::now()),
            name,
        ],
    }
}
