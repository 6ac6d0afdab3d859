//! What is in a folder: listed, made, moved, removed. Servers replace and remove without asking, and report failures in one word, so
//! each call looks first.

use super::super::error::{ClientError, ErrorKind};
use super::VFolder;
use bai_protocol::files::FileEntry;
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

/// The folder in which the storage proxy collects uploads.
const UPLOADS: &str = ".upload";

#[derive(Deserialize)]
struct Listing {
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

/// Type and permissions as `ls -l` writes them.
fn letters(kind: &str, mode: u32) -> String {
    let kind = match kind {
        "DIRECTORY" => 'd',
        "SYMLINK" => 'l',
        _ => '-',
    };
    let bits = (0..9).rev().zip("rwxrwxrwx".chars());
    std::iter::once(kind)
        .chain(bits.map(|(bit, letter)| if mode >> bit & 1 == 1 { letter } else { '-' }))
        .collect()
}

impl VFolder {
    /// The entries of a folder in it, in the server's order. `path` is relative to the virtual folder; empty is that itself.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] when it is missing; [`ErrorKind::NotFound`] when it is a file; else what the server says.
    pub async fn list(&self, path: &str) -> Result<Vec<FileEntry>, ClientError> {
        let path = inner(path)?;
        match self.listing(&path).await {
            Err(error) if may_be_missing(&error) && !path.is_empty() => match self.find(&path).await? {
                None => Err(self.missing(&path)),
                Some(entry) if !entry.is_dir() => {
                    let why = format!("{path} in {} is not a folder", self.name());
                    Err(ClientError::new(ErrorKind::NotFound, "list the files", why).into_sentence())
                }
                Some(_) => Err(error),
            },
            listed => listed,
        }
    }

    async fn listing(&self, path: &str) -> Result<Vec<FileEntry>, ClientError> {
        let what = format!("list the files of {}", self.shown(path));
        let call = self.request(&what, Method::GET, "/files").query("path", path);
        let listing: Listing = call.send().await?.json()?;
        let is_ours = |item: &Item| !path.is_empty() || item.name != UPLOADS;
        Ok(listing.items.into_iter().filter(is_ours).map(Item::into_entry).collect())
    }

    /// The entry of a path; `None` if nothing is there. The virtual folder itself has none.
    ///
    /// # Errors
    /// What the server says.
    pub async fn find(&self, path: &str) -> Result<Option<FileEntry>, ClientError> {
        let path = inner(path)?;
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if !parent.is_empty() {
            // A path below a file does not exist either. This asks for one level after the other, from above.
            match Box::pin(self.find(parent)).await? {
                Some(entry) if entry.is_dir() => {}
                _ => return Ok(None),
            }
        }
        Ok(self.listing(parent).await?.into_iter().find(|entry| entry.filename == name))
    }

    /// Makes folders, with those that they are in.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for one that exists, unless `exist_ok` and it is a folder; else what the server says.
    pub async fn make_folders(&self, paths: &[String], exist_ok: bool) -> Result<(), ClientError> {
        let mut missing = Vec::new();
        let mut in_the_way = Vec::new();
        for path in paths {
            let path = inner(path)?;
            match self.find(&path).await? {
                None if !path.is_empty() => missing.push(path),
                Some(entry) if exist_ok && entry.is_dir() => {}
                None if exist_ok => {}
                _ => in_the_way.push(self.shown(&path)),
            }
        }
        if !in_the_way.is_empty() {
            let why = format!("{} exists already", in_the_way.join(", "));
            return Err(ClientError::new(ErrorKind::Refused, "make the folder", why).into_sentence());
        }
        self.make_missing(missing).await
    }

    /// Makes folders that are known to be missing.
    pub(super) async fn make_missing(&self, paths: Vec<String>) -> Result<(), ClientError> {
        for path in paths {
            let what = format!("make the folder {}", self.shown(&path));
            let body = json!({"path": path, "parents": true, "exist_ok": true});
            self.request(&what, Method::POST, "/mkdir").json(&body)?.send().await?;
        }
        Ok(())
    }

