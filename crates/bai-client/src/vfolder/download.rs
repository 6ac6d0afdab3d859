//! Downloads from a virtual folder. A file comes from the storage proxy in one stream; when that is cut, it goes on where it was, also
//! in a later call, as long as the file is of the same state: its size, its time, and within a call the proxy's mark for it.

use super::super::error::{ClientError, ErrorKind};
use super::super::files::{
    DownloadOptions, DownloadTarget, Downloaded, DownloadedFile, LINK_LEFT_OUT, PartialDownload,
    PlannedFolder, Progress, ProgressMeter, SPECIAL_LEFT_OUT, Skipped, can_go_on, create_folders, identity,
    is_about_one_file, local_error, open_partial,
};
use super::VFolder;
use super::entries::{inner, join};
use super::storage::{Ticket, number};
use bai_protocol::byte_text;
use bai_protocol::files::FileEntry;
use bytes::BytesMut;
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a stream that was cut is opened again without a byte in between.
const TRIES: u32 = 5;
/// The pause before the second of these tries; it doubles with each. The first is at once.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the storage proxy may be silent in the middle of a file.
const SILENCE: Duration = Duration::from_secs(60);
/// How many bytes are written at once.
const BLOCK: usize = 1 << 20;
/// The largest number of files in one download.
const FILES: usize = 100_000;
/// The largest number of folders in a path.
const DEPTH: usize = 64;

/// A file to fetch.
struct Planned {
    /// Its path in the virtual folder.
    path: String,
    /// Folders below the target folder.
    below: Vec<String>,
    entry: FileEntry,
}

impl Planned {
    fn to(&self) -> PathBuf {
        self.below.iter().chain([&self.entry.filename]).collect()
    }
}

