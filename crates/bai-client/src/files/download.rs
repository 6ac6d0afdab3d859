//! Downloads: the plan is carried out, archives are unpacked, and what cannot travel is named.

use super::equal::local_checksums;
use super::existing::folder_in_the_way;
use super::large_down::LargeDownload;
use super::large_up::{blocking, patiently};
use super::links::create_local_link;
use super::outcome::{Skipped, is_about_one_file};
use super::plan::{self, DownloadPlan, Planned, PlannedFolder};
use super::progress::{Progress, ProgressMeter};
use super::refused::not_a_folder;
use super::{REPLY_LIMIT, TRANSFER_LIMIT, multipart, refuse_empty, unpack};
use crate::error::{ClientError, ErrorKind};
use crate::reply::Reply;
use crate::session::ComputeSession;
use bai_protocol::byte_text;
use bai_protocol::capability::Capability;
use reqwest::Method;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Options of [`ComputeSession::download`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DownloadOptions {
    /// Whether existing files may be replaced. A symbolic link is then replaced itself, never its target.
    pub overwrite: bool,
}

/// The result of [`ComputeSession::download`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// The files that have arrived, also those that were there already, with an earlier call.
    pub files: Vec<DownloadedFile>,
    /// Their total size in bytes.
    pub bytes: u64,
    /// Entries that were left out, each with the reason. Untrusted text.
    pub skipped: Vec<Skipped>,
}

/// A file that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadedFile {
    /// Its path in the session.
    pub from: String,
    /// Its path relative to the target folder.
    pub to: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

impl ComputeSession {
    /// Downloads files and folders of any size into a folder, which is made if it is missing. Each gets the last part of
    /// its path as its name.
    ///
    /// # Errors
    /// As [`ComputeSession::download_with`].
    pub async fn download(
        &self,
        paths: &[String],
        into: &Path,
        options: DownloadOptions,
    ) -> Result<Downloaded, ClientError> {
        self.download_with(paths, into, options, |_| {}).await
    }

