//! Files of a session: upload, download, listing (`docs/wire` §6).

mod existing;
mod large_down;
mod large_up;
mod multipart;
mod partial_download;
mod plan;
mod progress;
mod shell;
mod unpack;

pub use progress::Progress;

use super::error::{ClientError, ErrorKind};
use super::reply::Reply;
use super::session::ComputeSession;
use bai_protocol::files::{FileEntry, ListReply, MAX_UPLOAD_FILES, UPLOAD_LIMIT, upload_path};
use bytes::Bytes;
use large_down::LargeDownload;
use plan::DownloadStep;
use progress::ProgressMeter;
use reqwest::Method;
use serde_json::json;
use std::collections::VecDeque;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one call with file contents may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(120);
/// The largest reply with file contents that is taken, in bytes. Genuine servers give less.
const REPLY_LIMIT: usize = 64 * 1024 * 1024;

/// One file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file on this machine. A symbolic link is followed; anything but a regular file is refused.
    pub from: PathBuf,
    /// Where it goes, relative to the session's home folder or absolute below it. Missing folders are made.
    pub to: String,
}

/// Options of [`ComputeSession::upload`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// Whether files that exist in the session may be replaced. Without this the upload is refused as a whole before the
    /// first file is sent, with [`ErrorKind::AlreadyExists`].
    pub overwrite: bool,
}

/// Options of [`ComputeSession::download`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DownloadOptions {
    /// Whether files that are there may be replaced. A symbolic link is then replaced itself, never what it points to.
    pub overwrite: bool,
}

/// What [`ComputeSession::download`] brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Downloaded {
    /// The files that were written, relative to the target folder.
    pub files: Vec<PathBuf>,
    /// Their bytes, all together.
    pub bytes: u64,
    /// Entries that were left out, each with the reason. Untrusted text.
    pub skipped: Vec<Skipped>,
}

/// An entry of an archive that was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, as far as it is text.
    pub name: String,
    /// Why, in a few words.
    pub why: &'static str,
}

impl ComputeSession {
    /// Uploads files of any size, in as many calls as the server's limits ask for. All files are checked before the first
    /// is sent.
    ///
    /// # Errors
    /// As [`ComputeSession::upload_with`].
    pub async fn upload(&self, files: &[Upload], options: UploadOptions) -> Result<(), ClientError> {
        self.upload_with(files, options, |_| {}).await
    }