    /// Moves or renames a file or a folder. A target that is a folder gets it under its own name. Returns the new path.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] when it is missing; [`ErrorKind::AlreadyExists`] for a file that exists, unless `overwrite`;
    /// [`ErrorKind::Refused`] for a folder in the place of the target; else what the server says.
    pub async fn move_entry(&self, from: &str, to: &str, overwrite: bool) -> Result<String, ClientError> {
        let (from, mut to) = (inner(from)?, inner(to)?);
        let what = format!("move {} to {}", self.shown(&from), self.shown(&to));
        let name = from.rsplit('/').next().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(ClientError::new(
                ErrorKind::BadRequest,
                what,
                "the folder itself is renamed, not moved",
            ));
        }
        if self.find(&from).await?.is_none() {
            return Err(self.missing(&from));
        }
        let mut there = self.find(&to).await?;
        if to.is_empty() || there.as_ref().is_some_and(FileEntry::is_dir) {
            to = join(&to, &name);
            there = self.find(&to).await?;
        }
        if to == from || to.starts_with(&format!("{from}/")) {
            return Err(ClientError::new(ErrorKind::BadRequest, what, "it cannot be moved into itself"));
        }
        match there {
            Some(entry) if entry.is_dir() => {
                let why = format!("{} is a folder, which is not replaced", self.shown(&to));
                return Err(ClientError::new(ErrorKind::Refused, what, why).into_sentence());
            }
            Some(_) if !overwrite => {
                let to = self.shown(&to);
                let error = ClientError::new(ErrorKind::AlreadyExists, what, format!("{to} exists already"));
                return Err(error.into_sentence().with_existing(vec![to]));
            }
            _ => {}
        }
        let call = self.request(&what, Method::POST, "/move-file").json(&json!({"src": from, "dst": to}))?;
        call.send().await?;
        Ok(to)
    }

    /// Removes files and, if `recursive`, folders with all that is in them. Nothing is removed if one cannot be.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] for one that is missing; [`ErrorKind::Refused`] for a folder without `recursive`; else what
    /// the server says.
    pub async fn remove(&self, paths: &[String], recursive: bool) -> Result<(), ClientError> {
        let mut files = Vec::new();
        for path in paths {
            let path = inner(path)?;
            let what = format!("remove {}", self.shown(&path));
            match self.find(&path).await? {
                None if path.is_empty() => {
                    let why = "that is the whole folder, which is deleted as such";
                    return Err(ClientError::new(ErrorKind::BadRequest, what, why));
                }
                None => return Err(self.missing(&path)),
                Some(entry) if entry.is_dir() && !recursive => {
                    let why = format!("{} is a folder", self.shown(&path));
                    return Err(ClientError::new(ErrorKind::Refused, what, why).into_sentence());
                }
                Some(_) => files.push(path),
            }
        }
        let what = format!("remove files of {}", self.name());
        let call = self.request(&what, Method::DELETE, "/delete-files");
        call.json(&json!({"files": files, "recursive": recursive}))?.send().await.map(drop)
    }

    pub(super) fn missing(&self, path: &str) -> ClientError {
        let why = format!("{}: no such file or folder", self.shown(path));
        ClientError::new(ErrorKind::NoSuchFile, "use the path", why).into_sentence()
    }

    /// A path with the name of the virtual folder before it.
    pub(super) fn shown(&self, path: &str) -> String {
        join(self.name(), path)
    }
}

/// Whether a path that does not exist gives this error: servers only say that the storage proxy refused.
fn may_be_missing(error: &ClientError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Refused | ErrorKind::BadRequest | ErrorKind::NoSuchFile | ErrorKind::Server
    )
}

pub(super) fn join(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, name) => format!("{folder}/{name}"),
    }
}

/// A path inside of a virtual folder, without `.` and double slashes; empty for the folder itself.
///
/// # Errors
/// [`ErrorKind::BadRequest`] for one that would lead out of it, or has a zero byte.
pub(super) fn inner(path: &str) -> Result<String, ClientError> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.iter().any(|part| *part == ".." || part.contains('\0')) {
        let why = format!("{path} leads out of the folder");
        return Err(ClientError::new(ErrorKind::BadRequest, "use the path", why).into_sentence());
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for (path, expected) in [("", ""), (".", ""), ("/", ""), ("./a//b/", "a/b"), ("/a", "a")] {
            assert_eq!(inner(path).unwrap(), expected);
        }
        for path in ["..", "a/../b", "a\0"] {
            assert_eq!(inner(path).unwrap_err().kind(), ErrorKind::BadRequest, "{path}");
        }
    }

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
    }
}
