//! The plan of a download, made from listings before the first file is fetched. Servers send archives of up to 1 MiB, so small files
//! are fetched together, and larger ones in parts.
//!
//! The names come from the server: one that would lead to another place is left out.

use super::links::SymbolicLink;
use super::outcome::{Skipped, is_about_one_file, is_closed};
use super::refused::{LINK_LEFT_OUT, SPECIAL_LEFT_OUT};
use super::{is_no_route, missing};
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::byte_text;
use bai_protocol::capability::Capability;
use bai_protocol::files::{DOWNLOAD_LIMIT, FileEntry, MAX_DOWNLOAD_FILES};
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;

/// The largest file of which a server gives an archive: room for the archive's own blocks and its padding.
const SMALL: u64 = DOWNLOAD_LIMIT - 16 * 1024;
/// How many bytes of small files are fetched together at most.
const TOGETHER: u64 = DOWNLOAD_LIMIT / 2;
/// The largest number of entries in one download.
const ENTRIES: usize = 100_000;
/// The largest number of folders in a name.
const DEPTH: usize = 64;
/// Why an entry beyond these limits is left out.
const TOO_MANY: &str = "there are too many files";

/// A file or a link to download.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    /// Its path in the session.
    pub(super) path: String,
    /// Folders below the target folder.
    pub(super) below: Vec<String>,
    pub(super) name: String,
    /// Its entry in the session's listing. Missing where the server could not list the folder.
    pub(super) entry: Option<FileEntry>,
    /// Whether a symbolic link with this path leads to it. An archive of a server would hold the link, or have another name.
    pub(super) followed: bool,
}

impl Planned {
    /// Its path below the target folder.
    pub(super) fn target(&self) -> PathBuf {
        self.below.iter().chain([&self.name]).map(|part| byte_text::path(part)).collect()
    }

    /// The folder with this path.
    fn as_folder(&self, parts: Vec<String>) -> PlannedFolder {
        let mode = self.entry.as_ref().and_then(FileEntry::permissions).unwrap_or(0o777);
        PlannedFolder { parts, mode }
    }

    /// Its entry, if it is fetched in parts. Without `any_name`, the server cannot take a name that is not UTF-8.
    pub(super) fn in_parts(&self, any_name: bool) -> Option<&FileEntry> {
        self.entry.as_ref().filter(|entry| is_sent_in_parts(&self.path, entry, self.followed, any_name))
    }

    /// Its size in bytes, as far as it is known.
    pub(super) fn bytes(&self) -> u64 {
        self.entry.as_ref().map_or(0, |entry| entry.size)
    }
}

/// A folder to make.
#[derive(Debug, Clone)]
pub(crate) struct PlannedFolder {
    /// Its path below the target folder.
    pub(crate) parts: Vec<String>,
    /// Its permissions in the session.
    pub(crate) mode: u32,
}

/// What is downloaded.
#[derive(Debug, Default)]
pub(super) struct DownloadPlan {
    pub(super) files: Vec<Planned>,
    /// Symbolic links that lead to a place inside of their folder, each with where it leads.
    pub(super) links: Vec<(Planned, String)>,
    /// All folders, each after the one that it is in.
    pub(super) folders: Vec<PlannedFolder>,
    pub(super) skipped: Vec<Skipped>,
    /// Symbolic links of which the listings did not tell where they lead.
    pub(super) unread_links: Vec<Planned>,
}

