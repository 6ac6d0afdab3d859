//! Downloads: the steps of the plan are carried out, and archives are unpacked.

use super::large_down::LargeDownload;
use super::plan::{self, DownloadStep};
use super::progress::{Progress, ProgressMeter};
use super::refused::SPECIAL_LEFT_OUT;
use super::{REPLY_LIMIT, TRANSFER_LIMIT, large_up, multipart, refuse_empty, unpack};
use crate::error::{ClientError, ErrorKind};
use crate::reply::Reply;
use crate::session::ComputeSession;
use bai_protocol::byte_text;
use reqwest::Method;
use serde_json::json;
use std::collections::{HashSet, VecDeque};
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
    /// The files that were written, relative to the target folder.
    pub files: Vec<PathBuf>,
    /// Their total size in bytes.
    pub bytes: u64,
    /// Entries that were left out, each with the reason. Untrusted text.
    pub skipped: Vec<Skipped>,
}

/// An entry of an archive that was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Its path, relative to the target folder; bytes that are not text are replaced.
    pub name: String,
    /// Why, in a few words.
    pub why: &'static str,
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
    /// Files are written only inside the folder: no entry leaves it, no symbolic link on the way is followed, links,
    /// pipes, sockets and devices are left out, and no file is replaced unless the options allow it.
    ///
    /// Genuine servers leave sockets out of the archive of a folder, so these are not always reported.
    ///
    /// Servers send archives of up to 1 MiB. Larger folders are fetched file by file. A small shell command in the
    /// session, which waits for the current run as every run does, cuts a larger file into parts. The parts are in
    /// `.bai-repl` in the home folder meanwhile, and need as much space as the file. The result is compared by SHA-256
    /// before it is moved to the target. An interrupted download continues when it is called again, if the file has not
    /// changed.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for an empty path, and for two paths with the same name; [`ErrorKind::Refused`] for a pipe,
    /// a socket or a device; [`ErrorKind::AlreadyExists`] for a file that is there, unless the options allow to replace it:
    /// [`ClientError::existing`] then has all files in the way that the paths name, or the file in a downloaded folder at
    /// which the download stopped; [`ErrorKind::Local`] when something cannot be written, or another download of the same file to this folder is under way;
    /// [`ErrorKind::Lost`] when what arrived is not what was sent; else what the server says. What was written before
    /// stays.
    pub async fn download_with(
        &self,
        paths: &[String],
        into: &Path,
        options: DownloadOptions,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<Downloaded, ClientError> {
        refuse_impossible(paths)?;
        if !options.overwrite {
            refuse_existing(paths, into)?;
        }
        let mut meter = ProgressMeter::new(&mut on_progress);
        let mut downloaded = Downloaded::default();
        let mut waiting: VecDeque<DownloadStep> = self.plan(paths).await.into();
        waiting.iter().try_for_each(refuse_special)?;
        for step in &waiting {
            meter.expect(step.bytes());
        }
        while let Some(step) = waiting.pop_front() {
            match step {
                DownloadStep::Archives { paths, below, bytes: _ } => {
                    self.unpack(&paths, into, below, options, &mut downloaded, &mut meter).await?;
                }
                DownloadStep::Folder { path, below } => {
                    let one = [path.clone()];
                    let whole =
                        self.unpack(&one, into, below.clone(), options, &mut downloaded, &mut meter).await;
                    let Err(error) = whole else { continue };
                    // The archive is probably too large; each server has its own words for that. Another error returns on the way.
                    if !matches!(error.kind(), ErrorKind::Server | ErrorKind::BadRequest | ErrorKind::Refused)
                    {
                        return Err(error);
                    }
                    let Ok(steps) = self.plan_folder(&path, &below).await else { return Err(error) };
                    for step in steps.into_iter().rev() {
                        meter.expect(step.bytes());
                        waiting.push_front(step);
                    }
                }
                DownloadStep::Special { path, below } => {
                    let name = below.iter().cloned().chain([plan::split(&path).1]).collect::<Vec<_>>();
                    downloaded.skipped.push(Skipped { name: name.join("/"), why: SPECIAL_LEFT_OUT });
                }
                DownloadStep::Large { path, entry, below } => {
                    let bytes = entry.size;
                    let into = into.to_owned();
                    let wanted = LargeDownload { path, entry, into, below, overwrite: options.overwrite };
                    downloaded.files.push(self.fetch_large(wanted, &mut meter).await?);
                    downloaded.bytes += bytes;
                }
            }
        }
        Ok(downloaded)
    }

    /// Fetches archives of a few paths and unpacks them.
    async fn unpack(
        &self,
        paths: &[String],
        into: &Path,
        below: Vec<String>,
        options: DownloadOptions,
        downloaded: &mut Downloaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        let reply = self.fetch(paths).await?;
        let archives = multipart::parts(&reply.headers, &reply.body)
            .map_err(|why| ClientError::new(ErrorKind::Server, "download", why))?;
        let unpacking = unpack::Unpacking {
            into: into.to_owned(),
            below,
            wanted: paths.iter().map(|path| plan::split(path).1).collect(),
            overwrite: options.overwrite,
        };
        let what = format!("write into {}", into.display());
        let unpacked = large_up::blocking(&what, move || unpacking.run(&archives)).await?;
        meter.whole(paths.last().map_or("", String::as_str), unpacked.bytes);
        downloaded.files.extend(unpacked.files);
        downloaded.bytes += unpacked.bytes;
        downloaded.skipped.extend(unpacked.skipped);
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

/// Refuses a path of the user that no server can send.
fn refuse_special(step: &DownloadStep) -> Result<(), ClientError> {
    let DownloadStep::Special { path, .. } = step else { return Ok(()) };
    let why = format!("{path} is neither a file nor a folder, so it cannot be downloaded");
    Err(ClientError::new(ErrorKind::Refused, "download", why).into_sentence())
}

/// Refuses to go on when a file has the place of one of these.
fn refuse_existing(paths: &[String], into: &Path) -> Result<(), ClientError> {
    let targets = paths.iter().map(|path| plan::split(path).1).filter(|name| !name.is_empty());
    let targets = targets.map(|name| into.join(byte_text::path(&name)));
    let is_taken =
        |target: &PathBuf| std::fs::symlink_metadata(target).is_ok_and(|metadata| !metadata.is_dir());
    let existing: Vec<_> = targets.filter(is_taken).map(|target| target.display().to_string()).collect();
    if existing.is_empty() { Ok(()) } else { Err(ClientError::already_exists("download", existing)) }
}
