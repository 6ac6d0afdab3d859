//! The folder in which the runner keeps what it can find out again: the versions of interpreters, and its drivers as an
//! interpreter has compiled them. Without a folder it finds them out in each process. What the files hold does not belong here.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

static FOLDER: OnceLock<PathBuf> = OnceLock::new();
/// The folder, once it is there and belongs to us alone.
static MADE: LazyLock<Option<&'static Path>> = LazyLock::new(|| {
    let folder = FOLDER.get()?;
    match bai_private::create_folder(folder) {
        Ok(()) => Some(folder),
        Err(error) => {
            tracing::debug!(%error, "the folder of the cache cannot be used");
            None
        }
    }
});

/// Keeps the versions of interpreters, and what else takes a moment to find out, in this folder for later processes of this user.
/// Only the first call counts. It is made when it is needed.
pub fn keep_caches_in(folder: PathBuf) {
    let _ = FOLDER.set(folder);
}

/// A file in the folder, if there is a folder.
pub(super) fn file(name: &str) -> Option<PathBuf> {
    MADE.map(|folder| folder.join(name))
}
