//! Names of sessions and images, as each server last told them: shell completion takes them where the server is slow.
//! No server is asked here.

use super::context::CommandContext;
use super::server;
use crate::config::{Paths, private_dir};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::PathBuf;

/// Names that are remembered of one server, at most.
const NAMES: usize = 5_000;
/// What is remembered is not read beyond this.
const FILE_LIMIT: u64 = 4 << 20;

/// What has names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameKind {
    /// Names of sessions that live.
    Sessions,
    /// Image references.
    Images,
}

impl NameKind {
    fn name(self) -> &'static str {
        match self {
            NameKind::Sessions => "sessions",
            NameKind::Images => "images",
        }
    }

    /// The command that remembers what it lists.
    pub(super) fn command(self) -> &'static str {
        match self {
            NameKind::Sessions => "ls",
            NameKind::Images => "images",
        }
    }
}

/// Remembers the names that a server has, for a time when it is slow.
pub(super) fn remember<'a>(kind: NameKind, context: &CommandContext, names: impl Iterator<Item = &'a str>) {
    let Some(file) = memory_file(kind, context) else { return };
    let names = names.take(NAMES).filter(|name| !name.contains('\n'));
    let lines: String = names.flat_map(|name| [name, "\n"]).collect();
    let written = (|| {
        let folder = file.parent().unwrap_or(&file);
        private_dir(folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
        temporary.write_all(lines.as_bytes())?;
        temporary.persist(&file).map(drop).map_err(|error| error.error)
    })();
    if let Err(error) = written {
        tracing::debug!(%error, "the names could not be remembered");
    }
}

/// The names that were remembered.
pub(super) fn recall(kind: NameKind, context: &CommandContext) -> Option<Vec<String>> {
    let file = memory_file(kind, context)?;
    let metadata = std::fs::metadata(&file).ok()?;
    if !metadata.is_file() || metadata.len() > FILE_LIMIT {
        return None;
    }
    Some(std::fs::read_to_string(&file).ok()?.lines().map(str::to_owned).collect())
}

/// One file for each server and each user of it.
fn memory_file(kind: NameKind, context: &CommandContext) -> Option<PathBuf> {
    let digest = hex::encode(Sha256::digest(server::key(context).ok()?.as_bytes()));
    let short = digest.get(..16)?;
    Some(Paths::of_user()?.names_cache().join(format!("{}-{short}", kind.name())))
}
