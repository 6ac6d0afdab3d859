//! The keys that clusters make for the sshd of each session. A copy is kept as long as the session lives, in a file of this user alone:
//! programs that read `~/.ssh/config` need it at any time. It goes with `bai-repl rm`, and when the next key is fetched.

use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::server::short_key;
use crate::config::Paths;
use bai_client::{Api, ComputeSession, ErrorKind};
use bai_protocol::byte_text;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The file in a session's home folder that has its key.
const FILE: &str = "id_container";

/// The file with the key of this session, which is fetched the first time. `None` if the session has no key of its own.
pub(super) async fn fetched(
    context: &CommandContext,
    session: &ComputeSession,
) -> Result<Option<PathBuf>, CliError> {
    let Some(file) = file(context, session) else { return Ok(None) };
    if bai_private::open_file(&file).is_ok() {
        return Ok(Some(file));
    }
    let key = match session.read_file(FILE).await {
        Ok(key) => key,
        Err(error) if error.kind() == ErrorKind::NoSuchFile => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if let Some(folder) = file.parent() {
        remove_old(folder, session.api()).await;
    }
    bai_private::replace_file(&file, &key).map_err(|error| {
        let path = byte_text::shown_path(&file);
        CliError::new(ExitStatus::Failed, format!("cannot keep the key of the session in {path}: {error}"))
    })?;
    Ok(Some(file))
}

/// Removes the key of a session that has ended.
pub(in crate::cli) fn forget_key(context: &CommandContext, session: &ComputeSession) {
    if let Some(file) = file(context, session)
        && let Err(error) = std::fs::remove_file(file)
    {
        tracing::debug!(%error, "no key was removed");
    }
}

/// The place of the key. A session without an id has none.
fn file(context: &CommandContext, session: &ComputeSession) -> Option<PathBuf> {
    let is_plain = |id: &&str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let id = session.id().filter(is_plain)?;
    Some(Paths::of_user()?.ssh_keys_dir().join(short_key(context).ok()?).join(id))
}

/// Removes the keys of sessions that have ended. An error only means that they stay until the next time.
async fn remove_old(folder: &Path, api: &Api) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    // A file that is being written has another name.
    let id_of = |name: OsString| name.into_string().ok().filter(|name| !name.starts_with('.'));
    let kept: Vec<String> = entries.flatten().filter_map(|entry| id_of(entry.file_name())).collect();
    if kept.is_empty() {
        return;
    }
    let Ok(sessions) = api.live_sessions().await else { return };
    let alive: HashSet<String> = sessions.into_iter().map(|session| session.id).collect();
    for ended in kept.iter().filter(|id| !alive.contains(*id)) {
        let _ = std::fs::remove_file(folder.join(ended));
    }
}
