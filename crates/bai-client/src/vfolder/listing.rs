//! What is in a virtual folder: listed, and asked for by one name. A storage proxy lists a limited number of entries of a folder and does
//! not say that there are more (`docs/wire` §2.10). So a name that a listing lacks is asked for by itself, and a long listing is compared
//! with the number of entries that the server counts.

use super::super::error::{ClientError, ErrorKind};
use super::VFolder;
use super::entries::{inner, join};
use bai_protocol::files::FileEntry;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// No storage proxy is taken to list fewer entries than this; genuine ones list 1000 by default.
const LEAST_LIMIT: usize = 100;
/// How many folders are listed to find out whether a listing is whole.
const WALK: usize = 300;
/// How many names are asked for at once.
const AT_ONCE: usize = 8;

#[derive(Deserialize)]
struct Reply {
    items: Vec<Item>,
}

/// An entry as the storage proxy lists it.
#[derive(Deserialize)]
struct Item {
    name: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    mode: u32,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    modified: Option<String>,
    #[serde(default)]
    symlink_target: Option<String>,
}

impl Item {
    fn into_entry(self) -> FileEntry {
        let seconds = |time: &Option<String>| {
            let time = time.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
            time.map_or(0.0, |time| time.as_duration().as_secs_f64())
        };
        let (ctime, mtime) = (seconds(&self.created), seconds(&self.modified));
        FileEntry {
            mode: letters(&self.kind, self.mode),
            size: self.size,
            ctime,
            mtime,
            atime: mtime,
            filename: self.name,
            target: self.symlink_target.filter(|target| !target.is_empty()),
            resolved: None,
        }
    }
}

/// Type and permissions as `ls -l` writes them. Servers call everything a file that is neither a folder nor a link; the mode has its
/// type.
fn letters(kind: &str, mode: u32) -> String {
    let kind = match (kind, mode & 0o170_000) {
        ("DIRECTORY", _) => 'd',
        ("SYMLINK", _) => 'l',
        (_, 0o010_000) => 'p',
        (_, 0o140_000) => 's',
        (_, 0o020_000) => 'c',
        (_, 0o060_000) => 'b',
        _ => '-',
    };
    let bits = (0..9).rev().zip("rwxrwxrwx".chars());
    std::iter::once(kind)
        .chain(bits.map(|(bit, letter)| if mode >> bit & 1 == 1 { letter } else { '-' }))
        .collect()
}

/// The entries of a folder.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct FolderListing {
    /// Those that the storage has listed, sorted by name.
    pub entries: Vec<FileEntry>,
    /// Why there are more entries than these; `None` for a listing that is whole, as far as one can know.
    pub cut: Option<String>,
}

/// Listings that lack entries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// The folders that may have more.
    pub(super) folders: Vec<String>,
    listed: usize,
    /// How many entries are missing, if one can know.
    missing: Option<u64>,
}

impl Cut {
    /// The reason, in words.
    pub(super) fn why(&self) -> String {
        match self.missing {
            Some(missing) => {
                let are = if missing == 1 { "is" } else { "are" };
                format!(
                    "the storage lists only {} entries of a folder, and {missing} more {are} there",
                    self.listed
                )
            }
            None => {
                format!("the storage has listed {} entries of the folder, which may not be all", self.listed)
            }
        }
    }
}

/// What is at a path.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Entry(FileEntry),
    Missing,
    /// This, on the way to the path, is not a folder.
    Below(String),
    /// The listing lacks this name, and may be cut.
    Unsure(String),
}

/// The listings of the folders that a call is about, each asked for once.
pub(super) struct Listings<'a> {
    folder: &'a VFolder,
    known: BTreeMap<String, BTreeMap<String, FileEntry>>,
    /// What the storage said about names that listings lack.
    looked: BTreeMap<String, Result<Option<FileEntry>, ClientError>>,
    /// The number of entries in the longest listing. A shorter one is whole, as the limit is the same for all.
    longest: usize,
}

impl<'a> Listings<'a> {
    pub(super) fn new(folder: &'a VFolder) -> Self {
        Listings { folder, known: BTreeMap::new(), looked: BTreeMap::new(), longest: 0 }
    }

