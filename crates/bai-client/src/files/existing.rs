//! The check of an upload's targets against what is in the session, before the first file is sent.
//!
//! Servers replace a file without a question, and genuine servers answer 204 also where they store no file: onto a folder,
//! and below a file (`docs/wire` §6). So the listings of the session are asked, once for each folder.

use super::Place;
use super::refused::not_a_folder;
use super::upload::Outgoing;
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many listings are asked for at once.
const AT_ONCE: usize = 8;

impl ComputeSession {
    /// As [`ComputeSession::survey`], but files in the way are an error.
    pub(super) async fn check_targets(
        &self,
        files: &[Outgoing],
        overwrite: bool,
    ) -> Result<CheckedTargets, ClientError> {
        let checked = self.survey(files, overwrite).await?;
        if checked.existing.is_empty() {
            Ok(checked)
        } else {
            Err(ClientError::already_exists("upload", checked.existing))
        }
    }

    /// Looks what is at these targets. Refuses an upload that would replace a folder, or that needs a folder
    /// where a file is. The paths are relative to the home folder.
    pub(super) async fn survey(
        &self,
        files: &[Outgoing],
        overwrite: bool,
    ) -> Result<CheckedTargets, ClientError> {
        let targets: Vec<_> = files.iter().map(|file| file.to.as_str()).collect();
        let sizes: HashMap<_, _> = files.iter().map(|file| (file.to.as_str(), file.size)).collect();
        let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for target in &targets {
            let (folder, name) = split(target);
            folders.entry(folder).or_default().insert(name);
        }
        let places = self.places(&folders.keys().copied().collect()).await?;
        let new_folders: BTreeSet<_> =
            files.iter().filter(|file| file.is_folder()).map(|file| file.to.as_str()).collect();
        let (mut existing, mut alike, mut links) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut present = BTreeMap::new();
        for (folder, names) in &folders {
            let entries = match places.get(*folder) {
                Some(Place::Folder(entries)) => entries,
                Some(Place::NotAFolder) => {
                    let name = names.first().copied().unwrap_or_default();
                    return Err(not_a_folder(&format!("upload {folder}/{name}"), folder));
                }
                Some(Place::Missing | Place::Unknown) | None => continue,
            };
            for entry in entries.iter().filter(|entry| names.contains(entry.filename.as_str())) {
                let name = &entry.filename;
                let target = if *folder == "." { name.clone() } else { format!("{folder}/{name}") };
                present.insert(target.clone(), entry.mtime);
                if new_folders.contains(target.as_str()) {
                    // A link may lead to a folder.
                    if !entry.is_dir() && !entry.is_link() {
                        return Err(not_a_folder("upload", &target));
                    }
                } else if !overwrite {
                    let is_alike =
                        entry.mode.starts_with('-') && sizes.get(target.as_str()) == Some(&entry.size);
                    if is_alike {
                        alike.insert(target);
                    } else {
                        existing.push(target);
                    }
                } else if entry.is_dir() {
                    return Err(folder_in_the_way("upload", &target));
                } else if entry.mode.starts_with('l') {
                    links.insert(target);
                }
            }
        }
        let here = self.equal_to(files, alike, &mut existing).await?;
        let older =
            folders.keys().filter_map(|folder| Some(((*folder).to_owned(), older_folder(folder, &places)?)));
        let is_there = |folder: &str| matches!(places.get(folder), Some(Place::Folder(_)));
        let absent = folders.keys().filter(|folder| !is_there(folder)).map(|folder| (*folder).to_owned());
        let (older, absent) = (older.collect(), absent.collect());
        Ok(CheckedTargets { links, here, existing, present, older, absent })
    }

    /// Those of these targets whose files are equal to what would be sent. Others are `existing`.
    async fn equal_to(
        &self,
        files: &[Outgoing],
        alike: BTreeSet<String>,
        existing: &mut Vec<String>,
    ) -> Result<BTreeMap<String, String>, ClientError> {
        let mut equal = BTreeMap::new();
        let paths: Vec<_> = alike.iter().cloned().collect();
        let sums: HashMap<_, _> = paths.iter().cloned().zip(self.checksums(&paths).await?).collect();
        for file in files.iter().filter(|file| alike.contains(&file.to)) {
            match (file.content.checksum().await?, sums.get(&file.to)) {
                (Some(own), Some(Some(sum))) if own == *sum => {
                    equal.insert(file.to.clone(), own);
                }
                _ => existing.push(file.to.clone()),
            }
        }
        Ok(equal)
    }

