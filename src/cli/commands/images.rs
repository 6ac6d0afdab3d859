//! `bai-repl images`: what sessions can be made from.

use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::table::{self, Column, Row};
use crate::config::FileConfig;
use serde_json::json;

/// Shows what the engine of this machine can run.
pub(in crate::cli) async fn run(global: &Global, _config: &FileConfig) -> Result<Exit, Failure> {
    let found = crate::engine::images().await;
    if found.is_empty() {
        return Err(Failure::new(Exit::NotFound, "no interpreter was found on this machine")
            .hint("install Python 3, for example: apt install python3"));
    }
    let rows = found.iter().map(|image| {
        let executable = image.executable.display().to_string();
        Row {
            json: json!({
                "image": image.name, "version": image.version, "origin": image.origin, "executable": executable,
            }),
            cells: vec![image.name.clone(), image.version.clone(), image.origin.to_owned(), executable],
        }
    });
    let columns = ["image", "version", "origin", "executable"].map(Column::of);
    table::print(global, &columns, &rows.collect::<Vec<_>>())
}

/// What a person may name when they open a session.
pub(in crate::cli) async fn names(_global: &Global, _config: &FileConfig) -> Result<Vec<String>, Failure> {
    Ok(crate::engine::images().await.into_iter().map(|image| image.name).collect())
}
