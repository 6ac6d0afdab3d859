//! Symbolic links of a copied folder. A link is copied as it is, if it leads to a place inside of that folder. The session
//! makes and reads links by small shell commands, which wait for the current run.

use super::large_up::blocking;
use super::plan::Planned;
use super::shell::{TOGETHER, quoted, word};
use super::unpack::{InTheWay, folder_below};
use crate::error::ClientError;
use crate::session::ComputeSession;
use bai_protocol::byte_text;
use bai_protocol::files::upload_path;
use nix::errno::Errno;
use nix::fcntl::readlinkat;
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

/// The exit code of the command for a place that is taken.
const TAKEN: i32 = 96;

/// A symbolic link. Names that are not UTF-8 are written as [`bai_protocol::byte_text`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolicLink {
    /// Its path.
    pub path: String,
    /// Where it leads.
    pub target: String,
}

impl SymbolicLink {
    /// Whether it leads to a place inside of a folder that is `above` folders above the link's own. Parts that lead up may
    /// only be at the beginning: after another link they would lead elsewhere.
    pub fn stays_inside(&self, above: usize) -> bool {
        let mut parts = self.target.split('/').filter(|part| !matches!(*part, "" | ".")).peekable();
        let mut up = 0;
        while parts.next_if_eq(&"..").is_some() {
            up += 1;
        }
        !self.target.is_empty()
            && !self.target.starts_with('/')
            && up <= above
            && !parts.any(|part| part == "..")
    }
}

impl ComputeSession {
    /// Makes symbolic links in the session. Their paths are relative to the home folder.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) for a place that is taken by anything but an equal link, unless `overwrite` allows to replace a file or a link there; a
    /// folder is never replaced. Else what the session says.
    pub async fn create_links(&self, links: &[SymbolicLink], overwrite: bool) -> Result<(), ClientError> {
        for some in links.chunks(TOGETHER) {
            let mut command = String::from("set -e; ");
            for link in some {
                let path = upload_path(&link.path).ok_or_else(|| super::refused::outside(&link.path))?;
                let (place, target) = (word(&path), quoted(&link.target));
                let free =
                    if overwrite { format!("rm -f {place} 2>/dev/null || true; ") } else { String::new() };
                command.push_str(&format!(
                    "if ! {{ [ -L {place} ] && [ \"$(readlink {place})\" = {target} ]; }}; then \
                     {free}if [ -e {place} ] || [ -L {place} ]; then echo {place}; exit {TAKEN}; fi; \
                     mkdir -p \"$(dirname {place})\"; ln -s -- {target} {place}; fi; "
                ));
            }
            let ended = self.shell("make links", &command).await?;
            match ended.code {
                Some(0) => {}
                Some(TAKEN) => {
                    let taken = ended.said.trim_start_matches("./").to_owned();
                    return Err(ClientError::already_exists("upload", vec![taken]));
                }
                _ => return Err(ended.failure("make links")),
            }
        }
        Ok(())
    }

    /// Where symbolic links of the session lead, in the order of the paths; `None` for a path that is no link.
    ///
    /// # Errors
    /// What the session says.
    pub async fn read_links(&self, paths: &[String]) -> Result<Vec<Option<String>>, ClientError> {
        let targets = self.shell_each("read links", "", "readlink \"$f\"", paths).await?;
        let text = |target: Vec<u8>| Some(byte_text::text(&target)).filter(|text| !text.is_empty());
        Ok(targets.into_iter().map(text).collect())
    }
}

/// Makes a symbolic link on this machine, below the folder `into`. With `overwrite`, a file or a link in its place is
/// replaced; an equal link stays in any case.
pub(super) async fn create_local_link(
    into: &Path,
    link: &Planned,
    target: &str,
    overwrite: bool,
) -> Result<(), ClientError> {
    let (into, below, shown) = (into.to_owned(), link.below.clone(), link.target());
    let (name, target) = (byte_text::path(&link.name), byte_text::path(target));
    let make = move || {
        let folder = folder_below(&OwnedFd::from(File::open(&into)?), &below)?;
        if readlinkat(&folder, &name).is_ok_and(|found| found == target) {
            return Ok(());
        }
        if overwrite {
            // A folder stays, and is in the way.
            let _ = unlinkat(&folder, &name, UnlinkatFlags::NoRemoveDir);
        }
        symlinkat(&target, &folder, &name).map_err(|error| match error {
            Errno::EEXIST => InTheWay::error(&into, &shown),
            other => other.into(),
        })
    };
    blocking("make a link", make).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_that_leads_inside_is_copied() {
        let inside = |target: &str, above| {
            SymbolicLink { path: "x".into(), target: target.to_owned() }.stays_inside(above)
        };
        for target in ["a", "./a/b", "a//b", ".", "...", "a..b"] {
            assert!(inside(target, 0), "{target}");
        }
        assert!(inside("../a", 1) && inside("../../a", 2) && inside("./../a", 1));
        for target in ["", "/", "/etc/passwd", "..", "../a", "a/..", "a/../b", "a/../../b"] {
            assert!(!inside(target, 0), "{target}");
        }
        assert!(!inside("../../a", 1) && !inside("../a/..", 2));
    }
}
