//! What folders and storage hosts there are, as tables and facts.

use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::name_cache::{self, NameKind};
use crate::cli::server::Server;
use crate::cli::table::{self, Column, Row};
use crate::format;
use bai_client::{VFolder, VirtualFolder};
use jiff::Timestamp;
use serde_json::json;

/// Lists the folders; those in the trash only on request.
pub(super) async fn list(
    context: &CommandContext,
    server: &Server,
    all: bool,
) -> Result<ExitStatus, CliError> {
    let mut folders = server.api.all_virtual_folders().await?;
    folders.retain(|folder| !folder.is_gone());
    name_cache::remember(NameKind::Folders, context, mountable(&folders));
    let in_trash = folders.iter().filter(|folder| folder.is_in_trash()).count();
    folders.retain(|folder| all || !folder.is_in_trash());
    folders.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let columns = ["name", "status", "host", "permission", "owner", "created", "id"].map(Column::of);
    let now = Timestamp::now();
    table::print(context, &columns, &folders.iter().map(|folder| row(folder, now)).collect::<Vec<_>>())?;
    if in_trash > 0 && !all {
        let are = if in_trash == 1 { "folder is" } else { "folders are" };
        table::note(context, &format!("{in_trash} more {are} in the trash; --all lists all"));
    }
    Ok(ExitStatus::Ok)
}

/// The names of folders that sessions can mount.
pub(in crate::cli) fn mountable(folders: &[VirtualFolder]) -> impl Iterator<Item = &str> {
    folders
        .iter()
        .filter(|folder| !folder.is_in_trash() && !folder.is_gone())
        .map(|folder| folder.name.as_str())
}

fn row(folder: &VirtualFolder, now: Timestamp) -> Row {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let is_of_project = folder.ownership_type.as_deref() == Some("group");
    let owner = match folder.is_owner {
        _ if is_of_project => "project".to_owned(),
        true => "you".to_owned(),
        false => text(&folder.creator),
    };
    Row {
        json: json!({
            "name": folder.name, "id": folder.id, "status": folder.status, "host": folder.host,
            "permission": folder.permission, "usage_mode": folder.usage_mode, "owned_by": folder.ownership_type,
            "is_owner": folder.is_owner, "creator": folder.creator, "cloneable": folder.cloneable,
            "created": folder.created_at,
        }),
        cells: vec![
            folder.name.clone(),
            status(folder.status.as_deref()),
            folder.host.clone(),
            rights(folder.permission.as_deref()),
            owner,
            folder.created_at.as_deref().map(|time| format::ago(time, now)).unwrap_or_default(),
            folder.id.clone(),
        ],
    }
}

/// The status in words.
fn status(status: Option<&str>) -> String {
    match status.unwrap_or_default() {
        "delete-pending" => "in trash",
        other => other,
    }
    .to_owned()
}

/// The rights in words.
pub(super) fn rights(permission: Option<&str>) -> String {
    match permission.unwrap_or_default() {
        "ro" => "read",
        "rw" => "write",
        "wd" => "delete",
        other => other,
    }
    .to_owned()
}

/// Shows facts about a folder.
pub(super) async fn info(context: &CommandContext, folder: &VFolder) -> Result<ExitStatus, CliError> {
    let info = folder.info().await?;
    let shares = if info.is_owner { folder.shares().await.unwrap_or_default() } else { Vec::new() };
    let now = Timestamp::now();
    let time = |time: &Option<String>| time.as_deref().map(|time| format::ago(time, now)).unwrap_or_default();
    let users: Vec<_> =
        shares.iter().map(|share| format!("{} ({})", share.email(), rights(Some(&share.perm)))).collect();
    let shared: Vec<_> =
        shares.iter().map(|share| json!({"email": share.email(), "permission": share.perm})).collect();
    let object = json!({
        "name": info.name, "id": info.id, "status": info.status, "host": info.host, "used_bytes": info.used_bytes,
        "files": info.files, "created": info.created_at, "last_used": info.last_used, "owned_by": info.kind,
        "is_owner": info.is_owner, "permission": info.permission, "usage_mode": info.usage_mode,
        "cloneable": info.cloneable, "shared_with": shared,
    });
    let mut facts = vec![
        ("name", info.name),
        ("id", info.id),
        ("status", status(info.status.as_deref())),
        ("host", info.host),
        ("used", info.used_bytes.map(format::size).unwrap_or_default()),
        ("files", info.files.map(|files| files.to_string()).unwrap_or_default()),
        ("created", time(&info.created_at)),
        ("last used", time(&info.last_used)),
        ("owned by", info.kind.unwrap_or_default()),
        ("permission", rights(info.permission.as_deref())),
        ("usage mode", info.usage_mode.unwrap_or_default()),
        ("cloneable", if info.cloneable { "yes" } else { "no" }.to_owned()),
        ("shared with", users.join(", ")),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    table::print_facts(context, &object, &facts)
}

/// Lists the storage hosts.
pub(super) async fn hosts(context: &CommandContext, server: &Server) -> Result<ExitStatus, CliError> {
    let hosts = server.api.vfolder_hosts().await?;
    let row = |name: &String| {
        let facts = hosts.facts.get(name).cloned().unwrap_or_default();
        let is_default = hosts.default.as_ref() == Some(name);
        let used = facts.used_percent();
        Row {
            json: json!({
                "host": name, "default": is_default, "storage": facts.backend, "used_percent": used,
                "capabilities": facts.capabilities,
            }),
            cells: vec![
                name.clone(),
                if is_default { "yes" } else { "" }.to_owned(),
                facts.backend,
                used.map(|percent| format!("{percent:.0} %")).unwrap_or_default(),
            ],
        }
    };
    let columns = [Column::of("host"), Column::of("default"), Column::of("storage"), Column::number("used")];
    table::print(context, &columns, &hosts.allowed.iter().map(row).collect::<Vec<_>>())
}