    /// What is at the places of these folders. A folder that has several of them in it is listed first: its listing says
    /// which of them are missing, so that a new tree does not cost a listing for each of its folders.
    async fn places(&self, folders: &BTreeSet<&str>) -> Result<HashMap<String, Place>, ClientError> {
        let mut below: BTreeMap<&str, usize> = BTreeMap::new();
        for folder in folders.iter().filter(|folder| **folder != ".") {
            *below.entry(split(folder).0).or_default() += 1;
        }
        let first = below.into_iter().filter(|(parent, count)| *count > 1 || folders.contains(parent));
        let mut places = self.list_all(first.map(|(parent, _)| parent.to_owned()).collect()).await?;
        let mut unknown = Vec::new();
        for folder in folders.iter().filter(|folder| !places.contains_key(**folder)).collect::<Vec<_>>() {
            let (parent, name) = split(folder);
            let place = match places.get(parent) {
                Some(Place::Missing) => Place::Missing,
                Some(Place::NotAFolder) => Place::NotAFolder,
                Some(Place::Folder(entries)) if !entries.iter().any(|entry| entry.filename == name) => {
                    Place::Missing
                }
                _ => {
                    unknown.push((*folder).to_owned());
                    continue;
                }
            };
            places.insert((*folder).to_owned(), place);
        }
        places.extend(self.list_all(unknown).await?);
        Ok(places)
    }

    pub(super) async fn list_all(&self, folders: Vec<String>) -> Result<HashMap<String, Place>, ClientError> {
        let listing = |folder: String| async move { self.place(&folder).await.map(|place| (folder, place)) };
        stream::iter(folders.into_iter().map(listing)).buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// Targets of an upload that need a way of their own.
#[derive(Debug, Default)]
pub(super) struct CheckedTargets {
    /// Those that are symbolic links.
    pub(super) links: BTreeSet<String>,
    /// Those whose files are there already, and equal, each with its SHA-256.
    pub(super) here: BTreeMap<String, String>,
    /// Those at which anything is, each with the time of its last change.
    pub(super) present: BTreeMap<String, f64>,
    /// The folders of the targets, each with the older folder that it is or will be in: one that may be a mount point.
    pub(super) older: BTreeMap<String, String>,
    /// The folders of the targets that are not known to be there.
    pub(super) absent: BTreeSet<String>,
    /// Those that are taken by something else, unless it may be replaced.
    pub(super) existing: Vec<String>,
}

/// The folder itself if it exists, or the nearest one above it that does. The first folder of its path if that is not known; `None` for the
/// home folder, and for what is in a new folder.
fn older_folder(folder: &str, places: &HashMap<String, Place>) -> Option<String> {
    let above = std::iter::successors(Some(folder), |folder| Some(split(folder).0));
    let mut top = None;
    for folder in above.take_while(|folder| *folder != ".") {
        match places.get(folder) {
            Some(Place::Folder(_)) => return Some(folder.to_owned()),
            Some(Place::Missing) => top = None,
            _ => top = Some(folder.to_owned()),
        }
    }
    top
}

/// A path as its folder and its name. The home folder is `.`.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or((".", path))
}

/// The refusal to replace a folder by doing `what`, such as "download".
pub(super) fn folder_in_the_way(what: &str, target: &str) -> ClientError {
    let why = format!("cannot replace the folder {target} with a file");
    ClientError::new(ErrorKind::Refused, what, why).into_sentence()
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
    fn a_new_folder_is_in_no_mount_point_but_below_an_older_one() {
        let places: HashMap<_, _> = [
            ("mnt", Place::Folder(Vec::new())),
            ("mnt/new", Place::Missing),
            ("new", Place::Missing),
            ("far/new", Place::Missing),
        ]
        .map(|(folder, place)| (folder.to_owned(), place))
        .into();
        for (folder, older) in [
            (".", None),
            ("mnt", Some("mnt")),
            ("mnt/new", Some("mnt")),
            ("mnt/new/sub", Some("mnt")),
            ("new", None),
            ("new/sub", None),
            ("far/new", Some("far")),
        ] {
            assert_eq!(older_folder(folder, &places).as_deref(), older, "{folder}");
        }
    }

    #[test]
    fn two_files_for_one_target_are_refused() {
        assert!(refuse_repeated(&["a", "sub/a", "b"]).is_ok());
        for repeated in [["a", "a"], ["sub/a", "./sub/a"], ["sub//a", "sub/a"]] {
            assert_eq!(refuse_repeated(&repeated).unwrap_err().kind(), ErrorKind::BadRequest, "{repeated:?}");
        }
    }
}
