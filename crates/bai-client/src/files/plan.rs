//! The plan of a download. Servers send archives of up to 1 MiB, so larger files are fetched in parts, and larger folders
//! file by file.

use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::byte_text;
use bai_protocol::capability::Capability;
use bai_protocol::files::{DOWNLOAD_LIMIT, FileEntry, MAX_DOWNLOAD_FILES};
use std::collections::HashMap;

/// The largest file of which a server gives an archive: room for the archive's own blocks and its padding.
const SMALL: u64 = DOWNLOAD_LIMIT - 16 * 1024;
/// The largest number of entries in one download.
const ENTRIES: usize = 100_000;
/// The largest number of folders in a name.
const DEPTH: usize = 64;

/// A step of a download.
#[derive(Debug)]
pub(super) enum DownloadStep {
    /// Archives of a few small files, into a folder below the target.
    Archives { paths: Vec<String>, below: Vec<String>, bytes: u64 },
    /// One folder of unknown size.
    Folder { path: String, below: Vec<String> },
    /// One large file.
    Large { path: String, entry: FileEntry, below: Vec<String> },
    /// A pipe, a socket or a device: no server can send it.
    Special { path: String, below: Vec<String> },
}

impl DownloadStep {
    /// Its size in bytes, as far as it is known.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            DownloadStep::Archives { bytes, .. } => *bytes,
            DownloadStep::Folder { .. } | DownloadStep::Special { .. } => 0,
            DownloadStep::Large { entry, .. } => entry.size,
        }
    }
}

impl ComputeSession {
    /// The steps for the paths of the user. A path that cannot be listed is left to the server, which reports the reason.
    pub(super) async fn plan(&self, paths: &[String]) -> Vec<DownloadStep> {
        let mut listings: HashMap<String, Vec<FileEntry>> = HashMap::new();
        let mut found = Vec::new();
        for path in paths {
            let (parent, name) = split(path);
            if name.is_empty() {
                found.push((path.clone(), None));
                continue;
            }
            if !listings.contains_key(&parent) {
                let listing = self.list_files(&parent).await.unwrap_or_default();
                listings.insert(parent.clone(), listing);
            }
            let entry = listings.get(&parent).and_then(|all| all.iter().find(|e| e.filename == name));
            found.push((path.clone(), entry.cloned()));
        }
        steps(found, &[], self.api().has(Capability::ByteNames).await)
    }

    /// The steps for the content of a folder.
    pub(super) async fn plan_folder(
        &self,
        path: &str,
        below: &[String],
    ) -> Result<Vec<DownloadStep>, ClientError> {
        let what = format!("download {path}");
        let too_much = |why: &str| Err(ClientError::new(ErrorKind::Refused, &what, why));
        if below.len() >= DEPTH {
            return too_much("its folders are too deep");
        }
        let entries = self.list_files(path).await.map_err(|error| error.with_what(&what))?;
        if entries.len() > ENTRIES {
            return too_much("it has too many files");
        }
        let below: Vec<_> =
            below.iter().cloned().chain([split(path).1]).filter(|part| !part.is_empty()).collect();
        // Such a name would lead to another folder.
        let named = entries.into_iter().filter(|entry| is_name(&entry.filename));
        let joined = |name: &str| format!("{}/{name}", path.trim_end_matches('/'));
        let any_name = self.api().has(Capability::ByteNames).await;
        Ok(steps(named.map(|entry| (joined(&entry.filename), Some(entry))).collect(), &below, any_name))
    }
}

