//! Uploads into a virtual folder. A file goes to the storage proxy piece by piece, as TUS 1.0 has it; when the connection fails, the
//! proxy says how many bytes it has, and the upload goes on there. The target appears when the last byte has arrived. Then the
//! listings are compared with what was sent.

use super::super::error::{ClientError, ErrorKind};
use super::super::files::{
    Progress, ProgressMeter, Skipped, Upload, UploadOptions, Uploaded, UploadedFile, blocking, can_go_on,
    local_error, open_source,
};
use super::VFolder;
use super::entries::inner;
use super::listing::{Found, Listings};
use super::storage::{Ticket, is_about_one, number, of_number};
use bai_protocol::byte_text;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes in one request.
const PIECE: u64 = 8 << 20;
/// How often a piece is tried when the connection fails.
const TRIES: u32 = 5;
/// The pause before the third try; it doubles with each. The second is at once.
const PAUSE: Duration = Duration::from_millis(500);
const TUS: HeaderName = HeaderName::from_static("tus-resumable");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// Why a name is left out that JSON cannot carry.
const NOT_TEXT: &str = "its name is not UTF-8, and the storage takes no other";

/// A file to send.
struct Outgoing {
    to: String,
    file: Arc<File>,
    size: u64,
}

impl VFolder {
    /// Uploads files and folders into the virtual folder, and reports the progress. The targets are relative to it. What has arrived
    /// is in `uploaded` also after an error, and when the call is dropped in the middle.
    ///
    /// All targets are looked at before the first file is sent. A file that cannot be read is left out if it is not the only one. One
    /// that grows arrives as long as it was when its transfer began. What has arrived of a file that fails is removed from the storage;
    /// after a call that is dropped in the middle [`VFolder::discard_unfinished`] does that.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] for targets that exist, unless the options allow to replace them; [`ErrorKind::Refused`] when a
    /// folder is in the place of a file or the other way round; [`ErrorKind::Connect`] when the storage proxy cannot be reached;
    /// [`ErrorKind::Local`] for an only file that cannot be read; else what the servers say.
    pub async fn upload_into(
        &self,
        files: &[Upload],
        options: UploadOptions,
        uploaded: &mut Uploaded,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<(), ClientError> {
        let (outgoing, folders) = self.check(files, options, uploaded).await?;
        self.make_missing(folders).await?;
        let is_only_one = files.len() == 1;
        self.send_all(outgoing, is_only_one, uploaded, &mut ProgressMeter::new(&mut on_progress)).await
    }

    /// Uploads an open file, from its beginning and as long as it is now. Otherwise as [`VFolder::upload_into`].
    ///
    /// # Errors
    /// As [`VFolder::upload_into`].
    pub async fn upload_file(
        &self,
        file: File,
        to: &str,
        options: UploadOptions,
        uploaded: &mut Uploaded,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<(), ClientError> {
        let to = inner(to)?;
        let what = format!("upload {}", self.shown(&to));
        let there = Listings::new(self).find(&to).await?;
        if self.may_have(&to, there, false)? && !options.overwrite {
            return Err(ClientError::already_exists("upload", vec![self.shown(&to)]));
        }
        let size = file.metadata().map_err(|error| local_error(&what, error))?.len();
        let outgoing = vec![Outgoing { to, file: Arc::new(file), size }];
        self.send_all(outgoing, true, uploaded, &mut ProgressMeter::new(&mut on_progress)).await
    }

    async fn send_all(
        &self,
        outgoing: Vec<Outgoing>,
        is_only_one: bool,
        uploaded: &mut Uploaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        outgoing.iter().for_each(|file| meter.expect(file.size));
        for file in outgoing {
            match self.send_file(&file, &mut uploaded.unfinished, meter).await {
                Ok(sha256) => uploaded.files.push(UploadedFile { to: file.to, bytes: file.size, sha256 }),
                Err(error) => {
                    // It stays when the storage is out of reach; the caller can tell.
                    let _ = self.discard_unfinished(uploaded).await;
                    if is_only_one || !is_about_one(&error) {
                        return Err(error);
                    }
                    uploaded.skipped.push(Skipped::after(&error, &file.to));
                }
            }
        }
        self.verify(uploaded).await
    }

    /// Removes from the storage what has arrived of a file that did not arrive whole.
    ///
    /// # Errors
    /// What the server says. [`Uploaded::unfinished`] still tells where it is then.
    pub async fn discard_unfinished(&self, uploaded: &mut Uploaded) -> Result<(), ClientError> {
        if let Some(staged) = uploaded.unfinished.clone() {
            self.delete_files(&[&staged], false).await?;
            uploaded.unfinished = None;
        }
        Ok(())
    }

    /// Looks what is at the targets. Returns the files to send, and the folders to make.
    async fn check(
        &self,
        files: &[Upload],
        options: UploadOptions,
        uploaded: &mut Uploaded,
    ) -> Result<(Vec<Outgoing>, Vec<String>), ClientError> {
        let mut listings = Listings::new(self);
        let targets: Vec<_> = files.iter().filter_map(|upload| inner(&upload.to).ok()).collect();
        listings.look_for(targets.iter().map(String::as_str)).await?;
        let (mut outgoing, mut folders, mut existing) = (Vec::new(), Vec::new(), Vec::new());
        for upload in files {
            if !byte_text::is_utf8(&upload.to) {
                uploaded.skipped.push(Skipped::new(&upload.to, NOT_TEXT));
                continue;
            }
            let to = inner(&upload.to)?;
            let there = match listings.find(&to).await {
                Ok(found) => self.may_have(&to, found, upload.is_folder)?,
                Err(error) if files.len() > 1 && is_about_one(&error) => {
                    uploaded.skipped.push(Skipped::after(&error, &to));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if upload.is_folder {
                folders.extend((!there).then_some(to));
                continue;
            }
            if there && !options.overwrite {
                existing.push(self.shown(&to));
                continue;
            }
            match open_source(&upload.from) {
                Ok((file, size)) => outgoing.push(Outgoing { to, file: Arc::new(file), size }),
                Err(error) if files.len() > 1 => {
                    uploaded.skipped.push(Skipped::after(&error, &upload.from.display().to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        if existing.is_empty() {
            Ok((outgoing, folders))
        } else {
            Err(ClientError::already_exists("upload", existing))
        }
    }

    /// Whether there is something already at the place of a file or a folder. What is of the other kind is in the way.
    fn may_have(&self, to: &str, found: Found, wants_folder: bool) -> Result<bool, ClientError> {
        match found {
            Found::Below(file) => Err(in_the_way(&self.shown(&file), "a file", "a folder")),
            Found::Entry(entry) if wants_folder && !entry.is_dir() => {
                Err(in_the_way(&self.shown(to), "a file", "a folder"))
            }
            Found::Entry(entry) if entry.is_dir() && !wants_folder => {
                Err(in_the_way(&self.shown(to), "a folder", "a file"))
            }
            _ if to.is_empty() && !wants_folder => Err(in_the_way(&self.shown(to), "a folder", "a file")),
            Found::Entry(_) => Ok(true),
            _ => Ok(false),
        }
    }

    /// Sends a file, as long as it is now. Returns the SHA-256 of what was sent.
    /// Until it is complete, `unfinished` tells where the storage collects it.
    async fn send_file(
        &self,
        file: &Outgoing,
        unfinished: &mut Option<String>,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<String, ClientError> {
        let what = format!("upload {}", self.shown(&file.to));
        let body = json!({"path": file.to, "size": file.size});
        let ticket = self.ticket(&what, "/request-upload", &body).await?;
        *unfinished = ticket.staged();
        meter.begin(&file.to, file.size);
        let (mut offset, mut sum) = (0, Sha256::new());
        while offset < file.size || offset == 0 {
            let piece = read_piece(&what, file, offset).await?;
            sum.update(&piece);
            let end = offset + piece.len() as u64;
            if let Err(error) = self.send_piece(&what, &ticket, offset, piece, end == file.size).await {
                return Err(self.blame(&what, &ticket, error).await);
            }
            meter.add(end - offset);
            offset = end;
            if file.size == 0 {
                break;
            }
        }
        *unfinished = None;
        Ok(hex::encode(sum.finalize()))
    }

    /// Sends one piece, in several requests if the connection fails.
    async fn send_piece(
        &self,
        what: &str,
        ticket: &Ticket,
        begin: u64,
        piece: Bytes,
        is_last: bool,
    ) -> Result<(), ClientError> {
        let end = begin + piece.len() as u64;
        let (mut offset, mut tries, mut pause) = (begin, 1, PAUSE);
        loop {
            let rest = usize::try_from(offset - begin).map(|at| piece.slice(at.min(piece.len())..));
            let rest = rest.unwrap_or_default();
            match self.patch(what, ticket, offset, rest).await {
                Ok(at) if at >= end => return Ok(()),
                // It took less.
                Ok(at) if at > offset => offset = at,
                Err(error) if !can_go_on(&error) && error.status() != Some(409) => return Err(error),
                Err(error) if tries >= TRIES => return Err(error),
                _ => {
                    if tries > 1 {
                        tokio::time::sleep(pause).await;
                        pause *= 2;
                    }
                    tries += 1;
                    match self.offset(what, ticket).await {
                        Ok(Some(at)) if (begin..=end).contains(&at) => offset = at,
                        // After its last byte an upload is over. The listing will tell.
                        Ok(None) if is_last => return Ok(()),
                        Ok(_) => {
                            let why = "the storage proxy has lost what had arrived; try again";
                            return Err(ClientError::new(ErrorKind::Refused, what, why));
                        }
                        Err(error) if can_go_on(&error) => {}
                        Err(error) => return Err(error),
                    }
                    if offset == end && !is_last {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sends bytes from an offset on. Returns up to where the storage proxy has the file now.
    async fn patch(
        &self,
        what: &str,
        ticket: &Ticket,
        offset: u64,
        piece: Bytes,
    ) -> Result<u64, ClientError> {
        let mut headers = tus();
        headers.insert(OFFSET, of_number(offset));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/offset+octet-stream"));
        let end = offset + piece.len() as u64;
        let accepted = [StatusCode::NO_CONTENT, StatusCode::OK];
        let answer = self.ask_storage(what, ticket, Method::PATCH, headers, Some(piece), &accepted).await?;
        Ok(number(answer.headers(), OFFSET.as_str()).unwrap_or(end))
    }

    /// How many bytes have arrived; `None` if there is no such upload, or no longer.
    async fn offset(&self, what: &str, ticket: &Ticket) -> Result<Option<u64>, ClientError> {
        let accepted = [StatusCode::OK, StatusCode::NO_CONTENT, StatusCode::NOT_FOUND, StatusCode::GONE];
        let answer = self.ask_storage(what, ticket, Method::HEAD, tus(), None, &accepted).await?;
        Ok(if answer.status().is_success() { number(answer.headers(), OFFSET.as_str()) } else { None })
    }

    /// Compares the listings with what was sent.
    async fn verify(&self, uploaded: &mut Uploaded) -> Result<(), ClientError> {
        let mut listings = Listings::new(self);
        listings.look_for(uploaded.files.iter().map(|file| file.to.as_str())).await?;
        let mut skipped = Vec::new();
        for file in &uploaded.files {
            let why = match listings.find(&file.to).await {
                Ok(Found::Entry(entry)) if entry.size == file.bytes => continue,
                Ok(Found::Entry(entry)) => format!("{} of {} bytes arrived", entry.size, file.bytes),
                Ok(_) => "it did not arrive".to_owned(),
                Err(error) if is_about_one(&error) => {
                    format!("it was sent, and cannot be found: {}", error.why())
                }
                Err(error) => return Err(error),
            };
            skipped.push((file.to.clone(), why));
        }
        uploaded.files.retain(|file| skipped.iter().all(|(to, _)| *to != file.to));
        uploaded.skipped.extend(skipped.into_iter().map(|(to, why)| Skipped::new(&to, why)));
        Ok(())
    }
}

fn tus() -> HeaderMap {
    HeaderMap::from_iter([(TUS, HeaderValue::from_static("1.0.0"))])
}

fn in_the_way(path: &str, there: &str, wanted: &str) -> ClientError {
    let why = format!("{path} is {there}, and {wanted} is needed there; nothing was copied");
    ClientError::new(ErrorKind::Refused, "upload", why).into_sentence()
}

/// Reads the next piece of a file.
async fn read_piece(what: &str, outgoing: &Outgoing, offset: u64) -> Result<Bytes, ClientError> {
    let length = usize::try_from(PIECE.min(outgoing.size - offset)).unwrap_or_default();
    let file = Arc::clone(&outgoing.file);
    let piece = blocking(what, move || {
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, offset).map(|()| piece)
    });
    match piece.await {
        Ok(piece) => Ok(piece.into()),
        Err(error) if is_short(&error) => {
            let why = "it has become shorter while it was read";
            Err(ClientError::new(ErrorKind::Refused, what, why))
        }
        Err(error) => Err(error),
    }
}

fn is_short(error: &ClientError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof)
}
