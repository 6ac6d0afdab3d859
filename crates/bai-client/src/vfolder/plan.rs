//! Which files a download fetches, and which folders it makes: found in the listings.

use super::super::error::{ClientError, ErrorKind};
use super::super::files::{Downloaded, LINK_LEFT_OUT, PlannedFolder, SPECIAL_LEFT_OUT, Skipped};
use super::VFolder;
use super::entries::{inner, join};
use super::listing::Listings;
use super::storage::{UPLOADS, is_about_one};
use bai_protocol::files::FileEntry;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The largest number of files in one download.
const FILES: usize = 100_000;
/// The largest number of folders in a path.
const DEPTH: usize = 64;

/// A file to fetch.
pub(super) struct Planned {
    /// Its path in the virtual folder.
    pub(super) path: String,
    /// Folders below the target folder.
    pub(super) below: Vec<String>,
    pub(super) entry: FileEntry,
}

impl Planned {
    pub(super) fn to(&self) -> PathBuf {
        self.below.iter().chain([&self.entry.filename]).collect()
    }
}

/// What a download does.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) files: Vec<Planned>,
    pub(super) folders: Vec<PlannedFolder>,
    /// Whether one file was named, whose failure is that of the download.
    pub(super) is_only_one: bool,
}

/// A plan that is being made.
struct Planning<'a> {
    listings: Listings<'a>,
    plan: Plan,
    /// The folders whose whole content is wanted.
    listed: Vec<String>,
    downloaded: &'a mut Downloaded,
}

impl VFolder {
    /// Plans the download of these paths. What cannot travel is added to those that are left out.
    pub(super) async fn plan(
        &self,
        paths: &[String],
        downloaded: &mut Downloaded,
    ) -> Result<Plan, ClientError> {
        let listings = Listings::new(self);
        let mut planning = Planning { listings, plan: Plan::default(), listed: Vec::new(), downloaded };
        let mut names = BTreeSet::new();
        for path in paths {
            let path = inner(path)?;
            if path.is_empty() {
                planning.folder("", &[], true).await?;
                continue;
            }
            let entry = match self.named(&path, &mut planning.listings).await {
                Err(error) if paths.len() > 1 && is_about_one(&error) => {
                    let name = self.shown(&path);
                    planning.downloaded.skipped.push(Skipped::after(&error, &name));
                    continue;
                }
                entry => entry?,
            };
            if !names.insert(entry.filename.clone()) {
                let why = format!("two of the paths are to be downloaded to {}", entry.filename);
                return Err(ClientError::new(ErrorKind::BadRequest, "download", why));
            }
            planning.entry(path, Vec::new(), entry, paths.len() == 1).await?;
        }
        planning.name_cut_folders(self).await;
        let mut plan = planning.plan;
        plan.is_only_one = paths.len() == 1 && plan.folders.is_empty() && plan.files.len() == 1;
        Ok(plan)
    }
}

impl Planning<'_> {
    async fn entry(
        &mut self,
        path: String,
        below: Vec<String>,
        entry: FileEntry,
        is_only_one: bool,
    ) -> Result<(), ClientError> {
        let is_possible = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
        let why = match () {
            () if !is_possible(&entry.filename) => Some("its name is impossible"),
            () if self.plan.files.len() >= FILES || below.len() >= DEPTH => Some("there are too many files"),
            () if entry.is_link() => Some(LINK_LEFT_OUT),
            () if entry.is_dir() => {
                let inside: Vec<_> = below.iter().cloned().chain([entry.filename.clone()]).collect();
                let mode = entry.permissions().unwrap_or(0o777);
                self.plan.folders.push(PlannedFolder { parts: inside.clone(), mode });
                return Box::pin(self.folder(&path, &inside, is_only_one)).await;
            }
            () => (!entry.mode.starts_with('-')).then_some(SPECIAL_LEFT_OUT),
        };
        match why {
            Some(why) => self.downloaded.skipped.push(Skipped::new(&path, why)),
            None => self.plan.files.push(Planned { path, below, entry }),
        }
        Ok(())
    }

    /// Adds what is in a folder. One that cannot be listed is left out, unless it is the only one that the user named.
    async fn folder(&mut self, path: &str, below: &[String], is_only_one: bool) -> Result<(), ClientError> {
        let entries: Vec<_> = match self.listings.of(path).await {
            Err(error) if !is_only_one && is_about_one(&error) => {
                self.downloaded.skipped.push(Skipped::after(&error, path));
                return Ok(());
            }
            entries => entries?.values().cloned().collect(),
        };
        self.listed.push(path.to_owned());
        for entry in entries {
            // Uploads that are under way belong to nobody's files.
            if path.is_empty() && entry.filename == UPLOADS {
                continue;
            }
            self.entry(join(path, &entry.filename), below.to_vec(), entry, false).await?;
        }
        Ok(())
    }

    /// Names the folders of which the storage has listed a part.
    async fn name_cut_folders(&mut self, folder: &VFolder) {
        let Some(cut) = self.listings.cut(&self.listed).await else { return };
        let why = cut.why();
        for path in &cut.folders {
            let name = format!("a part of {}", folder.shown(path));
            self.downloaded.skipped.push(Skipped::new(&name, why.clone()));
        }
    }
}