impl VFolder {
    /// Downloads files and folders of the virtual folder into a folder of this machine, which is made if it is missing, and reports
    /// the progress. Each gets the last part of its path as its name. What has arrived is in `downloaded` also after an error, and
    /// when the call is dropped in the middle; the next call goes on with a file that was cut.
    ///
    /// Files are written only inside of the target folder, and no symbolic link on the way is followed. Symbolic links of the virtual
    /// folder are left out.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] for a path that is missing; [`ErrorKind::AlreadyExists`] for files that are there, unless the
    /// options allow to replace them; [`ErrorKind::Connect`] when the storage proxy cannot be reached; [`ErrorKind::Local`] when the
    /// target folder cannot be written to; else what the servers say.
    pub async fn download_into(
        &self,
        paths: &[String],
        into: &Path,
        options: DownloadOptions,
        downloaded: &mut Downloaded,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<(), ClientError> {
        let (files, folders) = self.plan(paths, downloaded).await?;
        refuse_existing(&files, into, options)?;
        create_folders(into, &folders).await?;
        let mut meter = ProgressMeter::new(&mut on_progress);
        files.iter().for_each(|file| meter.expect(file.entry.size));
        let is_only_one = files.len() == 1 && folders.is_empty();
        for file in files {
            match self.fetch_file(&file, into, options, &mut meter).await {
                Ok(bytes) => {
                    downloaded.bytes += bytes;
                    downloaded.files.push(DownloadedFile { from: file.path.clone(), to: file.to(), bytes });
                }
                Err(error) if !is_only_one && is_about_one_file(&error) => {
                    downloaded.skipped.push(Skipped::after(&error, &file.path));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The files to fetch and the folders to make, found in listings.
    async fn plan(
        &self,
        paths: &[String],
        downloaded: &mut Downloaded,
    ) -> Result<(Vec<Planned>, Vec<PlannedFolder>), ClientError> {
        let (mut files, mut folders, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
        for path in paths {
            let path = inner(path)?;
            if path.is_empty() {
                self.plan_folder("", &[], &mut files, &mut folders, downloaded).await?;
                continue;
            }
            let entry = self.find(&path).await?.ok_or_else(|| self.missing(&path))?;
            if !names.insert(entry.filename.clone()) {
                let why = format!("two of the paths are to be downloaded to {}", entry.filename);
                return Err(ClientError::new(ErrorKind::BadRequest, "download", why));
            }
            self.plan_entry(path, Vec::new(), entry, &mut files, &mut folders, downloaded).await?;
        }
        Ok((files, folders))
    }

    async fn plan_entry(
        &self,
        path: String,
        below: Vec<String>,
        entry: FileEntry,
        files: &mut Vec<Planned>,
        folders: &mut Vec<PlannedFolder>,
        downloaded: &mut Downloaded,
    ) -> Result<(), ClientError> {
        let is_possible = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
        let why = match () {
            () if !is_possible(&entry.filename) => Some("its name is impossible"),
            () if files.len() >= FILES || below.len() >= DEPTH => Some("there are too many files"),
            () if entry.is_link() => Some(LINK_LEFT_OUT),
            () if entry.is_dir() => {
                let inside: Vec<_> = below.iter().cloned().chain([entry.filename.clone()]).collect();
                folders.push(PlannedFolder {
                    parts: inside.clone(),
                    mode: entry.permissions().unwrap_or(0o777),
                });
                return Box::pin(self.plan_folder(&path, &inside, files, folders, downloaded)).await;
            }
            () => (!entry.mode.starts_with('-')).then_some(SPECIAL_LEFT_OUT),
        };
        match why {
            Some(why) => downloaded.skipped.push(Skipped::new(&path, why)),
            None => files.push(Planned { path, below, entry }),
        }
        Ok(())
    }

    async fn plan_folder(
        &self,
        path: &str,
        below: &[String],
        files: &mut Vec<Planned>,
        folders: &mut Vec<PlannedFolder>,
        downloaded: &mut Downloaded,
    ) -> Result<(), ClientError> {
        let mut entries = self.list(path).await?;
        entries.sort_by(|a, b| a.filename.cmp(&b.filename));
        for entry in entries {
            let path = join(path, &entry.filename);
            self.plan_entry(path, below.to_vec(), entry, files, folders, downloaded).await?;
        }
        Ok(())
    }

    /// Fetches a file. Returns its size.
    async fn fetch_file(
        &self,
        file: &Planned,
        into: &Path,
        options: DownloadOptions,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<u64, ClientError> {
        let what = format!("download {}", self.shown(&file.path));
        let Planned { path, below, entry } = file;
        let id = [
            identity(&[&self.about.id, path]),
            identity(&[&entry.size.to_string(), &entry.mtime.to_string()]),
        ];
        let target = DownloadTarget {
            into: into.to_owned(),
            below: below.clone(),
            name: entry.filename.clone(),
            id: id.iter().map(|id| id.get(..8).unwrap_or_default()).collect(),
            overwrite: options.overwrite,
            mode: entry.permissions().unwrap_or(0o644),
        };
        let partial = open_partial(&what, &target).await?;
        meter.begin(path, entry.size);
        let partial = self.stream(&what, path, entry.size, partial, meter).await?;
        partial.complete().map_err(|error| local_error(&what, error))?;
        Ok(entry.size)
    }

    /// Adds to a file what is missing, in several requests if the connection fails.
    async fn stream(
        &self,
        what: &str,
        path: &str,
        size: u64,
        mut partial: PartialDownload,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<PartialDownload, ClientError> {
        let have = if partial.have() > size { 0 } else { partial.have() };
        (partial, ()) = partial.writing(what, move |partial| partial.cut_to(have)).await?;
        meter.add(have);
        if have == size {
            return Ok(partial);
        }
        let ticket = match self.ticket(what, "/request-download", &json!({"path": path})).await {
            Ok(ticket) => ticket,
            Err(error) => return Err(partial.after(error)),
        };
        let (mut state, mut tries, mut pause) = (FileState { size, mark: None }, 0, PAUSE);
        loop {
            let before = partial.have();
            let error = match self.open_stream(what, &ticket, before, &mut state).await {
                Ok(response) => {
                    let cut;
                    (partial, cut) = take(what, response, size, partial, meter).await?;
                    match cut {
                        None => return Ok(partial),
                        Some(error) => error,
                    }
                }
                Err(error) => error,
            };
            if partial.have() > before {
                (tries, pause) = (0, PAUSE);
            }
            if tries >= TRIES || !can_go_on(&error) {
                return Err(partial.after(error));
            }
            tracing::debug!(%error, "the stream is opened again");
            if tries > 0 {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            tries += 1;
        }
    }

    /// Opens the stream of a file from an offset on.
    async fn open_stream(
        &self,
        what: &str,
        ticket: &Ticket,
        offset: u64,
        state: &mut FileState,
    ) -> Result<Response, ClientError> {
        let mut headers = HeaderMap::new();
        if offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={offset}-"));
            headers.extend(range.ok().map(|range| (RANGE, range)));
        }
        let accepted = [if offset > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK }];
        let response = self.ask_storage(what, ticket, Method::GET, headers, None, &accepted).await?;
        let mark = response.headers().get(ETAG).cloned();
        let length = number(response.headers(), CONTENT_LENGTH.as_str());
        let is_other = state.mark.is_some() && state.mark != mark;
        if is_other || length.is_some_and(|length| offset + length != state.size) {
            let why = "it has changed since it was listed; start it again";
            return Err(ClientError::new(ErrorKind::Refused, what, why));
        }
        state.mark = mark;
        Ok(response)
    }
}

/// What tells the state of a file from others while it arrives.
struct FileState {
    size: u64,
    /// The storage proxy's mark for it.
    mark: Option<HeaderValue>,
}

/// Writes what a stream brings. Returns why it ended before the file was complete.
async fn take(
    what: &str,
    mut response: Response,
    size: u64,
    mut partial: PartialDownload,
    meter: &mut ProgressMeter<'_>,
) -> Result<(PartialDownload, Option<ClientError>), ClientError> {
    let mut block = BytesMut::new();
    loop {
        let (end, error) = match tokio::time::timeout(SILENCE, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                block.extend_from_slice(&chunk);
                (false, None)
            }
            Ok(Ok(None)) => (true, None),
            Ok(Err(error)) => (true, Some(super::super::cause(&error.without_url()))),
            Err(_) => (true, Some(format!("nothing came for {} s", SILENCE.as_secs()))),
        };
        if partial.have() + block.len() as u64 > size {
            let why = "it has become longer while it was read; start it again";
            partial.discard();
            return Err(ClientError::new(ErrorKind::Refused, what, why));
        }
        if block.len() >= BLOCK || end {
            let piece = std::mem::take(&mut block).freeze();
            let bytes = piece.len() as u64;
            (partial, ()) = partial.writing(what, move |partial| partial.append(&piece)).await?;
            meter.add(bytes);
        }
        if end && partial.have() == size {
            return Ok((partial, None));
        }
        if end {
            let why = error.unwrap_or_else(|| "the stream ended too early".to_owned());
            return Ok((partial, Some(ClientError::new(ErrorKind::Lost, what, why))));
        }
    }
}

/// Refuses to replace files of this machine, unless that is wanted. A folder is never replaced.
fn refuse_existing(files: &[Planned], into: &Path, options: DownloadOptions) -> Result<(), ClientError> {
    let mut existing = Vec::new();
    for to in files.iter().map(|file| into.join(file.to())) {
        let Ok(found) = std::fs::symlink_metadata(&to) else { continue };
        let shown = byte_text::shown_path(&to);
        if found.is_dir() {
            let why = format!("{shown} is a folder, and a file is needed there; nothing was copied");
            return Err(ClientError::new(ErrorKind::Refused, "download", why).into_sentence());
        }
        if !options.overwrite {
            existing.push(shown);
        }
    }
    if existing.is_empty() { Ok(()) } else { Err(ClientError::already_exists("download", existing)) }
}
