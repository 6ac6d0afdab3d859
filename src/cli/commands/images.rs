//! `bai-repl images`: what sessions can be made from.

use crate::cli::args::Global;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::server::{self, Server};
use crate::cli::shell_completion::{self, Kind};
use crate::cli::table::{self, Column, Row};
use crate::config::FileConfig;
use crate::format;
use bai_client::ImageOptions;
use serde_json::json;

/// Shows what the cluster has, or what the engine of this machine can run.
pub(in crate::cli) async fn run(global: &Global, config: &FileConfig) -> Result<ExitStatus, CliError> {
    if server::is_cluster(global, config)? {
        of_cluster(global, config).await
    } else {
        of_engine(global).await
    }
}

async fn of_cluster(global: &Global, config: &FileConfig) -> Result<ExitStatus, CliError> {
    let server = Server::find(global, config).await?;
    let images = server.api.images(ImageOptions::default()).await?;
    let names: Vec<_> = images.iter().cloned().flat_map(|image| image.names()).collect();
    shell_completion::remember(Kind::Images, global, config, names.iter().map(String::as_str));
    let rows = images.iter().map(|image| Row {
        json: json!({
            "image": image.reference(), "architecture": image.architecture, "size": image.size_bytes,
            "aliases": image.aliases,
        }),
        cells: vec![
            image.reference(),
            image.architecture.clone().unwrap_or_default(),
            image.size_bytes.map(format::size).unwrap_or_default(),
            image.aliases.join(", "),
        ],
    });
    let columns =
        [Column::of("image"), Column::of("architecture"), Column::number("size"), Column::of("aliases")];
    table::print(global, &columns, &rows.collect::<Vec<_>>())
}

async fn of_engine(global: &Global) -> Result<ExitStatus, CliError> {
    let found = bai_engine::images().await;
    if found.is_empty() {
        return Err(CliError::new(ExitStatus::NotFound, "no interpreter was found on this machine")
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
pub(in crate::cli) async fn names(global: &Global, config: &FileConfig) -> Result<Vec<String>, CliError> {
    if server::is_cluster(global, config)? {
        let server = Server::find(global, config).await?;
        let images = server.api.images(ImageOptions::default()).await?;
        return Ok(images.into_iter().flat_map(|image| image.names()).collect());
    }
    Ok(bai_engine::images().await.into_iter().map(|image| image.name).collect())
}
