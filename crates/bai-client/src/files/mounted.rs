//! Uploads into folders that are mounted in the session. A genuine server stores a small file below the mount point, where nobody in the
//! session sees it, and answers as if it had arrived (`docs/wire` §6). It does not tell where folders are mounted. So one file goes to
//! each folder that is older than the upload, and the listing tells whether it has arrived.

use super::Place;
use super::existing::{CheckedTargets, split};
use super::progress::{Progress, ProgressMeter};
use super::upload::{Outgoing, UploadOptions, Uploaded, UploadedFile};
use crate::error::ClientError;
use crate::session::ComputeSession;
use std::collections::{BTreeMap, BTreeSet, HashMap};

impl ComputeSession {
    /// Sends a small file to each older folder. Returns the files to send in the same way, and those for mounted folders.
    pub(super) async fn try_folders(
        &self,
        small: Vec<Outgoing>,
        checked: &CheckedTargets,
        options: UploadOptions,
        is_only_one: bool,
        uploaded: &mut Uploaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(Vec<Outgoing>, Vec<Outgoing>), ClientError> {
        let older = |to: &str| checked.older.get(split(to).0);
        let mut tried = BTreeSet::new();
        let (mut first, mut rest): (Vec<_>, Vec<_>) =
            small.into_iter().partition(|file| older(&file.to).is_some_and(|folder| tried.insert(folder)));
        if first.is_empty() {
            return Ok((rest, Vec::new()));
        }
        if !options.overwrite {
            self.check_again(&first).await?;
        }
        let mut sent = Uploaded::default();
        let mut silent = |_: &Progress<'_>| {};
        self.send_small(&first, options, is_only_one, &mut sent, &mut ProgressMeter::new(&mut silent))
            .await?;
        let seen = self.seen(&sent.files, &checked.present).await?;
        let mut mounted = BTreeSet::new();
        for file in sent.files {
            if seen.contains(&file.to) {
                meter.whole(&file.to, file.bytes);
                uploaded.files.push(file);
            } else {
                mounted.extend(older(&file.to));
                rest.extend(first.extract_if(.., |first| first.to == file.to));
            }
        }
        uploaded.skipped.extend(sent.skipped);
        let is_mounted = |file: &Outgoing| older(&file.to).is_some_and(|folder| mounted.contains(folder));
        let (hidden, plain) = rest.into_iter().partition(is_mounted);
        Ok((plain, hidden))
    }

    /// Those of these files that the session shows. `before` tells when those were changed that were there.
    async fn seen(
        &self,
        files: &[UploadedFile],
        before: &BTreeMap<String, f64>,
    ) -> Result<BTreeSet<String>, ClientError> {
        let folders: BTreeSet<_> = files.iter().map(|file| split(&file.to).0.to_owned()).collect();
        let places: HashMap<_, _> = self.list_all(folders.into_iter().collect()).await?;
        let is_seen = |file: &&UploadedFile| {
            let (folder, name) = split(&file.to);
            let Some(Place::Folder(entries)) = places.get(folder) else { return false };
            let entry = entries.iter().find(|entry| entry.filename == name);
            entry.is_some_and(|entry| entry.size == file.bytes && before.get(&file.to) != Some(&entry.mtime))
        };
        Ok(files.iter().filter(is_seen).map(|file| file.to.clone()).collect())
    }
}
