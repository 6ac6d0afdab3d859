//! What is in a folder is made, moved, removed. Servers replace and remove without asking, and report failures in one word, so each call
//! looks first.

use super::super::error::{ClientError, ErrorKind};
use super::VFolder;
use super::listing::{Found, Listings};
use super::storage::is_about_one;
use reqwest::Method;
use serde_json::json;

/// A path of several, and why nothing was done with it.
pub type Failed = (String, ClientError);

impl VFolder {
    /// Makes folders, with those that they are in. Returns those that could not be made.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for one that exists, unless `exist_ok` and it is a folder; else what the server says.
    pub async fn make_folders(&self, paths: &[String], exist_ok: bool) -> Result<Vec<Failed>, ClientError> {
        let (mut listings, mut failed) = (Listings::new(self), Vec::new());
        for given in paths {
            let made = match inner(given) {
                Ok(path) => self.make_folder(path, exist_ok, &mut listings).await,
                Err(error) => Err(error),
            };
            keep_going(&mut failed, given, made)?;
        }
        Ok(failed)
    }

    async fn make_folder(
        &self,
        path: String,
        exist_ok: bool,
        listings: &mut Listings<'_>,
    ) -> Result<(), ClientError> {
        match listings.find(&path).await? {
            Found::Entry(entry) if exist_ok && entry.is_dir() => Ok(()),
            Found::Missing if path.is_empty() && exist_ok => Ok(()),
            Found::Missing if !path.is_empty() => self.make_missing(vec![path]).await,
            Found::Below(file) => {
                let why = format!("{} is not a folder", self.shown(&file));
                Err(ClientError::new(ErrorKind::Refused, "make the folder", why).into_sentence())
            }
            _ => {
                let why = format!("{} exists already", self.shown(&path));
                Err(ClientError::new(ErrorKind::Refused, "make the folder", why).into_sentence())
            }
        }
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
    /// [`ErrorKind::Refused`] for a folder in the place of the target, and for symbolic links; else what the server says.
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
        let mut listings = Listings::new(self);
        match listings.find(&from).await? {
            Found::Entry(entry) if entry.is_link() => return Err(self.is_link(&what, &from)),
            Found::Entry(_) => {}
            _ => return Err(self.missing(&from)),
        }
        let mut there = listings.find(&to).await?;
        if to.is_empty() || matches!(&there, Found::Entry(entry) if entry.is_dir()) {
            to = join(&to, &name);
            there = listings.find(&to).await?;
        }
        if to == from || to.starts_with(&format!("{from}/")) {
            return Err(ClientError::new(ErrorKind::BadRequest, what, "it cannot be moved into itself"));
        }
        match there {
            Found::Entry(entry) if entry.is_dir() => {
                let why = format!("{} is a folder, which is not replaced", self.shown(&to));
                return Err(ClientError::new(ErrorKind::Refused, what, why).into_sentence());
            }
            Found::Entry(entry) if entry.is_link() => return Err(self.is_link(&what, &to)),
            Found::Entry(_) if !overwrite => {
                let to = self.shown(&to);
                let error = ClientError::new(ErrorKind::AlreadyExists, what, format!("{to} exists already"));
                return Err(error.into_sentence().with_existing(vec![to]));
            }
            Found::Entry(_) => {}
            _ => {
                let parent = to.rsplit_once('/').map_or("", |(parent, _)| parent);
                let is_there = matches!(listings.find(parent).await?, Found::Entry(entry) if entry.is_dir());
                if !parent.is_empty() && !is_there {
                    return Err(self.missing(parent));
                }
            }
        }
        let call = self.request(&what, Method::POST, "/move-file").json(&json!({"src": from, "dst": to}))?;
        call.send().await?;
        Ok(to)
    }

    /// Removes files and, if `recursive`, folders with all that is in them. Returns those that could not be removed.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] for one that is missing; [`ErrorKind::Refused`] for a folder without `recursive`, and for a
    /// symbolic link; else what the server says.
    pub async fn remove(&self, paths: &[String], recursive: bool) -> Result<Vec<Failed>, ClientError> {
        let (mut listings, mut failed, mut files) = (Listings::new(self), Vec::new(), Vec::new());
        for given in paths {
            match self.removable(given, recursive, &mut listings).await {
                Ok(path) => files.push((given, path)),
                Err(error) => keep_going(&mut failed, given, Err(error))?,
            }
        }
        let all: Vec<_> = files.iter().map(|(_, path)| path.as_str()).collect();
        if all.is_empty() {
            return Ok(failed);
        }
        match self.delete_files(&all, recursive).await {
            // One of them is the reason.
            Err(error) if files.len() > 1 && is_about_one(&error) => {
                for (given, path) in &files {
                    keep_going(&mut failed, given, self.delete_files(&[path], recursive).await)?;
                }
                Ok(failed)
            }
            Err(error) => keep_going(&mut failed, all.first().unwrap_or(&""), Err(error)).map(|()| failed),
            Ok(()) => Ok(failed),
        }
    }

    /// Checks that a path can be removed.
    async fn removable(
        &self,
        given: &str,
        recursive: bool,
        listings: &mut Listings<'_>,
    ) -> Result<String, ClientError> {
        let path = inner(given)?;
        let what = format!("remove {}", self.shown(&path));
        match listings.find(&path).await? {
            _ if path.is_empty() => {
                let why = "that is the whole folder, which is deleted as such";
                Err(ClientError::new(ErrorKind::BadRequest, what, why))
            }
            Found::Entry(entry) if entry.is_dir() && !recursive => {
                let why = format!("{} is a folder", self.shown(&path));
                Err(ClientError::new(ErrorKind::Refused, what, why).into_sentence())
            }
            Found::Entry(entry) if entry.is_link() => Err(self.is_link(&what, &path)),
            Found::Entry(entry) if !entry.mode.starts_with(['-', 'd']) => {
                let why = "it is neither a file nor a folder, and the storage removes nothing else";
                Err(ClientError::new(ErrorKind::Refused, what, why))
            }
            Found::Entry(_) => Ok(path),
            _ => Err(self.missing(&path)),
        }
    }

    /// Removes what is there. The caller has looked.
    pub(super) async fn delete_files(&self, files: &[&str], recursive: bool) -> Result<(), ClientError> {
        let what = match files {
            [file] => format!("remove {}", self.shown(file)),
            _ => format!("remove files of {}", self.name()),
        };
        let call = self.request(&what, Method::DELETE, "/delete-files");
        call.json(&json!({"files": files, "recursive": recursive}))?.send().await.map(drop)
    }

    /// Servers follow links: they would move or remove, or replace, what one leads to.
    fn is_link(&self, what: &str, path: &str) -> ClientError {
        let why =
            format!("{} is a symbolic link, and the storage would take what it leads to", self.shown(path));
        ClientError::new(ErrorKind::Refused, what, why)
            .into_sentence()
            .with_hint("a session that mounts the folder can move and remove the link itself")
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

/// Keeps a failure that is about one path, and returns any other.
fn keep_going(
    failed: &mut Vec<Failed>,
    path: &str,
    done: Result<(), ClientError>,
) -> Result<(), ClientError> {
    match done {
        Err(error) if is_about_one(&error) => {
            failed.push((path.to_owned(), error));
            Ok(())
        }
        done => done,
    }
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
}