    /// The listing of a folder, by name.
    pub(super) async fn of(&mut self, path: &str) -> Result<&BTreeMap<String, FileEntry>, ClientError> {
        if !self.known.contains_key(path) {
            let entries = self.folder.listing(path).await?;
            let entries: BTreeMap<_, _> =
                entries.into_iter().map(|entry| (entry.filename.clone(), entry)).collect();
            self.longest = self.longest.max(entries.len());
            self.known.insert(path.to_owned(), entries);
        }
        Ok(self.known.entry(path.to_owned()).or_default())
    }

    /// Whether the listing of a folder is whole for certain.
    fn is_whole(&self, path: &str) -> bool {
        self.known.get(path).is_some_and(|entries| entries.is_empty() || entries.len() < self.longest)
    }

    /// What is at a path. The virtual folder itself has no entry.
    pub(super) async fn find(&mut self, path: &str) -> Result<Found, ClientError> {
        self.look_for([path]).await?;
        self.resolve(path).await
    }

    /// Asks for all of these paths, several at once. [`Listings::find`] has the answers then.
    pub(super) async fn look_for<'p>(
        &mut self,
        paths: impl IntoIterator<Item = &'p str> + Clone,
    ) -> Result<(), ClientError> {
        loop {
            let mut unsure = BTreeSet::new();
            for path in paths.clone() {
                // The caller gets the error for its own path.
                if let Ok(Found::Unsure(at)) = self.resolve(path).await {
                    unsure.insert(at);
                }
            }
            if unsure.is_empty() {
                return Ok(());
            }
            let folder = self.folder;
            let look = |at: String| async move {
                let found = folder.look(&at).await;
                (at, found)
            };
            let looked: Vec<_> = stream::iter(unsure).map(look).buffered(AT_ONCE).collect().await;
            for (at, found) in looked {
                let parent = at.rsplit_once('/').map_or("", |(parent, _)| parent);
                let is_short = self.known.get(parent).is_some_and(|entries| entries.len() < LEAST_LIMIT);
                // A storage that cannot be asked does not make a short listing doubtful.
                let found = if is_short { Ok(found.unwrap_or_default()) } else { found };
                self.looked.insert(at, found);
            }
        }
    }

    async fn resolve(&mut self, path: &str) -> Result<Found, ClientError> {
        let (mut at, mut rest) = (String::new(), path);
        loop {
            let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
            let here = join(&at, name);
            let mut entry = self.of(&at).await?.get(name).cloned();
            if entry.is_none() && !name.is_empty() && !self.is_whole(&at) {
                match self.looked.get(&here) {
                    None => return Ok(Found::Unsure(here)),
                    Some(looked) => entry = looked.clone()?,
                }
            }
            match entry {
                None => return Ok(Found::Missing),
                Some(entry) if below.is_empty() => return Ok(Found::Entry(entry)),
                Some(entry) if entry.is_dir() => {}
                Some(_) => return Ok(Found::Below(here)),
            }
            (at, rest) = (here, below);
        }
    }

    /// Whether the listings of these folders lack entries.
    pub(super) async fn cut(&mut self, paths: &[String]) -> Option<Cut> {
        let listed = self.longest;
        let is_longest = |path: &&String| self.known.get(*path).is_some_and(|known| known.len() == listed);
        let folders: Vec<_> = paths.iter().filter(is_longest).cloned().collect();
        if folders.is_empty() || listed < LEAST_LIMIT {
            return None;
        }
        let missing = match self.folder.info().await {
            Ok(info) => match info.files {
                Some(count) => self.count_missing(count).await,
                None => None,
            },
            Err(_) => None,
        };
        match missing {
            Some(0) => None,
            // People choose round numbers.
            None if !listed.is_multiple_of(100) && !listed.is_power_of_two() => None,
            missing => Some(Cut { folders, listed, missing }),
        }
    }

    /// Whether a path leads through folders alone. What is behind a link counts where it is.
    fn is_real(&self, path: &str) -> bool {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let entry = self.known.get(parent).and_then(|entries| entries.get(name));
        path.is_empty() || entry.is_some_and(FileEntry::is_dir) && self.is_real(parent)
    }

    /// How many of the entries that the whole virtual folder has no listing has; `None` if that takes too long. 0 also if a longer
    /// listing shows that the limit was not reached.
    async fn count_missing(&mut self, count: u64) -> Option<u64> {
        let longest = self.longest;
        self.of("").await.ok()?;
        for _ in 0..WALK {
            let real = self.known.iter().filter(|(path, _)| self.is_real(path));
            let listed: usize = real.map(|(_, entries)| entries.len()).sum();
            if listed as u64 >= count || self.longest > longest {
                return Some(0);
            }
            let folders = self.known.iter().flat_map(|(path, entries)| {
                let folders = entries.values().filter(|entry| entry.is_dir());
                folders.map(move |entry| join(path, &entry.filename))
            });
            let Some(next) = folders.into_iter().find(|path| !self.known.contains_key(path)) else {
                return Some(count - listed as u64);
            };
            self.of(&next).await.ok()?;
        }
        None
    }
}

