//! The check for targets of an upload that exist in the session. Servers replace such a file without a question.

use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use std::collections::{BTreeMap, BTreeSet};

impl ComputeSession {
    /// Fails if one of these paths exists. The paths are relative to the home folder.
    pub(super) async fn refuse_existing(&self, targets: &[&str]) -> Result<(), ClientError> {
        let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for target in targets {
            let (folder, name) = target.rsplit_once('/').unwrap_or((".", target));
            folders.entry(folder).or_default().insert(name);
        }
        let mut existing = Vec::new();
        for (folder, names) in folders {
            let entries = match self.list_files(folder).await {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let taken = entries.into_iter().map(|entry| entry.filename);
            let taken = taken.filter(|name| names.contains(name.as_str()));
            existing.extend(taken.map(|name| if folder == "." { name } else { format!("{folder}/{name}") }));
        }
        if existing.is_empty() { Ok(()) } else { Err(ClientError::already_exists("upload", existing)) }
    }

    /// The error for the user after an upload to these targets failed: a folder that is in the way, else the server's
    /// own error. Servers report a folder in different words.
    pub(super) async fn explain_refusal(&self, error: ClientError, targets: &[&str]) -> ClientError {
        match error.kind() {
            ErrorKind::Server | ErrorKind::BadRequest | ErrorKind::Refused => {
                self.folder_in_the_way(targets).await.unwrap_or(error)
            }
            _ => error,
        }
    }

    /// The refusal for the first of these targets that is a folder.
    async fn folder_in_the_way(&self, targets: &[&str]) -> Option<ClientError> {
        for target in targets {
            let (folder, name) = target.rsplit_once('/').unwrap_or((".", target));
            let entries = self.list_files(folder).await.ok()?;
            if entries.iter().any(|entry| entry.filename == name && entry.is_dir()) {
                let why = format!("cannot replace the folder {target} with a file");
                return Some(ClientError::new(ErrorKind::Refused, "upload", why).into_sentence());
            }
        }
        None
    }
}

/// Refuses targets that name one file twice: the last upload would replace the others.
pub(super) fn refuse_repeated(targets: &[&str]) -> Result<(), ClientError> {
    let parts =
        |path: &str| path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
    let mut seen = BTreeSet::new();
    match targets.iter().find(|target| !seen.insert(parts(target))) {
        Some(target) => {
            let why = format!("two files are to be uploaded to {target}, so no file was copied");
            Err(ClientError::new(ErrorKind::BadRequest, "upload", why))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_for_one_target_are_refused() {
        assert!(refuse_repeated(&["a", "sub/a", "b"]).is_ok());
        for repeated in [["a", "a"], ["sub/a", "./sub/a"], ["sub//a", "sub/a"]] {
            assert_eq!(refuse_repeated(&repeated).unwrap_err().kind(), ErrorKind::BadRequest, "{repeated:?}");
        }
    }
}