    /// Downloads files and folders of any size, and reports the progress.
    ///
    /// Files are written only inside the folder: no entry leaves it, no symbolic link on the way is followed, and no file is
    /// replaced unless the options allow it. A file that is there and equal to the one in the session has arrived already. A
    /// symbolic link that is one of the paths is followed, and what it leads to arrives under the name of the link. Another
    /// symbolic link is made if it leads to a place inside of the downloaded folder. Pipes, sockets and devices, and what the user
    /// of the session must not read, are left out.
    ///
    /// A file arrives as long as it was when its transfer began, also if it grows meanwhile. One that changes in another way is
    /// fetched again, once, and then left out.
    ///
    /// Genuine servers send files of up to 1 MiB. There, a small shell command in the session, which waits for the current run as
    /// every run does, cuts a larger file into parts. The parts are in `.bai-repl` in the home folder meanwhile, and need as much
    /// space as the file. The result is compared by SHA-256 before it is moved to the target. An interrupted download continues
    /// when it is called again, if the file has not changed.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for an empty path, and for two paths with the same name; [`ErrorKind::NoSuchFile`] for a path
    /// that is missing; [`ErrorKind::NotFound`] for a symbolic link to a missing file; [`ErrorKind::Refused`] for one that leads
    /// out of the home folder, where the server refuses that, and for a pipe, a socket or a device that is named; [`ErrorKind::AlreadyExists`] for
    /// files that are there and differ, unless the options allow to replace them: [`ClientError::existing`] has all of them;
    /// [`ErrorKind::Local`] when the folder cannot be written to, or another download of the same file to it is under way;
    /// else what the server says. The failure of one file is an error if it is the only one. What was written before stays.
    pub async fn download_with(
        &self,
        paths: &[String],
        into: &Path,
        options: DownloadOptions,
        on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<Downloaded, ClientError> {
        let mut downloaded = Downloaded::default();
        self.download_into(paths, into, options, &mut downloaded, on_progress).await?;
        Ok(downloaded)
    }

    /// As [`ComputeSession::download_with`]. What has arrived is in `downloaded` also after an error, and when the call is
    /// dropped in the middle.
    ///
    /// # Errors
    /// As [`ComputeSession::download_with`].
    pub async fn download_into(
        &self,
        paths: &[String],
        into: &Path,
        options: DownloadOptions,
        downloaded: &mut Downloaded,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<(), ClientError> {
        refuse_impossible(paths)?;
        let mut plan = self.plan(paths).await?;
        let there = if options.overwrite { HashSet::new() } else { self.existing(&mut plan, into).await? };
        refuse_folders(&plan, into)?;
        let mut meter = ProgressMeter::new(&mut on_progress);
        plan.files.iter().for_each(|file| meter.expect(file.bytes()));
        downloaded.skipped.append(&mut plan.skipped);
        create_folders(into, &plan.folders).await?;
        let (here, files): (Vec<_>, Vec<_>) =
            std::mem::take(&mut plan.files).into_iter().partition(|file| there.contains(&file.path));
        here.iter().for_each(|file| downloaded.add(file, file.bytes(), &mut meter));
        let is_only_one = files.len() == 1 && here.is_empty() && plan.folders.is_empty();
        let mut waiting = self.groups(files).await;
        while let Some(group) = waiting.pop_front() {
            match self.fetch_group(&group, into, options, downloaded, &mut meter).await {
                Ok(()) => {}
                Err(error) if is_only_one || !is_about_one_file(&error) => return Err(error),
                Err(error) => match group.as_slice() {
                    [file] => downloaded.skipped.push(Skipped::after(&error, &file.path)),
                    // One of them is the reason.
                    _ => group.into_iter().rev().for_each(|file| waiting.push_front(vec![file])),
                },
            }
        }
        self.read_planned_links(&mut plan).await?;
        downloaded.skipped.append(&mut plan.skipped);
        // After all files: no file is written through a link.
        for (link, target) in &plan.links {
            match create_local_link(into, link, target, options.overwrite).await {
                Err(error) if is_about_one_file(&error) => {
                    downloaded.skipped.push(Skipped::after(&error, &link.path));
                }
                made => made?,
            }
        }
        Ok(())
    }

    async fn fetch_group(
        &self,
        group: &[Planned],
        into: &Path,
        options: DownloadOptions,
        downloaded: &mut Downloaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        let any_name = self.api().has(Capability::ByteNames).await;
        let alone = match group {
            [file] => file.in_parts(any_name).map(|entry| (file, entry)),
            _ => None,
        };
        match alone {
            Some((Planned { path, below, .. }, entry)) => {
                let (path, entry, below) = (path.clone(), entry.clone(), below.clone());
                let (into, overwrite) = (into.to_owned(), options.overwrite);
                let wanted = LargeDownload { path: path.clone(), entry, into, below, overwrite };
                let (to, bytes) = self.fetch_large(wanted, meter).await?;
                downloaded.bytes += bytes;
                downloaded.files.push(DownloadedFile { from: path, to, bytes });
                Ok(())
            }
            None => self.unpack(group, into, options, downloaded, meter).await,
        }
    }

    /// Fetches archives of a few paths and unpacks them.
    async fn unpack(
        &self,
        group: &[Planned],
        into: &Path,
        options: DownloadOptions,
        downloaded: &mut Downloaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        let paths: Vec<_> = group.iter().map(|file| file.path.clone()).collect();
        let reply = match (patiently(|| self.fetch(&paths)).await, group) {
            (Err(error), [file]) => return Err(error.of_file("download", &file.path)),
            (reply, _) => reply?,
        };
        let archives = multipart::parts(&reply.headers, &reply.body)
            .map_err(|why| ClientError::new(ErrorKind::Server, "download", why))?;
        let unpacking = unpack::Unpacking {
            into: into.to_owned(),
            below: group.first().map(|file| file.below.clone()).unwrap_or_default(),
            wanted: group.iter().map(|file| file.name.clone()).collect(),
            overwrite: options.overwrite,
        };
        let what = format!("write into {}", into.display());
        let unpacked = blocking(&what, move || unpacking.run(&archives)).await?;
        downloaded.skipped.extend(unpacked.skipped);
        let mut written: HashMap<PathBuf, u64> = unpacked.files.into_iter().collect();
        for file in group {
            match written.remove(&file.target()) {
                Some(bytes) => downloaded.add(file, bytes, meter),
                // A folder, as the server could not list what it is in.
                None if file.entry.is_none() && !written.is_empty() => {}
                None => downloaded.skipped.push(Skipped::new(&file.path, "it did not arrive")),
            }
        }
        for (to, bytes) in written {
            downloaded.bytes += bytes;
            let from = byte_text::text(std::os::unix::ffi::OsStrExt::as_bytes(to.as_os_str()));
            downloaded.files.push(DownloadedFile { from, to, bytes });
        }
        Ok(())
    }

    /// Fetches the archives of some paths: with POST on servers from 24.09 on, with GET before, with the names in the
    /// body up to 19.09.
    async fn fetch(&self, paths: &[String]) -> Result<Reply, ClientError> {
        let version = self.api().version().await?;
        if version.major() <= 4 {
            let call = self.at.request("download", Method::GET, "/download").await?;
            let call = call.json(&json!({"files": paths}))?.within(TRANSFER_LIMIT).limit(REPLY_LIMIT);
            return call.send().await;
        }
        let names: Vec<_> = paths.iter().map(|path| ("files", path.as_str())).collect();
        self.post_or_get("download", "/download", &names, None).await
    }

    /// The files that are there already, and equal. Refuses to go on when anything else has the place of one.
    async fn existing(&self, plan: &mut DownloadPlan, into: &Path) -> Result<HashSet<String>, ClientError> {
        let found = |file: &Planned| std::fs::symlink_metadata(into.join(file.target())).ok();
        if plan.unread_links.iter().any(|link| found(link).is_some()) {
            self.read_planned_links(plan).await?;
        }
        let (mut in_the_way, mut alike) = (Vec::new(), Vec::new());
        for file in &plan.files {
            match found(file) {
                None => {}
                Some(here) if here.is_file() && Some(here.len()) == file.entry.as_ref().map(|e| e.size) => {
                    alike.push(file);
                }
                // It may be a folder in the session too.
                Some(here) if here.is_dir() && file.entry.is_none() => {}
                Some(_) => in_the_way.push(file),
            }
        }
        let paths: Vec<_> = alike.iter().map(|file| file.path.clone()).collect();
        let sums = self.checksums(&paths).await?;
        let own = local_checksums(alike.iter().map(|file| into.join(file.target())).collect()).await?;
        let mut equal = HashSet::new();
        for (file, (sum, own)) in alike.into_iter().zip(sums.into_iter().zip(own)) {
            if sum.is_some() && sum == own {
                equal.insert(file.path.clone());
            } else {
                in_the_way.push(file);
            }
        }
        let leads_elsewhere = |(link, target): &&(Planned, String)| {
            let place = into.join(link.target());
            found(link).is_some() && std::fs::read_link(place).ok() != Some(byte_text::path(target))
        };
        in_the_way.extend(plan.links.iter().filter(leads_elsewhere).map(|(link, _)| link));
        if in_the_way.is_empty() {
            return Ok(equal);
        }
        let mut existing: Vec<_> = in_the_way.iter().map(|file| into.join(file.target())).collect();
        existing.sort();
        let existing = existing.iter().map(|path| path.display().to_string()).collect();
        Err(ClientError::already_exists("download", existing))
    }
}

impl Downloaded {
    /// Adds a file that has arrived.
    fn add(&mut self, file: &Planned, bytes: u64, meter: &mut ProgressMeter<'_>) {
        meter.whole(&file.path, bytes);
        self.bytes += bytes;
        self.files.push(DownloadedFile { from: file.path.clone(), to: file.target(), bytes });
    }
}

/// Makes the folders below the target. Links on the way are not followed: the server may have chosen their names.
pub(crate) async fn create_folders(into: &Path, folders: &[PlannedFolder]) -> Result<(), ClientError> {
    if let Some(file) = into.ancestors().find(|path| path.exists() && !path.is_dir()) {
        return Err(not_a_folder("download", &file.display().to_string()));
    }
    let (into, folders) = (into.to_owned(), folders.to_vec());
    let what = format!("write into {}", into.display());
    blocking(&what, move || unpack::make_folders(&into, &folders)).await
}

/// Refuses to replace a folder of this machine with a file.
fn refuse_folders(plan: &DownloadPlan, into: &Path) -> Result<(), ClientError> {
    // What the server could not list may be a folder in the session too.
    let listed = plan.files.iter().filter(|file| file.entry.is_some());
    let mut targets = listed.map(|file| into.join(file.target()));
    match targets.find(|target| std::fs::symlink_metadata(target).is_ok_and(|found| found.is_dir())) {
        Some(folder) => Err(folder_in_the_way("download", &byte_text::shown_path(&folder))),
        None => Ok(()),
    }
}

/// Refuses paths that are empty, or that would be written to the same place.
fn refuse_impossible(paths: &[String]) -> Result<(), ClientError> {
    let mut seen = HashSet::new();
    for path in paths {
        refuse_empty("download", path)?;
        let name = plan::split(path).1;
        if !seen.insert(name.clone()) {
            let why = match name.as_str() {
                "" => format!("{path} is to be downloaded twice, so no file was copied"),
                name => format!("two of the paths are to be downloaded to {name}, so no file was copied"),
            };
            return Err(ClientError::new(ErrorKind::BadRequest, "download", why));
        }
    }
    Ok(())
}
