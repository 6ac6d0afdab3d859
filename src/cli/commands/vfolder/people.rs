//! Who uses a folder: invitations, shares, and leaving.

use super::event;
use crate::cli::args::People;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::server::Server;
use crate::cli::table::{self, Column, Row};
use crate::format;
use bai_client::{VFolder, VFolderInvitation};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Invites users.
pub(super) async fn invite(
    context: &CommandContext,
    folder: &VFolder,
    people: &People,
) -> Result<ExitStatus, CliError> {
    let invited = folder.invite(&people.emails, &people.permission).await?;
    // The server names new invitations only; an older one has the new rights now, or the old ones, as the server is.
    let sent = folder.api().sent_vfolder_invitations().await?;
    let is_here =
        |sent: &VFolderInvitation| sent.vfolder_id.replace('-', "") == folder.about().id.replace('-', "");
    let mut exit = ExitStatus::Ok;
    for email in &people.emails {
        let invitation = sent.iter().find(|sent| is_here(sent) && sent.invitee == *email);
        let failed = match invitation {
            Some(found) if found.perm == people.permission => {
                let again = if invited.contains(email) { "" } else { "still " };
                let sentence = format!("{email} may {again}accept {}", folder.name());
                table::report(
                    context,
                    &with_emails("invited", folder, std::slice::from_ref(email)),
                    &sentence,
                )?;
                continue;
            }
            Some(found) => {
                let rights = super::lists::rights(Some(&found.perm));
                let withdraw = format!("bai-repl vfolder decline {} withdraws it", found.id);
                let why = format!("{email} has an invitation with other rights than you asked for: {rights}");
                CliError::new(ExitStatus::Failed, why).hint(withdraw)
            }
            None => CliError::new(ExitStatus::Refused, format!("{email} is not invited"))
                .hint("does this user use the folder already?"),
        };
        exit = failed.report();
    }
    Ok(exit)
}

/// Shares a folder without asking.
pub(super) async fn share(
    context: &CommandContext,
    folder: &VFolder,
    people: &People,
) -> Result<ExitStatus, CliError> {
    folder.share(&people.emails, &people.permission).await?;
    let sentence = format!("{} may now use {}", people.emails.join(", "), folder.name());
    table::report(context, &with_emails("shared", folder, &people.emails), &sentence)?;
    Ok(ExitStatus::Ok)
}

/// Ends that.
pub(super) async fn unshare(
    context: &CommandContext,
    folder: &VFolder,
    emails: &[String],
) -> Result<ExitStatus, CliError> {
    folder.unshare(emails).await?;
    let sentence = format!("{} is not shared any more with {}", folder.name(), emails.join(", "));
    table::report(context, &with_emails("unshared", folder, emails), &sentence)?;
    Ok(ExitStatus::Ok)
}

fn with_emails(name: &str, folder: &VFolder, emails: &[String]) -> Value {
    let mut event = event(name, folder);
    if let Some(event) = event.as_object_mut() {
        event.insert("emails".to_owned(), json!(emails));
    }
    event
}

/// Lists invitations.
pub(super) async fn invitations(
    context: &CommandContext,
    server: &Server,
    sent: bool,
) -> Result<ExitStatus, CliError> {
    let found = if sent {
        server.api.sent_vfolder_invitations().await?
    } else {
        server.api.vfolder_invitations().await?
    };
    let now = Timestamp::now();
    let row = |invitation: &VFolderInvitation| {
        let who = if sent { &invitation.invitee } else { &invitation.inviter };
        Row {
            json: json!({
                "folder": invitation.vfolder_name, "from": invitation.inviter, "to": invitation.invitee,
                "permission": invitation.perm, "state": invitation.state, "created": invitation.created_at,
                "id": invitation.id,
            }),
            cells: vec![
                invitation.vfolder_name.clone(),
                who.clone(),
                invitation.perm.clone(),
                invitation.created_at.as_deref().map(|time| format::ago(time, now)).unwrap_or_default(),
                invitation.id.clone(),
            ],
        }
    };
    let columns = ["folder", if sent { "to" } else { "from" }, "permission", "created", "id"].map(Column::of);
    table::print(context, &columns, &found.iter().map(row).collect::<Vec<_>>())
}

/// Accepts an invitation.
pub(super) async fn accept(
    context: &CommandContext,
    server: &Server,
    id: &str,
) -> Result<ExitStatus, CliError> {
    let invitation = choose(server.api.vfolder_invitations().await?, id)?;
    server.api.accept_vfolder(&invitation.id).await?;
    answered(context, "accepted", &invitation)
}

/// Declines an invitation, or withdraws one.
pub(super) async fn decline(
    context: &CommandContext,
    server: &Server,
    id: &str,
) -> Result<ExitStatus, CliError> {
    let mut all = server.api.vfolder_invitations().await?;
    all.extend(server.api.sent_vfolder_invitations().await?);
    let invitation = choose(all, id)?;
    server.api.decline_vfolder(&invitation.id).await?;
    answered(context, "declined", &invitation)
}

fn answered(
    context: &CommandContext,
    what: &str,
    invitation: &VFolderInvitation,
) -> Result<ExitStatus, CliError> {
    let folder = &invitation.vfolder_name;
    let event = json!({"event": what, "folder": folder, "id": invitation.vfolder_id});
    table::report(context, &event, &format!("the invitation to {folder} is {what}"))?;
    Ok(ExitStatus::Ok)
}

/// The invitation with this id, or the only one whose id begins so.
fn choose(all: Vec<VFolderInvitation>, id: &str) -> Result<VFolderInvitation, CliError> {
    let mut found: Vec<_> = all.into_iter().filter(|one| !id.is_empty() && one.id.starts_with(id)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => {
            Err(CliError::new(ExitStatus::NotFound, format!("several invitations begin with {id}")))
        }
        (None, _) => Err(CliError::new(ExitStatus::NotFound, format!("there is no invitation {id}"))
            .hint("bai-repl vfolder invitations lists them")),
    }
}

/// Gives up a folder of another user.
pub(super) async fn leave(context: &CommandContext, folder: &VFolder) -> Result<ExitStatus, CliError> {
    folder.leave().await?;
    table::report(context, &event("left", folder), &format!("you have left {}", folder.name()))?;
    Ok(ExitStatus::Ok)
}
