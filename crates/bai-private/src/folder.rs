//! Folders that only their owner may enter, and whether the way to them is safe. Another user who can change a folder on
//! the way, or who made a symbolic link on it, decides where it ends: at any folder of ours.
//!
//! The rule is that of ssh's `StrictModes`. Each folder on the way belongs to this user or the administrator, and not all
//! users may write it, unless it is sticky. The folders above the home folder are not checked: who changes those has the
//! home folder anyway. A symbolic link of this user is followed, as for a state folder that was moved to another disk.

use crate::trust::{Distrust, is_open_to_all};
use crate::{FOLDER, STICKY, is_own_user, temporary};
use std::ffi::OsString;
use std::fmt;
use std::fs::{DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// Maximum symbolic links on a way, as on Linux.
const MAX_LINKS: usize = 40;

/// A folder, or a symbolic link on the way to it, that is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsafeFolder {
    /// The folder or link.
    pub path: PathBuf,
    /// The problem.
    pub why: Distrust,
}

impl fmt::Display for UnsafeFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not trusted: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for UnsafeFolder {}

impl From<UnsafeFolder> for io::Error {
    fn from(folder: UnsafeFolder) -> Self {
        io::Error::new(io::ErrorKind::PermissionDenied, folder)
    }
}

/// Creates a folder, and its parents, that only its owner may enter. Closes an existing folder of this user to other users,
/// with two exceptions. One that all users share, such as `/tmp`, stays open: its sticky bit says so. The target of a
/// symbolic link was not made here and keeps its mode.
///
/// # Errors
/// [`UnsafeFolder`] when the folder belongs to another user, or another user decides where it is. Errors of the file system.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let Some(end) = walk(path)? else { return DirBuilder::new().recursive(true).mode(FOLDER).create(path) };
    let is_shared = end.metadata.mode() & STICKY != 0;
    let is_usable = is_own_user(end.metadata.uid()) || is_shared && end.metadata.uid() == 0;
    let why = match end.metadata.mode() {
        _ if !is_usable => Distrust::Owner,
        _ if !end.metadata.is_dir() => return Err(io::ErrorKind::NotADirectory.into()),
        mode if is_shared || mode & 0o077 == 0 => return Ok(()),
        _ if !end.is_linked => {
            return std::fs::set_permissions(&end.path, Permissions::from_mode(FOLDER));
        }
        mode if is_open_to_all(mode) => Distrust::Writable,
        _ => return Ok(()),
    };
    Err(UnsafeFolder { path: end.path, why }.into())
}

/// What a path leads to.
struct End {
    /// Its path without symbolic links.
    path: PathBuf,
    metadata: Metadata,
    /// Whether the last part of the path is a symbolic link.
    is_linked: bool,
}

/// Follows `path` and checks all on the way that exists, but not the end. `None` if the end is missing.
fn walk(path: &Path) -> io::Result<Option<End>> {
    let home = std::env::home_dir().and_then(|home| Some((home.canonicalize().ok()?, home)));
    let path = std::path::absolute(path)?;
    let path = match &home {
        Some((real, named)) => path.strip_prefix(named).map_or(path.clone(), |rest| real.join(rest)),
        None => path,
    };
    let is_above_home = |at: &Path| home.as_ref().is_some_and(|(real, _)| real != at && real.starts_with(at));
    let mut ahead = reversed(&path);
    let (mut at, mut links, mut is_linked) = (PathBuf::from("/"), 0, false);
    let mut problem = None;
    while let Some(name) = ahead.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(name);
        let metadata = match next.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return problem.map_or(Ok(None), |problem: UnsafeFolder| Err(problem.into()));
            }
            metadata => metadata?,
        };
        let is_last = ahead.is_empty();
        if metadata.is_symlink() {
            let of_link = (!is_ours_or_root(&metadata)).then_some(Distrust::Link);
            if let Some(problem) = problem.or(of_link.map(|why| UnsafeFolder { path: next.clone(), why })) {
                return Err(problem.into());
            }
            problem = None;
            links += 1;
            if links > MAX_LINKS {
                return Err(nix::errno::Errno::ELOOP.into());
            }
            is_linked |= is_last;
            let target = next.read_link()?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            ahead.extend(reversed(&target));
            continue;
        }
        // Nobody else can have made it, so it is safe although the folder around it may be open to all.
        if temporary::is_temporary(&next, &metadata) {
            problem = None;
        } else if !is_last && !is_above_home(&next) {
            let why = check_passed(&metadata);
            problem = problem.or_else(|| Some(UnsafeFolder { path: next.clone(), why: why? }));
        }
        at = next;
    }
    match problem {
        Some(problem) => Err(problem.into()),
        None => Ok(Some(End { metadata: at.symlink_metadata()?, path: at, is_linked })),
    }
}

/// The parts of a path, the first one at the end.
fn reversed(path: &Path) -> Vec<OsString> {
    let is_step = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(is_step).map(|part| part.as_os_str().to_owned()).rev().collect()
}

fn is_ours_or_root(metadata: &Metadata) -> bool {
    metadata.uid() == 0 || is_own_user(metadata.uid())
}

/// Checks a folder on the way.
fn check_passed(metadata: &Metadata) -> Option<Distrust> {
    if !is_ours_or_root(metadata) {
        return Some(Distrust::Owner);
    }
    is_open_to_all(metadata.mode()).then_some(Distrust::Writable)
}