impl ComputeSession {
    /// The plan for the paths of the user.
    pub(super) async fn plan(&self, paths: &[String]) -> Result<DownloadPlan, ClientError> {
        let mut plan = DownloadPlan::default();
        let mut listings: HashMap<String, Option<Vec<FileEntry>>> = HashMap::new();
        let is_only_one = paths.len() == 1;
        for path in paths {
            let (parent, name) = split(path);
            if name.is_empty() {
                self.plan_folder(&mut plan, path, Vec::new(), is_only_one).await?;
                continue;
            }
            if !listings.contains_key(&parent) {
                let listing = match self.list_files(&parent).await {
                    // Each file is left to the server, which reports the reason.
                    Err(error) if is_no_route(&error) || is_unreadable(error.kind()) => None,
                    Err(error) if !is_only_one && is_closed(&error) => {
                        plan.skipped.push(Skipped::after(&error, path));
                        continue;
                    }
                    listing => Some(listing?),
                };
                listings.insert(parent.clone(), listing);
            }
            let path = path.trim_end_matches('/').to_owned();
            let listing = listings.get(&parent).and_then(Option::as_ref);
            let (entry, followed) = match self.named_entry(&path, &name, listing).await {
                Err(error) if !is_only_one && is_about_one_file(&error) => {
                    plan.skipped.push(Skipped::after(&error, &path));
                    continue;
                }
                found => found?,
            };
            if is_only_one && entry.as_ref().is_some_and(is_special) {
                let why = format!("{path} is neither a file nor a folder, so it cannot be downloaded");
                return Err(ClientError::new(ErrorKind::Refused, "download", why).into_sentence());
            }
            if let Some(folder) = plan.add(Planned { path, below: Vec::new(), name, entry, followed }) {
                let below = vec![folder.name.clone()];
                plan.folders.push(folder.as_folder(below.clone()));
                self.plan_folder(&mut plan, &folder.path, below, is_only_one).await?;
            }
        }
        plan.refuse_repeated().map(|()| plan)
    }

    /// The entry of a path that the user has named, as far as its folder could be listed, and whether a link was followed to it.
    async fn named_entry(
        &self,
        path: &str,
        name: &str,
        listing: Option<&Vec<FileEntry>>,
    ) -> Result<(Option<FileEntry>, bool), ClientError> {
        let Some(entries) = listing else { return Ok((None, false)) };
        match entries.iter().find(|entry| entry.filename == name) {
            None => Err(missing(path)),
            Some(link) if link.is_link() => Ok((Some(self.follow_link(path, link.clone()).await?), true)),
            Some(entry) => Ok((Some(entry.clone()), false)),
        }
    }

    /// Adds what is in a folder. A folder that cannot be read is left out, unless it is the only one that the user named.
    async fn plan_folder(
        &self,
        plan: &mut DownloadPlan,
        path: &str,
        below: Vec<String>,
        is_only_one: bool,
    ) -> Result<(), ClientError> {
        let mut waiting = vec![(path.to_owned(), below, true)];
        while let Some((path, below, is_named)) = waiting.pop() {
            let mut entries = match self.list_files(&path).await {
                Err(error)
                    if (!is_named && is_about_one_file(&error)) || (!is_only_one && is_closed(&error)) =>
                {
                    plan.skipped.push(Skipped::after(&error, &path));
                    continue;
                }
                entries => entries.map_err(|error| error.with_what(&format!("download {path}")))?,
            };
            entries.sort_by(|a, b| a.filename.cmp(&b.filename));
            let mut folders = Vec::new();
            for entry in entries {
                let name = entry.filename.clone();
                let path = format!("{}/{name}", path.trim_end_matches('/'));
                let (below_here, entry) = (below.clone(), Some(entry));
                let planned = Planned { path, below: below_here, name, entry, followed: false };
                if let Some(folder) = plan.add(planned) {
                    let below: Vec<_> = below.iter().cloned().chain([folder.name.clone()]).collect();
                    plan.folders.push(folder.as_folder(below.clone()));
                    folders.push((folder.path, below, false));
                }
            }
            waiting.extend(folders.into_iter().rev());
        }
        Ok(())
    }