/// Groups small files, in order. Each large file has its own step, and so has one whose name the server cannot take: unless
/// it takes `any_name`, that is one that is not UTF-8.
fn steps(found: Vec<(String, Option<FileEntry>)>, below: &[String], any_name: bool) -> Vec<DownloadStep> {
    let below = || below.to_vec();
    let (mut steps, mut small, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (path, entry) in found {
        match entry {
            Some(entry) if entry.is_dir() => steps.push(DownloadStep::Folder { path, below: below() }),
            Some(entry) if is_special(&entry) => {
                steps.push(DownloadStep::Special { path, below: below() });
            }
            Some(entry) if is_large(&entry) || is_file(&entry) && !any_name && !byte_text::is_utf8(&path) => {
                steps.push(DownloadStep::Large { path, entry, below: below() });
            }
            None if split(&path).1.is_empty() => steps.push(DownloadStep::Folder { path, below: below() }),
            entry => {
                bytes += entry.map_or(0, |entry| entry.size);
                small.push(path);
                if small.len() == MAX_DOWNLOAD_FILES {
                    let paths = std::mem::take(&mut small);
                    steps.push(DownloadStep::Archives {
                        paths,
                        below: below(),
                        bytes: std::mem::take(&mut bytes),
                    });
                }
            }
        }
    }
    if !small.is_empty() {
        steps.push(DownloadStep::Archives { paths: small, below: below(), bytes });
    }
    steps
}

/// Whether it is a file that a server does not send at once.
pub(super) fn is_large(entry: &FileEntry) -> bool {
    entry.size > SMALL && is_file(entry)
}

fn is_file(entry: &FileEntry) -> bool {
    entry.mode.starts_with('-')
}

/// Whether it is a pipe, a socket or a device.
pub(super) fn is_special(entry: &FileEntry) -> bool {
    entry.mode.starts_with(['p', 's', 'b', 'c'])
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

/// A path as its folder and its last part, which is empty for the home folder and for an invalid name.
pub(super) fn split(path: &str) -> (String, String) {
    let path = path.trim_end_matches('/');
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
    let parent = if parent.is_empty() { "/" } else { parent };
    (parent.to_owned(), if is_name(name) { name.to_owned() } else { String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, mode: &str, size: u64) -> (String, Option<FileEntry>) {
        let entry = serde_json::from_value(serde_json::json!({"filename": name, "mode": mode, "size": size}))
            .unwrap();
        (format!("sub/{name}"), Some(entry))
    }

    #[test]
    fn small_files_are_grouped_and_large_files_are_separate() {
        let mut found: Vec<_> = (0..6).map(|n| entry(&n.to_string(), "-rw-r--r--", 10)).collect();
        found.push(entry("large", "-rw-r--r--", 1 << 21));
        found.push(entry("dir", "drwxr-xr-x", 4096));
        found.push(entry("fifo", "prw-r--r--", 0));
        found.push(("sub/unseen".into(), None));
        let steps = steps(found, &["sub".into()], true);
        let shown: Vec<_> = steps
            .iter()
            .map(|step| match step {
                DownloadStep::Archives { paths, bytes, below } => {
                    format!("{} {bytes} {below:?}", paths.len())
                }
                DownloadStep::Folder { path, .. }
                | DownloadStep::Large { path, .. }
                | DownloadStep::Special { path, .. } => path.clone(),
            })
            .collect();
        assert_eq!(shown, ["5 50 [\"sub\"]", "sub/large", "sub/dir", "sub/fifo", "2 10 [\"sub\"]"]);
    }

    #[test]
    fn a_name_that_the_server_cannot_take_is_fetched_by_a_command() {
        let name = byte_text::text(b"a\xff");
        let of = |any_name| steps(vec![entry(&name, "-rw-r--r--", 1)], &[], any_name);
        assert!(matches!(of(false)[..], [DownloadStep::Large { .. }]));
        assert!(matches!(of(true)[..], [DownloadStep::Archives { .. }]));
    }

    #[test]
    fn a_path_is_split_into_folder_and_name() {
        for (path, parent, name) in [
            ("a", ".", "a"),
            ("a/b/", "a", "b"),
            ("/home/work/x", "/home/work", "x"),
            ("/x", "/", "x"),
            (".", ".", ""),
            ("a/..", "a", ""),
            ("", ".", ""),
        ] {
            assert_eq!(split(path), (parent.to_owned(), name.to_owned()), "{path}");
        }
    }
}
