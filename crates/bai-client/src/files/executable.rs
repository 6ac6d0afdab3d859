//! The right to execute small files of an upload, where the server does not give it: by commands in the session, which wait for the
//! current run.
//!
//! Such a file belongs to the user of the server. The session may replace it by a copy of its own where it may write to the folder,
//! so it makes the folders first.

use super::existing::split;
use super::shell::word;
use crate::error::ClientError;
use crate::session::ComputeSession;
use std::collections::BTreeSet;

/// Folders in one command.
const FOLDERS: usize = 100;
/// What makes `$f` executable, or a copy of it that takes its place. Writes a dot if that fails.
const ALLOW: &str = "chmod +x \"$f\" 2>/dev/null || { c=\"$f.bai-repl-$$\"; cp \"$f\" \"$c\" 2>/dev/null && chmod +x \"$c\" && \
                     mv -f \"$c\" \"$f\" 2>/dev/null; } || { rm -f \"$c\"; echo .; }";

impl ComputeSession {
    /// Makes the folders of these files, which then belong to the session.
    pub(super) async fn own_folders(&self, files: &[String]) -> Result<(), ClientError> {
        let folders: BTreeSet<_> =
            files.iter().map(|file| split(file).0).filter(|folder| *folder != ".").collect();
        let folders: Vec<_> = folders.into_iter().map(word).collect();
        for some in folders.chunks(FOLDERS) {
            // A failure is found when the files are sent.
            self.shell("make folders", &format!("mkdir -p {} 2>/dev/null || true", some.join(" "))).await?;
        }
        Ok(())
    }

    /// Allows to execute files that have arrived. Returns those of which it cannot be allowed.
    pub(super) async fn allow_to_execute(&self, files: &[String]) -> Result<Vec<String>, ClientError> {
        let answers = self.shell_each("allow to execute files", "", ALLOW, files).await?;
        let failed = files.iter().zip(answers).filter(|(_, answer)| !answer.is_empty());
        Ok(failed.map(|(file, _)| file.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    #[test]
    fn the_command_allows_to_execute_and_tells_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("it's"), "#!/bin/sh\n").unwrap();
        let said = |file: &str| {
            let script = format!("f={}; {ALLOW}", word(file));
            let said = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
            String::from_utf8(said.stdout).unwrap()
        };
        assert_eq!((said("it's").as_str(), said("none").as_str()), ("", ".\n"));
        let mode = std::fs::metadata(folder.path().join("it's")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
