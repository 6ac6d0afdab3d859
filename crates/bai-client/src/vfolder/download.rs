//! Downloads from a virtual folder. A file comes from the storage proxy in one stream; when that is cut, it goes on where it was, also
//! in a later call, as long as the file is of the same state: its size, its time, and within a call the proxy's mark for it.

use super::super::error::{ClientError, ErrorKind};
use super::super::files::{
    DownloadOptions, DownloadTarget, Downloaded, DownloadedFile, PartialDownload, Progress, ProgressMeter,
    SPECIAL_LEFT_OUT, Skipped, can_go_on, create_folders, identity, local_error, open_partial,
};
use super::VFolder;
use super::entries::inner;
use super::listing::Listings;
use super::plan::{Plan, Planned};
use super::storage::{Ticket, is_about_one, number};
use bai_protocol::byte_text;
use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a stream that was cut is opened again without a byte in between.
const TRIES: u32 = 5;
/// After how many of these tries without any byte of the file the storage proxy is asked whether it lives.
const DOUBT: u32 = 2;
/// The pause before the second of these tries; it doubles with each. The first is at once.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the storage proxy may be silent in the middle of a file.
const SILENCE: Duration = Duration::from_secs(60);
/// How many bytes are written at once.
const BLOCK: usize = 1 << 20;

impl VFolder {
    /// Downloads files and folders of the virtual folder into a folder of this machine, which is made if it is missing, and reports
    /// the progress. Each gets the last part of its path as its name. What has arrived is in `downloaded` also after an error, and
    /// when the call is dropped in the middle; the next call goes on with a file that was cut.
    ///
    /// Files are written only inside of the target folder, and no symbolic link on the way is followed. A symbolic link that is
    /// one of the paths is followed; others are left out, and so is a path that is missing, or a file that cannot be sent, if it is
    /// not the only one. Where the storage lists only a part of a folder, that is among `skipped` too.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] for an only path that is missing; [`ErrorKind::AlreadyExists`] for files that are there, unless the
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
        let Plan { files, folders, is_only_one } = self.plan(paths, downloaded).await?;
        refuse_existing(&files, into, options)?;
        create_folders(into, &folders).await?;
        let mut meter = ProgressMeter::new(&mut on_progress);
        files.iter().for_each(|file| meter.expect(file.entry.size));
        for file in files {
            match self.fetch_file(&file, into, options, &mut meter).await {
                Ok(bytes) => {
                    downloaded.bytes += bytes;
                    downloaded.files.push(DownloadedFile { from: file.path.clone(), to: file.to(), bytes });
                }
                Err(error) if !is_only_one && is_about_one(&error) => {
                    downloaded.skipped.push(Skipped::after(&error, &file.path));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads one file, piece by piece, until all is read or nobody takes `pieces` any more.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] when it is missing; [`ErrorKind::BadRequest`] for a folder; [`ErrorKind::Refused`] for what is
    /// no file, and for one that changes meanwhile; else what the servers say.
    pub async fn read_in_pieces(&self, path: &str, pieces: &mpsc::Sender<Bytes>) -> Result<(), ClientError> {
        let path = inner(path)?;
        let what = format!("download {}", self.shown(&path));
        let entry = match path.as_str() {
            "" => None,
            path => Some(self.named(path, &mut Listings::new(self)).await?),
        };
        let Some(entry) = entry.filter(|entry| !entry.is_dir()) else {
            let why = format!("{} is a folder", self.shown(&path));
            return Err(ClientError::new(ErrorKind::BadRequest, what, why).into_sentence());
        };
        if !entry.mode.starts_with('-') {
            return Err(ClientError::new(ErrorKind::Refused, what, SPECIAL_LEFT_OUT));
        }
        let mut have = 0;
        if entry.size == 0 {
            return Ok(());
        }
        let ticket = self.ticket(&what, "/request-download", &json!({"path": path})).await?;
        let (mut state, mut again) = (FileState { size: entry.size, mark: None }, Again::default());
        loop {
            let before = have;
            let error = match self.open_stream(&what, &ticket, have, &mut state).await {
                Ok(mut response) => loop {
                    match next_chunk(&mut response).await {
                        Ok(Some(chunk)) => {
                            // A file that has grown arrives as long as it was.
                            let rest = usize::try_from(entry.size - have).unwrap_or(usize::MAX);
                            let chunk = chunk.slice(..chunk.len().min(rest));
                            have += chunk.len() as u64;
                            if pieces.send(chunk).await.is_err() || have == entry.size {
                                return Ok(());
                            }
                        }
                        Ok(None) => {
                            break ClientError::new(ErrorKind::Lost, &what, "the stream ended too early");
                        }
                        Err(why) => break ClientError::new(ErrorKind::Lost, &what, why),
                    }
                },
                Err(error) => error,
            };
            let error = again.doubt(self, &what, &ticket, have, error).await;
            if !again.may(&error, have > before).await {
                return Err(self.blame(&what, &ticket, error).await);
            }
        }
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
        let (mut state, mut again) = (FileState { size, mark: None }, Again::default());
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
            let error = again.doubt(self, what, &ticket, partial.have(), error).await;
            if !again.may(&error, partial.have() > before).await {
                let error = partial.after(error);
                return Err(self.blame(what, &ticket, error).await);
            }
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

/// Whether a stream that was cut is opened again.
struct Again {
    tries: u32,
    pause: Duration,
}

impl Default for Again {
    fn default() -> Self {
        Again { tries: 0, pause: PAUSE }
    }
}

impl Again {
    /// The error, or that of the file: when no byte of it has come in a few tries, the other requests of the storage proxy tell.
    async fn doubt(
        &self,
        folder: &VFolder,
        what: &str,
        ticket: &Ticket,
        have: u64,
        error: ClientError,
    ) -> ClientError {
        if have == 0 && self.tries == DOUBT { folder.blame(what, ticket, error).await } else { error }
    }

    /// Waits before the next try. False if there is none.
    async fn may(&mut self, error: &ClientError, has_moved: bool) -> bool {
        if has_moved {
            *self = Again::default();
        }
        if self.tries >= TRIES || !can_go_on(error) {
            return false;
        }
        tracing::debug!(%error, "the stream is opened again");
        if self.tries > 0 {
            tokio::time::sleep(self.pause).await;
            self.pause *= 2;
        }
        self.tries += 1;
        true
    }
}

/// What tells the state of a file from others while it arrives.
struct FileState {
    size: u64,
    /// The storage proxy's mark for it.
    mark: Option<HeaderValue>,
}

/// The next bytes of a stream, `None` at its end, or why none come.
async fn next_chunk(response: &mut Response) -> Result<Option<Bytes>, String> {
    match tokio::time::timeout(SILENCE, response.chunk()).await {
        Ok(chunk) => chunk.map_err(|error| super::super::cause(&error.without_url())),
        Err(_) => Err(format!("nothing came for {} s", SILENCE.as_secs())),
    }
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
        let (end, error) = match next_chunk(&mut response).await {
            Ok(Some(chunk)) => {
                block.extend_from_slice(&chunk);
                (false, None)
            }
            Ok(None) => (true, None),
            Err(why) => (true, Some(why)),
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