impl VFolder {
    /// The entries of a folder in it. `path` is relative to the virtual folder; empty is that itself.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] when it is missing; [`ErrorKind::NotFound`] when it is a file; else what the server says.
    pub async fn list(&self, path: &str) -> Result<FolderListing, ClientError> {
        let path = inner(path)?;
        let mut listings = Listings::new(self);
        let listed = listings.of(&path).await.map(|entries| entries.values().cloned().collect());
        let entries = match listed {
            Err(error) if may_be_missing(&error) && !path.is_empty() => {
                return Err(match listings.find(&path).await? {
                    Found::Entry(entry) if entry.is_dir() => error,
                    Found::Entry(_) => {
                        let why = format!("{path} in {} is not a folder", self.name());
                        ClientError::new(ErrorKind::NotFound, "list the files", why).into_sentence()
                    }
                    _ => self.missing(&path),
                });
            }
            listed => listed?,
        };
        let cut = listings.cut(std::slice::from_ref(&path)).await.map(|cut| cut.why());
        Ok(FolderListing { entries, cut })
    }

    async fn listing(&self, path: &str) -> Result<Vec<FileEntry>, ClientError> {
        let what = format!("list the files of {}", self.shown(path));
        let reply: Reply =
            self.request(&what, Method::GET, "/files").query("path", path).send().await?.json()?;
        Ok(reply.items.into_iter().map(Item::into_entry).collect())
    }

    /// The entry of a path; `None` if nothing is there. The virtual folder itself has none.
    ///
    /// # Errors
    /// What the server says.
    pub async fn find(&self, path: &str) -> Result<Option<FileEntry>, ClientError> {
        match Listings::new(self).find(&inner(path)?).await? {
            Found::Entry(entry) => Ok(Some(entry)),
            // A path below a file does not exist either.
            _ => Ok(None),
        }
    }

    /// The entry of a path that the user has named. A symbolic link is followed, and what it leads to has the name of the link.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`]; [`ErrorKind::Refused`] for a link that leads nowhere; else what the servers say.
    pub(super) async fn named(
        &self,
        path: &str,
        listings: &mut Listings<'_>,
    ) -> Result<FileEntry, ClientError> {
        match listings.find(path).await? {
            Found::Entry(entry) if entry.is_link() => self.look(path).await?.ok_or_else(|| {
                let shown = self.shown(path);
                let why = format!("{shown}: this symbolic link leads out of the folder, or to nothing");
                ClientError::new(ErrorKind::Refused, "follow the link", why).into_sentence()
            }),
            Found::Entry(entry) => Ok(entry),
            _ => Err(self.missing(path)),
        }
    }
}

/// Whether a path that does not exist gives this error: servers only say that the storage proxy refused.
fn may_be_missing(error: &ClientError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Refused | ErrorKind::BadRequest | ErrorKind::NoSuchFile | ErrorKind::Server
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_read_as_the_storage_proxy_lists_it() {
        let item: Item = serde_json::from_value(json!({
            "name": "한", "type": "FILE", "size": 10, "mode": 33188,
            "created": "2026-11-30T01:24:33.085510+00:00", "modified": "2026-11-30T01:24:33.085510+00:00",
        }))
        .unwrap();
        let entry = item.into_entry();
        assert_eq!((&*entry.mode, entry.size, &*entry.filename), ("-rw-r--r--", 10, "한"));
        assert!((entry.mtime - 1_796_001_873.085_51).abs() < 0.001, "{}", entry.mtime);
        assert_eq!(letters("DIRECTORY", 0o40755), "drwxr-xr-x");
        assert_eq!(letters("FILE", 0o10644), "prw-r--r--");
    }
}
