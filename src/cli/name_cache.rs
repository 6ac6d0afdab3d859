//! A cache of the names of sessions, images and folders on each server, for shell completion when the server is slow. This module
//! sends no requests.

use super::context::CommandContext;
use super::server;
use crate::config::Paths;
use std::io::Read;
use std::path::PathBuf;

/// Maximum number of cached names for one server.
const MAX_NAMES: usize = 5_000;
/// Maximum bytes that are read.
const FILE_LIMIT: u64 = 4 << 20;

/// A kind of cached names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    /// Names of live sessions.
    Sessions,
    /// Image references.
    Images,
    /// Names of virtual folders.
    Folders,
}

impl NameKind {
    fn name(self) -> &'static str {
        match self {
            NameKind::Sessions => "sessions",
            NameKind::Images => "images",
            NameKind::Folders => "folders",
        }
    }

    /// The command that lists these names and caches them.
    pub(super) fn command(self) -> &'static [&'static str] {
        match self {
            NameKind::Sessions => &["ls"],
            NameKind::Images => &["images"],
            NameKind::Folders => &["vfolder", "list"],
        }
    }
}

/// Caches the names on a server.
pub(super) fn remember<'a>(kind: NameKind, context: &CommandContext, names: impl Iterator<Item = &'a str>) {
    let Some(file) = cache_file(kind, context) else { return };
    let names = names.take(MAX_NAMES).filter(|name| !name.contains('\n'));
    let lines: String = names.flat_map(|name| [name, "\n"]).collect();
    if let Err(error) = bai_private::replace_cache(&file, lines.as_bytes()) {
        tracing::debug!(%error, "the names could not be cached");
    }
}

/// The cached names.
pub(super) fn recall(kind: NameKind, context: &CommandContext) -> Option<Vec<String>> {
    let file = cache_file(kind, context)?;
    let mut text = String::new();
    bai_private::open_file(&file).ok()?.take(FILE_LIMIT).read_to_string(&mut text).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// The cache file for the server and its user.
fn cache_file(kind: NameKind, context: &CommandContext) -> Option<PathBuf> {
    let short = server::short_key(context).ok()?;
    Some(Paths::of_user()?.names_cache().join(format!("{}-{short}", kind.name())))
}
