//! `bai-repl images`: lists the images that sessions can be created from.

use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::name_cache::{self, NameKind};
use crate::cli::server::{self, Server};
use crate::cli::table::{self, Column, Row};
use crate::format;
use bai_client::ImageOptions;
use serde_json::json;

/// Lists the images of the cluster, or the interpreters that the engine of this machine can run.
pub(in crate::cli) async fn run(context: &CommandContext) -> Result<ExitStatus, CliError> {
    if server::is_cluster(context)? { of_cluster(context).await } else { of_engine(context).await }
}

async fn of_cluster(context: &CommandContext) -> Result<ExitStatus, CliError> {
    let server = Server::find(context).await?;
    let images = server.api.images(ImageOptions::default()).await?;
    let names: Vec<_> = images.iter().cloned().flat_map(|image| image.names()).collect();
    name_cache::remember(NameKind::Images, context, names.iter().map(String::as_str));
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
    table::print(context, &columns, &rows.collect::<Vec<_>>())
}

async fn of_engine(context: &CommandContext) -> Result<ExitStatus, CliError> {
    let found = bai_engine::images().await;
    if found.is_empty() {
        return Err(CliError::new(ExitStatus::NotFound, "no interpreter was found on this machine")
            .hint("install Python 3, for example: apt install python3"));
    }
    name_cache::remember(NameKind::Images, context, found.iter().map(|image| image.name.as_str()));
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
    table::print(context, &columns, &rows.collect::<Vec<_>>())
}

/// The image names that a session can be opened with.
pub(in crate::cli) async fn names(context: &CommandContext) -> Result<Vec<String>, CliError> {
    if server::is_cluster(context)? {
        let server = Server::find(context).await?;
        let images = server.api.images(ImageOptions::default()).await?;
        return Ok(images.into_iter().flat_map(|image| image.names()).collect());
    }
    Ok(bai_engine::images().await.into_iter().map(|image| image.name).collect())
}

/// Image names that are known without a request and without running a program: languages in the path of this machine, when
/// the engine is the server.
pub(in crate::cli) fn names_at_once(context: &CommandContext) -> Vec<String> {
    if server::is_cluster(context).unwrap_or(true) {
        return Vec::new();
    }
    bai_engine::languages_in_path().into_iter().map(str::to_owned).collect()
}