    /// Finds out where links lead that the listings have not told. A session that is not ours needs a command for it, which waits
    /// for the current run.
    pub(super) async fn read_planned_links(&self, plan: &mut DownloadPlan) -> Result<(), ClientError> {
        let unread = std::mem::take(&mut plan.unread_links);
        let paths: Vec<_> = unread.iter().map(|link| link.path.clone()).collect();
        let targets = match self.read_links(&paths).await {
            Err(error) if is_about_one_file(&error) => {
                plan.skipped.extend(paths.iter().map(|path| Skipped::after(&error, path)));
                return Ok(());
            }
            targets => targets?,
        };
        for (link, target) in unread.into_iter().zip(targets) {
            plan.add_link(link, target.unwrap_or_default());
        }
        Ok(())
    }

    /// The files in groups, in order: each group is fetched at once. A large file has a group of its own, and so has one whose
    /// name the server cannot take: without the capability, that is one that is not UTF-8.
    pub(super) async fn groups(&self, files: Vec<Planned>) -> VecDeque<Vec<Planned>> {
        group(files, self.api().has(Capability::ByteNames).await).into()
    }
}

impl DownloadPlan {
    /// Refuses two files for one place: the home folder may be named, and a file with the name of one in it.
    fn refuse_repeated(&self) -> Result<(), ClientError> {
        let links = self.links.iter().map(|(link, _)| link).chain(&self.unread_links);
        let mut seen = HashSet::new();
        match self.files.iter().chain(links).map(Planned::target).find(|target| !seen.insert(target.clone()))
        {
            Some(target) => {
                let why = format!("two of the files would be saved as {}", target.display());
                Err(ClientError::new(ErrorKind::BadRequest, "download", why).into_sentence())
            }
            None => Ok(()),
        }
    }

    /// Adds an entry, or the reason why it is left out. Returns it if it is a folder, which has to be listed.
    fn add(&mut self, planned: Planned) -> Option<Planned> {
        let skip = |why: &'static str| Skipped::new(&planned.path, why);
        let count = self.files.len() + self.folders.len() + self.links.len() + self.unread_links.len();
        if !is_name(&planned.name) {
            self.skipped.push(skip("a file on this machine cannot have that name"));
        } else if planned.below.len() >= DEPTH || count >= ENTRIES {
            self.skipped.push(skip(TOO_MANY));
        } else {
            match &planned.entry {
                Some(entry) if entry.is_dir() => return Some(planned),
                Some(entry) if entry.is_link() => match entry.target.clone() {
                    Some(target) => self.add_link(planned, target),
                    None => self.unread_links.push(planned),
                },
                Some(entry) if !is_file(entry) => self.skipped.push(skip(SPECIAL_LEFT_OUT)),
                _ => self.files.push(planned),
            }
        }
        None
    }

    fn add_link(&mut self, link: Planned, target: String) {
        let known = SymbolicLink { path: link.path.clone(), target };
        // The first folder is the one that is copied.
        if known.stays_inside(link.below.len().saturating_sub(1)) {
            self.links.push((link, known.target));
        } else {
            self.skipped.push(Skipped::new(&link.path, LINK_LEFT_OUT));
        }
    }
}

fn group(files: Vec<Planned>, any_name: bool) -> Vec<Vec<Planned>> {
    let is_alone = |file: &Planned| file.in_parts(any_name).is_some();
    let mut groups: Vec<Vec<Planned>> = Vec::new();
    let mut bytes = 0;
    for file in files {
        bytes += file.bytes();
        match groups.last_mut() {
            Some(group)
                if group.len() < MAX_DOWNLOAD_FILES
                    && bytes < TOGETHER
                    && !is_alone(&file)
                    && group.last().is_some_and(|last| last.below == file.below && !is_alone(last)) =>
            {
                group.push(file);
            }
            _ => {
                bytes = file.bytes();
                groups.push(vec![file]);
            }
        }
    }
    groups
}

/// Whether a server failed to list a folder, or answered in another form.
fn is_unreadable(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Server | ErrorKind::NotABackend | ErrorKind::Unsupported | ErrorKind::BadRequest
    )
}

/// Whether it is a file that a server does not send at once.
pub(super) fn is_large(entry: &FileEntry) -> bool {
    entry.size > SMALL && is_file(entry)
}

