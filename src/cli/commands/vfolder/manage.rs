//! Folders are made, renamed, thrown away and copied.

use super::super::for_each;
use super::{event, find, pasted, with_hint};
use crate::cli::args::{Folders, VFolderCreate};
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::server::Server;
use crate::cli::table;
use bai_client::{VFolder, VFolderOptions, VFolderRequest};
use serde_json::json;

/// Makes a folder.
pub(super) async fn create(
    context: &CommandContext,
    server: &Server,
    flags: &VFolderCreate,
) -> Result<ExitStatus, CliError> {
    let group = match &flags.group {
        Some(name) => Some(server.api.project_id(name).await?),
        None => None,
    };
    let request = VFolderRequest {
        name: flags.name.clone(),
        host: flags.host.clone(),
        group,
        usage_mode: flags.usage_mode.clone(),
        permission: flags.permission.clone(),
        cloneable: flags.cloneable,
    };
    let folder = server.api.create_vfolder(&request).await?;
    let sentence = format!("folder {} is made on {}", folder.name(), folder.about().host);
    table::report(context, &event("created", &folder), &sentence)?;
    Ok(ExitStatus::Ok)
}

/// Renames a folder.
pub(super) async fn rename(
    context: &CommandContext,
    folder: &VFolder,
    name: &str,
) -> Result<ExitStatus, CliError> {
    folder.rename(name).await?;
    let event = json!({"event": "renamed", "folder": name, "before": folder.name(), "id": folder.about().id});
    table::report(context, &event, &format!("folder {} is now called {name}", folder.name()))?;
    Ok(ExitStatus::Ok)
}

/// Changes settings of a folder.
pub(super) async fn change(
    context: &CommandContext,
    folder: &VFolder,
    permission: Option<String>,
    cloneable: Option<bool>,
) -> Result<ExitStatus, CliError> {
    folder.change(&VFolderOptions { permission, cloneable }).await?;
    table::report(context, &event("changed", folder), &format!("folder {} is changed", folder.name()))?;
    Ok(ExitStatus::Ok)
}

/// Moves folders to the trash.
pub(super) async fn delete(
    context: &CommandContext,
    server: &Server,
    folders: &Folders,
) -> Result<ExitStatus, CliError> {
    for_each(&folders.vfolders, async |name| {
        let folder = find(server, name).await?;
        if folder.about().is_in_trash() {
            return Err(CliError::new(ExitStatus::Refused, format!("folder {name} is in the trash already"))
                .hint(format!("bai-repl vfolder purge {} removes it for good", pasted(&[name]))));
        }
        let has_trash = folder.has_trash().await?;
        folder.delete().await?;
        let sentence = match has_trash {
            true => {
                let words = pasted(&[name]);
                format!("folder {name} is in the trash; bai-repl vfolder restore {words} brings it back")
            }
            false => format!("folder {name} is deleted"),
        };
        table::report(context, &event("deleted", &folder), &sentence)
    })
    .await
}

/// Takes folders out of the trash.
pub(super) async fn restore(
    context: &CommandContext,
    server: &Server,
    folders: &Folders,
) -> Result<ExitStatus, CliError> {
    for_each(&folders.vfolders, async |name| {
        let folder = server.api.vfolder_in_trash(name).await.map_err(with_hint)?;
        folder.restore().await?;
        table::report(context, &event("restored", &folder), &format!("folder {name} is restored"))
    })
    .await
}

/// Removes folders in the trash for good.
pub(super) async fn purge(
    context: &CommandContext,
    server: &Server,
    folders: &Folders,
) -> Result<ExitStatus, CliError> {
    for_each(&folders.vfolders, async |name| {
        let folder = server.api.vfolder_in_trash(name).await.map_err(with_hint)?;
        if !folder.about().is_in_trash() {
            return Err(CliError::new(ExitStatus::Refused, format!("folder {name} is not in the trash"))
                .hint(format!("bai-repl vfolder delete {} moves it there", pasted(&[name]))));
        }
        folder.purge().await?;
        table::report(context, &event("purged", &folder), &format!("folder {name} is removed for good"))
    })
    .await
}

/// Copies a whole folder, and waits until the copy is complete.
pub(super) async fn copy(
    context: &CommandContext,
    folder: &VFolder,
    name: &str,
    host: Option<String>,
    permission: Option<String>,
) -> Result<ExitStatus, CliError> {
    let request = VFolderRequest { name: name.to_owned(), host, permission, ..VFolderRequest::default() };
    if let Some(task) = folder.clone_to(&request).await? {
        task.finish(|_| {}).await?;
    }
    let event = json!({"event": "cloned", "folder": folder.name(), "id": folder.about().id, "to": name});
    table::report(context, &event, &format!("folder {} is copied to {name}", folder.name()))?;
    Ok(ExitStatus::Ok)
}
