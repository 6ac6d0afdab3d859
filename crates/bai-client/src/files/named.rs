//! Paths that the user names. A symbolic link that is named is followed, as `scp` does, while one inside of a folder is copied as a
//! link. Our own server tells in a listing what a link leads to. In a session of another one, a small shell command finds that out for
//! a file; it waits for the current run.

use super::shell::word;
use super::{Place, Unlisted, cannot_list, plan, refused};
use crate::error::ClientError;
use crate::session::ComputeSession;
use bai_protocol::files::FileEntry;

impl ComputeSession {
    /// The entry of a path among those of its folder, and whether a symbolic link was followed to it.
    pub(super) async fn named(
        &self,
        path: &str,
        entries: Vec<FileEntry>,
    ) -> Result<Option<(FileEntry, bool)>, ClientError> {
        let (_, name) = plan::split(path);
        Ok(match entries.into_iter().find(|entry| entry.filename == name) {
            Some(link) if link.is_link() => Some((self.follow_link(path, link).await?, true)),
            entry => entry.map(|entry| (entry, false)),
        })
    }

    /// What a symbolic link leads to in the end, under the name of the link.
    pub(super) async fn follow_link(&self, path: &str, link: FileEntry) -> Result<FileEntry, ClientError> {
        if let Some(resolved) = link.resolved {
            return Ok(*resolved);
        }
        let what = format!("follow {path}");
        match self.listing(path, &what).await?.entries() {
            // Its own rights are not known.
            Ok(_) => Ok(FileEntry { mode: "drwxrwxrwx".to_owned(), ..link }),
            Err(said) => match Unlisted::from(said.as_str()) {
                Unlisted::NotAFolder => self.look_through(path, link).await,
                why => Err(cannot_follow(path, why).unwrap_or_else(|| cannot_list(path, what, &said))),
            },
        }
    }

    /// The file that a symbolic link leads to, by a command in the session.
    async fn look_through(&self, path: &str, link: FileEntry) -> Result<FileEntry, ClientError> {
        let what = format!("follow {path}");
        let ended = self.shell(&what, &look_through(path)).await?;
        let mut words = ended.said.split(' ');
        match (words.next(), words.next().map(str::parse), words.next().map(str::parse)) {
            (Some(mode), Some(Ok(size)), Some(Ok(mtime))) if ended.code == Some(0) => {
                Ok(FileEntry { mode: mode.to_owned(), size, mtime, ..link })
            }
            _ => Err(ended.failure(&what)),
        }
    }

    /// The refusal to list a folder, if its path is that of a symbolic link that cannot be followed.
    pub(super) async fn unfollowed(
        &self,
        path: &str,
        why: Unlisted,
    ) -> Result<Option<ClientError>, ClientError> {
        let Some(refusal) = cannot_follow(path, why) else { return Ok(None) };
        let (parent, name) = plan::split(path);
        let Place::Folder(entries) = self.place(&parent).await? else { return Ok(None) };
        let is_link = entries.iter().any(|entry| entry.filename == name && entry.is_link());
        Ok(is_link.then_some(refusal))
    }
}

/// The refusal to follow a symbolic link to what cannot be listed for this reason, if the link is the reason.
fn cannot_follow(path: &str, why: Unlisted) -> Option<ClientError> {
    match why {
        Unlisted::Missing => Some(refused::dangles(path)),
        Unlisted::Outside => Some(refused::leads_out(path)),
        Unlisted::Loop => Some(refused::leads_to_itself(path)),
        Unlisted::NotAFolder | Unlisted::Forbidden | Unlisted::Other => None,
    }
}

/// The command that writes the mode, the size and the time of the last change of what a path leads to.
fn look_through(path: &str) -> String {
    let path = word(path);
    format!("stat -L -c '%A %s %Y' {path} 2>/dev/null || stat -L -f '%Sp %z %m' {path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_looks_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "four").unwrap();
        std::os::unix::fs::symlink("file", folder.path().join("it's")).unwrap();
        let said = std::process::Command::new("sh")
            .args(["-c", &look_through("it's")])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.starts_with("-rw-r--r-- 4 "), "{said}");
    }
}