    /// Uploads files of any size, and tells how far it is.
    ///
    /// Servers take less than 1 MiB in a file. A larger one goes up in parts to a folder `.bai-repl` in the home folder, and
    /// a small shell command in the session joins them and compares the SHA-256; until then the target stays as it was. That
    /// command is a run: it waits for the one that is under way. An upload that was cut goes on where it was when it is
    /// called again for the same file and target. Large files go first.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for a target outside of the home folder; [`ErrorKind::AlreadyExists`] for one that exists,
    /// unless the options allow to replace it; [`ErrorKind::Local`] for a file that cannot be read; [`ErrorKind::Refused`] when the session cannot write there; [`ErrorKind::Lost`] when what arrived is not
    /// what was sent, twice; else what the server says.
    pub async fn upload_with(
        &self,
        files: &[Upload],
        options: UploadOptions,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<(), ClientError> {
        let mut meter = ProgressMeter::new(&mut on_progress);
        let (mut large, mut small) = (Vec::new(), Vec::new());
        for file in files {
            let (to, (_, size)) = (target(&file.to)?, open(&file.from)?);
            meter.expect(size);
            if size < UPLOAD_LIMIT { small.push((file, to)) } else { large.push((file, to)) }
        }
        if !options.overwrite {
            let targets: Vec<_> = small.iter().chain(&large).map(|(_, to)| to.as_str()).collect();
            self.refuse_existing(&targets).await?;
        }
        for (file, to) in large {
            self.send_large(open(&file.from)?.0, &to, &mut meter).await?;
        }
        for call in small.chunks(MAX_UPLOAD_FILES) {
            let mut parts = Vec::with_capacity(call.len());
            for (file, to) in call {
                parts.push((to.clone(), Bytes::from(read(&file.from)?)));
            }
            self.send_files(&parts).await?;
            for (to, content) in &parts {
                meter.whole(to, content.len() as u64);
            }
        }
        Ok(())
    }

    /// Uploads one file from memory, of any size. `to` as in [`Upload`].
    ///
    /// # Errors
    /// As [`ComputeSession::upload_with`].
    pub async fn write_file(
        &self,
        to: &str,
        content: Bytes,
        options: UploadOptions,
    ) -> Result<(), ClientError> {
        let to = target(to)?;
        if !options.overwrite {
            self.refuse_existing(&[&to]).await?;
        }
        if (content.len() as u64) < UPLOAD_LIMIT {
            return self.send_files(&[(to, content)]).await;
        }
        let what = format!("upload {to}");
        let spooled = large_up::blocking(&what, move || {
            let mut file = tempfile::tempfile()?;
            file.write_all(&content)?;
            file.rewind().map(|()| file)
        });
        let file = spooled.await?;
        self.send_large(file, &to, &mut ProgressMeter::new(&mut |_: &Progress<'_>| {})).await
    }

    async fn send_files(&self, parts: &[(String, Bytes)]) -> Result<(), ClientError> {
        let (content_type, body) = multipart::form(parts);
        let call = self.at.request("upload", Method::POST, "/upload").await?;
        call.body(&content_type, body).within(TRANSFER_LIMIT).send().await.map(drop)
    }

    /// Downloads files and folders of any size into a folder, which is made if it is not there; each arrives under the
    /// last part of its path.
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

    /// Downloads files and folders of any size, and tells how far it is.
    ///
    /// What the server sends is written inside the folder only: no entry leaves it, no symbolic link on the way is
    /// followed, links and devices are left out, and no file is replaced unless the options allow it.
    ///
    /// Servers give archives of up to 1 MiB. Larger folders are fetched file by file. A larger file is cut into parts by a
    /// small shell command in the session, which waits for the run that is under way, as every run does; the parts stand
    /// in `.bai-repl` in the home folder meanwhile, and take as much room as the file. What arrived is compared by
    /// SHA-256 before it takes its place. A download that was cut goes on where it was when it is called again, as long
    /// as the file has not changed.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] when something cannot be written, a file that is there included; [`ErrorKind::Lost`] when
    /// what arrived is not what was sent; else what the server says. What was written before stays.
    pub async fn download_with(
        &self,
        paths: &[String],
        into: &Path,
        options: DownloadOptions,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<Downloaded, ClientError> {
        let mut meter = ProgressMeter::new(&mut on_progress);
        let mut downloaded = Downloaded::default();
        let mut waiting: VecDeque<DownloadStep> = self.plan(paths).await.into();
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
                    // Too large, in words that differ with each server. What is not is refused again on the way.
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

    /// The archives of some paths: POST on servers from 24.09 on, GET before, with the names in the body up to
    /// 19.09.
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

    /// The content of one file.
    ///
    /// # Errors
    /// What the server says; modern ones answer 500 for a file that is not there.
    pub async fn read_file(&self, path: &str) -> Result<Bytes, ClientError> {
        Ok(self.post_or_get("read the file", "/download_single", &[("file", path)], None).await?.body)
    }

    /// The first bytes of one file, at most so many. Servers that give no part of a file are not read further; genuine ones
    /// refuse a file of more than 1 MiB.
    ///
    /// # Errors
    /// As [`ComputeSession::read_file`].
    pub async fn read_file_start(&self, path: &str, most: u64) -> Result<Bytes, ClientError> {
        let most = usize::try_from(most).unwrap_or(REPLY_LIMIT).min(REPLY_LIMIT);
        let query = [("file", path)];
        Ok(self.post_or_get("read the file", "/download_single", &query, Some(most)).await?.body)
    }

    async fn post_or_get(
        &self,
        what: &str,
        suffix: &str,
        query: &[(&str, &str)],
        start: Option<usize>,
    ) -> Result<Reply, ClientError> {
        let mut result = Err(ClientError::new(ErrorKind::Unsupported, what, "no method was tried"));
        for method in [Method::POST, Method::GET] {
            let mut call = self.at.request(what, method, suffix).await?;
            for (name, value) in query {
                call = call.query(name, *value);
            }
            call = call.within(TRANSFER_LIMIT).limit(REPLY_LIMIT);
            if let Some(bytes) = start {
                call = call.start(bytes);
            }
            result = call.send().await;
            match &result {
                Err(error) if is_no_route(error) => {}
                _ => break,
            }
        }
        result
    }

    /// What is in a folder of the session, in the server's order. `path` is relative to the home folder or absolute.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the server cannot list it; else what the server says.
    pub async fn list_files(&self, path: &str) -> Result<Vec<FileEntry>, ClientError> {
        let what = format!("list {path}");
        // New servers read the query, old ones the body.
        let call = self.at.request(&what, Method::GET, "/files").await?.query("path", path);
        let reply: ListReply = call.json(&json!({"path": path}))?.send().await?.json()?;
        reply.entries().map_err(|why| ClientError::new(ErrorKind::NotFound, what, why))
    }
}

/// Whether the server has no such route, so that its older form is worth a try.
fn is_no_route(error: &ClientError) -> bool {
    let slug = error.problem().map(bai_protocol::problem::Problem::slug);
    match error.status() {
        Some(405) => true,
        Some(404) => matches!(slug, None | Some("url-not-found")),
        _ => false,
    }
}

fn target(to: &str) -> Result<String, ClientError> {
    let bad = |why: &str| Err(ClientError::new(ErrorKind::BadRequest, format!("upload to {to}"), why));
    match upload_path(to) {
        None => bad("it is outside of the session's home folder"),
        Some(path) if path.chars().any(char::is_control) => bad("its name has a control character"),
        Some(path) => Ok(path),
    }
}

/// Opens a regular file, and tells its size.
fn open(from: &Path) -> Result<(std::fs::File, u64), ClientError> {
    let what = || format!("read {}", from.display());
    let failed = |error: std::io::Error| {
        ClientError::new(ErrorKind::Local, what(), error.to_string()).with_source(error)
    };
    // Checked before opening: opening a FIFO would wait for a writer.
    let metadata = std::fs::metadata(from).map_err(failed)?;
    if !metadata.is_file() {
        return Err(ClientError::new(ErrorKind::Local, what(), "it is not a regular file"));
    }
    Ok((std::fs::File::open(from).map_err(failed)?, metadata.len()))
}

/// Reads a file that may be growing or shrinking meanwhile: what is there now, if it is small enough.
fn read(from: &Path) -> Result<Vec<u8>, ClientError> {
    let mut content = Vec::new();
    open(from)?.0.take(UPLOAD_LIMIT).read_to_end(&mut content).map_err(|error| {
        let what = format!("read {}", from.display());
        ClientError::new(ErrorKind::Local, what, error.to_string()).with_source(error)
    })?;
    if content.len() as u64 >= UPLOAD_LIMIT {
        return Err(too_large(&from.display().to_string()));
    }
    Ok(content)
}

fn too_large(name: &str) -> ClientError {
    ClientError::new(ErrorKind::BadRequest, format!("upload {name}"), "a file must be smaller than 1 MiB")
        .with_hint("upload it again: it has grown meanwhile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_uploaded_is_told_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, size: u64| {
            let path = folder.path().join(name);
            std::fs::File::create(&path).unwrap().set_len(size).unwrap();
            path
        };
        assert_eq!(read(&file("zero", 0)).unwrap(), b"");
        assert_eq!(read(&file("small", UPLOAD_LIMIT - 1)).unwrap().len() as u64, UPLOAD_LIMIT - 1);
        assert_eq!(read(&file("large", UPLOAD_LIMIT)).unwrap_err().kind(), ErrorKind::BadRequest);
        assert_eq!(open(&file("huge", 3 << 30)).unwrap().1, 3 << 30);
        assert_eq!(open(folder.path()).unwrap_err().kind(), ErrorKind::Local);
        assert_eq!(open(&folder.path().join("none")).unwrap_err().kind(), ErrorKind::Local);
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(open(&fifo).unwrap_err().kind(), ErrorKind::Local);
        assert_eq!(target("a\nb").unwrap_err().kind(), ErrorKind::BadRequest);
        assert_eq!(target("../a").unwrap_err().kind(), ErrorKind::BadRequest);
        assert_eq!(target("/home/work/a b").unwrap(), "a b");
    }
}
