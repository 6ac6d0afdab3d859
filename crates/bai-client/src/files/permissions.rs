//! The permissions of the files and folders of an upload, where the server does not give them: by commands in the session, which wait
//! for the current run. New private files and folders are closed, and files get the right to execute.
//!
//! A small file belongs to the user of the server, and so would a folder that the server makes for it. The session may replace the file
//! by a copy of its own, and have others beside it, where it may write to the folder. So it makes the folders first.

use super::outcome::Skipped;
use super::refused::{NOT_EXECUTABLE, NOT_PRIVATE};
use super::shell::word;
use super::upload::{Outgoing, PUBLIC};
use crate::error::ClientError;
use crate::session::ComputeSession;
use std::collections::{BTreeMap, BTreeSet};

/// Files and folders in one command.
const TOGETHER: usize = 100;
/// What a command writes at its end, before the numbers of the paths that have failed.
const FAILED: &str = "failed:";
/// A function that gives a path permissions, as `chmod` reads them; `x` lets everybody who may read a file execute it. A file of
/// another user is replaced by a copy.
const GIVE: &str = "give() { m=$1; if [ \"$m\" = x ]; then \
    r=$(stat -c %a \"$2\" 2>/dev/null || stat -f %Lp \"$2\" 2>/dev/null) || return 1; \
    m=$(printf %o $((0$r | (0$r & 0444) >> 2))); fi; \
    chmod \"$m\" \"$2\" 2>/dev/null && return; c=\"$2.bai-repl-$$\"; \
    [ -f \"$2\" ] && (umask 077; cp \"$2\" \"$c\") 2>/dev/null && chmod \"$m\" \"$c\" && mv -f \"$c\" \"$2\" 2>/dev/null \
    || { rm -f \"$c\"; return 1; }; }";

/// The permissions that small files and folders get after they have arrived: each path with what [`GIVE`] reads.
#[derive(Debug, Default)]
pub(super) struct LatePermissions(Vec<(String, String)>);

impl LatePermissions {
    /// What these need. Those in `existing` keep their own rights, but for the right to execute.
    pub(super) fn of<'f>(
        files: impl IntoIterator<Item = &'f Outgoing>,
        existing: &BTreeMap<String, f64>,
    ) -> LatePermissions {
        let of = |file: &Outgoing| {
            let to = match file.mode {
                mode if file.is_private() && !existing.contains_key(&file.to) => format!("{mode:o}"),
                mode if mode & 0o111 != 0 && !file.is_folder() => "x".to_owned(),
                _ => return None,
            };
            Some((file.to.clone(), to))
        };
        LatePermissions(files.into_iter().filter_map(of).collect())
    }

    /// The command that gives some of these permissions.
    fn command(some: &[(String, String)]) -> String {
        let give = |(at, (path, to)): (usize, &(String, String))| {
            format!("give {to} {} || failed=\"$failed {at}\"; ", word(path))
        };
        let all: String = some.iter().enumerate().map(give).collect();
        format!("{GIVE}; failed=; {all}echo \"{FAILED}$failed\"")
    }
}

impl ComputeSession {
    /// Makes these folders, and those that files need. They belong to the session then, which may write to them.
    pub(super) async fn own_folders(
        &self,
        folders: &[&str],
        parents: BTreeSet<&str>,
    ) -> Result<(), ClientError> {
        let parents = parents.into_iter().filter(|folder| !folders.contains(folder));
        // The failure of a parent is found when its files are sent.
        let parents = parents.map(|path| format!("mkdir -p {} 2>/dev/null || true", word(path)));
        let commands = folders.iter().map(|path| format!("mkdir -p {}", word(path)));
        for some in parents.chain(commands).collect::<Vec<_>>().chunks(TOGETHER) {
            self.shell_ok("make folders", &format!("set -e; {}", some.join("; "))).await?;
        }
        Ok(())
    }

    /// Gives these permissions. Returns the files and folders for which that has failed.
    pub(super) async fn give_permissions(
        &self,
        permissions: &LatePermissions,
    ) -> Result<Vec<Skipped>, ClientError> {
        let what = "set permissions";
        let mut all = Vec::new();
        for some in permissions.0.chunks(TOGETHER) {
            let ended = self.shell(what, &LatePermissions::command(some)).await?;
            let Some(failed) = ended.said.strip_prefix(FAILED) else { return Err(ended.failure(what)) };
            let failed = failed.split_whitespace().filter_map(|at| some.get(at.parse::<usize>().ok()?));
            let why = |to: &str| if to == "x" { NOT_EXECUTABLE } else { NOT_PRIVATE };
            all.extend(failed.map(|(path, to)| Skipped::new(path, why(to))));
        }
        Ok(all)
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
            let script = LatePermissions::command(&[(file.to_owned(), to.to_owned())]);
            let said = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
            String::from_utf8(said.stdout).unwrap()
        };
        let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!((said("x", "it's").as_str(), said("x", "none").as_str()), ("failed:\n", "failed: 0\n"));
        assert_eq!(mode() & 0o111, 0o111);
        assert_eq!((said("600", "it's").as_str(), mode()), ("failed:\n", 0o600));
        // Who may not read it may not execute it.
        assert_eq!((said("x", "it's").as_str(), mode()), ("failed:\n", 0o700));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