/// Whether a server does not send the file of this path at once. Without `any_name`, it cannot take a name that is not UTF-8.
pub(super) fn is_sent_in_parts(path: &str, entry: &FileEntry, followed: bool, any_name: bool) -> bool {
    is_large(entry) || followed || !any_name && !byte_text::is_utf8(path)
}

/// Whether it is a regular file.
pub(super) fn is_file(entry: &FileEntry) -> bool {
    entry.mode.starts_with('-')
}

/// Whether it is a pipe, a socket or a device.
pub(super) fn is_special(entry: &FileEntry) -> bool {
    entry.mode.starts_with(['p', 's', 'b', 'c'])
}

/// Whether this is the name of one file, and not a path to another place.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && byte_text::bytes(name).len() <= 255 && !name.contains(['/', '\0'])
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

    fn planned(path: &str, mode: &str, size: u64) -> Planned {
        let (parent, name) = split(path);
        let entry = serde_json::json!({"filename": name, "mode": mode, "size": size});
        let below = vec![parent];
        let entry = Some(serde_json::from_value(entry).unwrap());
        Planned { path: path.to_owned(), below, name, entry, followed: false }
    }

    fn file(path: &str, size: u64) -> Planned {
        planned(path, "-rw-r--r--", size)
    }

    fn counts(files: &[Planned]) -> Vec<usize> {
        group(files.to_vec(), true).iter().map(Vec::len).collect()
    }

    #[test]
    fn small_files_of_a_folder_are_fetched_together_and_large_files_alone() {
        let few: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|name| file(&format!("x/{name}"), 10)).into();
        assert_eq!(counts(&few), [5, 1]);
        let mixed = [file("x/a", 1), file("y/b", 1), file("y/c", 900_000), file("y/d", 1), file("y/e", 1)];
        assert_eq!(counts(&mixed), [1, 1, 1, 2]);
        assert_eq!(counts(&[file("x/a", 1), file("x/large", 1 << 21), file("x/b", 1)]), [1, 1, 1]);
        assert!(group(Vec::new(), true).is_empty());
        let odd = byte_text::text(b"x/a\xff");
        let followed = Planned { followed: true, ..file("x/b", 1) };
        assert_eq!(counts(&[file("x/a", 1), followed]), [1, 1]);
        let two = vec![file("x/a", 1), file(&odd, 1)];
        assert_eq!((group(two.clone(), true).len(), group(two, false).len()), (1, 2));
    }

    #[test]
    fn what_cannot_travel_is_left_out_with_the_reason() {
        let mut plan = DownloadPlan::default();
        assert!(plan.add(planned("x/sub", "drwxr-xr-x", 0)).is_some());
        for (path, mode) in [("x/f", "-rw-r--r--"), ("x/pipe", "prw-r--r--"), ("x/link", "lrwxrwxrwx")] {
            assert!(plan.add(planned(path, mode, 1)).is_none());
        }
        let named = |name: &str| Planned { name: name.to_owned(), ..file("x/f", 1) };
        for name in ["..", ".", "", "a/b", "/etc", "a\0", &"x".repeat(256)] {
            assert!(plan.add(named(name)).is_none(), "{name}");
        }
        for name in ["...", "한글", "-", "a b\n"] {
            assert!(plan.add(named(name)).is_none(), "{name}");
        }
        assert_eq!((plan.files.len(), plan.unread_links.len(), plan.skipped.len()), (5, 1, 8));
        let link = plan.unread_links.remove(0);
        plan.add_link(link.clone(), "f".to_owned());
        plan.add_link(link, "../f".to_owned());
        assert_eq!((plan.links.len(), plan.skipped.len()), (1, 9));
        plan.refuse_repeated().unwrap();
        plan.add(file("x/f", 1));
        let error = plan.refuse_repeated().unwrap_err().to_string();
        assert!(error.contains("two of the files would be saved as x/f"), "{error}");
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
