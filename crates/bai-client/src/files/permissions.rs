//! The permissions of the files and folders of an upload, where the server does not give them: by commands in the session, which wait
//! for the current run. New private files and folders are closed, and files get the right to execute.
//!
//! A small file belongs to the user of the server. The session may replace it by a copy of its own where it may write to the folder,
//! so it makes the folders first.

use super::existing::split;
use super::outcome::Skipped;
use super::refused::{NOT_EXECUTABLE, NOT_PRIVATE};
use super::shell::word;
use super::upload::{Outgoing, PUBLIC};
use crate::error::ClientError;
use crate::session::ComputeSession;
use std::collections::{BTreeMap, BTreeSet};

/// Folders in one command.
const FOLDERS: usize = 100;

/// What changes the permissions of `$f`, or of a copy of it that takes its place, as `chmod` reads them. Writes a dot if that fails.
/// A folder has no copy.
fn change(to: &str) -> String {
    format!(
        "chmod {to} \"$f\" 2>/dev/null || {{ c=\"$f.bai-repl-$$\"; [ -f \"$f\" ] && (umask 077; cp \"$f\" \"$c\") 2>/dev/null && \
         chmod {to} \"$c\" && mv -f \"$c\" \"$f\" 2>/dev/null; }} || {{ rm -f \"$c\"; echo .; }}"
    )
}

/// The permissions that are given after the files have arrived.
#[derive(Debug, Default)]
pub(super) struct LatePermissions {
    /// The paths, by what `chmod` reads.
    paths: BTreeMap<String, Vec<String>>,
}

impl LatePermissions {
    /// What these small files and folders need. Those in `existing` keep their own rights, but for the right to execute.
    pub(super) fn of<'f>(
        files: impl IntoIterator<Item = &'f Outgoing>,
        existing: &BTreeSet<String>,
    ) -> LatePermissions {
        let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in files {
            let is_new = !existing.contains(&file.to);
            let to = match file.mode {
                mode if is_new && file.is_private() => format!("{mode:o}"),
                mode if mode & 0o111 != 0 && !file.is_folder() => "+x".to_owned(),
                _ => continue,
            };
            paths.entry(to).or_default().push(file.to.clone());
        }
        LatePermissions { paths }
    }
}

impl ComputeSession {
    /// Makes the folders of these files, which then belong to the session.
    pub(super) async fn own_folders(&self, permissions: &LatePermissions) -> Result<(), ClientError> {
        let files = permissions.paths.values().flatten();
        let folders: BTreeSet<_> = files.map(|file| split(file).0).filter(|folder| *folder != ".").collect();
        let folders: Vec<_> = folders.into_iter().map(word).collect();
        for some in folders.chunks(FOLDERS) {
            // A failure is found when the files are sent.
            self.shell("make folders", &format!("mkdir -p {} 2>/dev/null || true", some.join(" "))).await?;
        }
        Ok(())
    }

    /// Gives these permissions. Returns the files and folders for which that has failed.
    pub(super) async fn give_permissions(
        &self,
        permissions: &LatePermissions,
    ) -> Result<Vec<Skipped>, ClientError> {
        let mut failed = Vec::new();
        for (to, paths) in &permissions.paths {
            let why = if to == "+x" { NOT_EXECUTABLE } else { NOT_PRIVATE };
            let answers = self.shell_each("set permissions", "", &change(to), paths).await?;
            let without = paths.iter().zip(answers).filter(|(_, answer)| !answer.is_empty());
            failed.extend(without.map(|(path, _)| Skipped::new(path, why)));
        }
        Ok(failed)
    }
}

impl Outgoing {
    /// Whether other users may not read it.
    fn is_private(&self) -> bool {
        let readable = if self.is_folder() { PUBLIC } else { PUBLIC & 0o444 };
        self.mode & readable != readable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    #[test]
    fn the_command_changes_the_permissions_and_tells_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("it's");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let said = |to: &str, file: &str| {
            let script = format!("f={}; {}", word(file), change(to));
            let said = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
            String::from_utf8(said.stdout).unwrap()
        };
        let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!((said("+x", "it's").as_str(), said("+x", "none").as_str()), ("", ".\n"));
        assert_eq!(mode() & 0o111, 0o111);
        assert_eq!((said("600", "it's").as_str(), mode()), ("", 0o600));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
