//! Symbolic links of a copied folder. A link is copied as it is, if it leads to a place inside of that folder. The session
//! makes and reads links by small shell commands, which wait for the current run.

use super::large_up::{blocking, identity};
use super::shell::{FOLDER, quoted, word};
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::byte_text;
use bai_protocol::files::upload_path;
use std::io;
use std::path::{Path, PathBuf};

/// Links in one command.
const TOGETHER: usize = 100;
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
    /// [`ErrorKind::AlreadyExists`] for a place that is taken, unless `overwrite` allows to replace a file or a link there; a
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
                    "{free}if [ -e {place} ] || [ -L {place} ]; then echo {place}; exit {TAKEN}; fi; \
                     mkdir -p \"$(dirname {place})\"; ln -s -- {target} {place}; "
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
        let what = "read links";
        let mut targets = Vec::with_capacity(paths.len());
        for some in paths.chunks(TOGETHER) {
            let names: Vec<&str> = some.iter().map(String::as_str).collect();
            let answer = format!("{FOLDER}/links-{}", identity(&names));
            let words: Vec<String> = some.iter().map(|path| word(path)).collect();
            let command = format!(
                "mkdir -p {FOLDER}; for f in {}; do printf '%s\\0' \"$(readlink \"$f\")\"; done > {answer}",
                words.join(" ")
            );
            self.shell_ok(what, &command).await?;
            let read = self.read_small(&answer).await;
            // A failure does not matter: the file is small.
            let _ = self.shell(what, &format!("rm -f {answer}; rmdir {FOLDER} 2>/dev/null || true")).await;
            let read = read?;
            let found: Vec<&[u8]> = read.split(|byte| *byte == 0).take(some.len()).collect();
            if found.len() < some.len() {
                return Err(ClientError::new(ErrorKind::Server, what, "the answer ends in the middle"));
            }
            targets.extend(
                found.into_iter().map(|target| Some(byte_text::text(target)).filter(|text| !text.is_empty())),
            );
        }
        Ok(targets)
    }
}

/// Makes a symbolic link on this machine, in a folder that is there. With `overwrite`, a file or a link in its place is
/// replaced.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] when the place is taken, and errors of the file system.
pub async fn create_local_link(
    folder: PathBuf,
    name: &str,
    target: &str,
    overwrite: bool,
) -> Result<(), ClientError> {
    let (name, target) = (byte_text::path(name), byte_text::path(target));
    blocking("make a link", move || make(&folder.join(name), &target, overwrite)).await
}

fn make(path: &Path, target: &Path, overwrite: bool) -> io::Result<()> {
    if overwrite && std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()) {
        std::fs::remove_file(path)?;
    }
    std::os::unix::fs::symlink(target, path)
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
