//! `bai-repl vfolder`: the virtual folders of a cluster. Here: which subcommand does what, and the lookup of a folder.

mod files;
mod lists;
mod manage;
mod people;

pub(in crate::cli) use lists::mountable;

use super::super::server::{self, Server};
use crate::cli::args::VFolderCommand;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use bai_client::{ClientError, ErrorKind, VFolder};
use bai_protocol::shell_word;
use serde_json::{Value, json};

/// Runs a subcommand.
pub(in crate::cli) async fn run(
    context: &CommandContext,
    command: &VFolderCommand,
) -> Result<ExitStatus, CliError> {
    if !server::is_cluster(context)? {
        return Err(CliError::new(ExitStatus::Usage, "the engine of this machine has no virtual folders")
            .hint("its sessions see the folders of this machine; BACKEND_ENDPOINT or bai-repl login choose a cluster"));
    }
    let server = Server::find(context).await?;
    match command {
        VFolderCommand::List { all } => lists::list(context, &server, *all).await,
        VFolderCommand::Info(folder) => lists::info(context, &find(&server, &folder.vfolder).await?).await,
        VFolderCommand::Hosts => lists::hosts(context, &server).await,
        VFolderCommand::Ls { folder, path } => {
            files::list(context, &find(&server, &folder.vfolder).await?, path).await
        }
        VFolderCommand::Upload { folder, files, to, force } => {
            files::upload(context, &server, &folder.vfolder, files, to, *force).await
        }
        VFolderCommand::Download { folder, paths, to, force } => {
            files::download(context, &find(&server, &folder.vfolder).await?, paths, to, *force).await
        }
        VFolderCommand::Mkdir { folder, paths, parents } => {
            files::make_folders(context, &find(&server, &folder.vfolder).await?, paths, *parents).await
        }
        VFolderCommand::Mv { folder, from, to, force } => {
            files::move_entry(context, &find(&server, &folder.vfolder).await?, from, to, *force).await
        }
        VFolderCommand::Rm { folder, paths, recursive } => {
            files::remove(context, &find(&server, &folder.vfolder).await?, paths, *recursive).await
        }
        VFolderCommand::Create(flags) => manage::create(context, &server, flags).await,
        VFolderCommand::Rename { folder, name } => {
            manage::rename(context, &find(&server, &folder.vfolder).await?, name).await
        }
        VFolderCommand::Set { folder, permission, cloneable } => {
            let folder = find(&server, &folder.vfolder).await?;
            manage::change(context, &folder, permission.clone(), *cloneable).await
        }
        VFolderCommand::Delete(folders) => manage::delete(context, &server, folders).await,
        VFolderCommand::Restore(folders) => manage::restore(context, &server, folders).await,
        VFolderCommand::Purge(folders) => manage::purge(context, &server, folders).await,
        VFolderCommand::Clone { folder, name, host, permission } => {
            let folder = find(&server, &folder.vfolder).await?;
            manage::copy(context, &folder, name, host.clone(), permission.clone()).await
        }
        VFolderCommand::Invite(people) => {
            people::invite(context, &find(&server, &people.folder.vfolder).await?, people).await
        }
        VFolderCommand::Share(people) => {
            people::share(context, &find(&server, &people.folder.vfolder).await?, people).await
        }
        VFolderCommand::Unshare { folder, emails } => {
            people::unshare(context, &find(&server, &folder.vfolder).await?, emails).await
        }
        VFolderCommand::Invitations { sent } => people::invitations(context, &server, *sent).await,
        VFolderCommand::Accept { invitation } => people::accept(context, &server, invitation).await,
        VFolderCommand::Decline { invitation } => people::decline(context, &server, invitation).await,
        VFolderCommand::Leave(folder) => people::leave(context, &find(&server, &folder.vfolder).await?).await,
    }
}

/// The folder with this name or id.
async fn find(server: &Server, reference: &str) -> Result<VFolder, CliError> {
    server.api.vfolder(reference).await.map_err(with_hint)
}

/// Adds where folders are listed to the error for one that is missing.
fn with_hint(error: ClientError) -> CliError {
    let is_missing = error.kind() == ErrorKind::NotFound;
    let error = CliError::from(error);
    if is_missing { error.hint("bai-repl vfolder list --all lists the folders") } else { error }
}

/// Names as the user can paste them behind a command.
fn pasted(names: &[&str]) -> String {
    let words = names.iter().map(|name| shell_word::typed(name)).collect::<Vec<_>>().join(" ");
    if names.iter().any(|name| name.starts_with('-')) { format!("-- {words}") } else { words }
}

/// The event about a change of a folder, for programs.
fn event(name: &str, folder: &VFolder) -> Value {
    json!({"event": name, "folder": folder.name(), "id": folder.about().id})
}

#[cfg(test)]
mod tests {
    use super::pasted;

    #[test]
    fn a_name_in_a_hint_can_be_pasted() {
        for (name, words) in
            [("a.b", "a.b"), ("a b", "'a b'"), ("-s", "-- -s"), ("it's", "'it'\\''s'"), ("", "''")]
        {
            assert_eq!(pasted(&[name]), words);
        }
        assert_eq!(pasted(&["-a", ".upload/1"]), "-- -a .upload/1");
    }
}
