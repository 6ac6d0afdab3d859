//! Uploads: all files are checked first. Small files go together, large ones in parts.

use super::existing::refuse_repeated;
use super::progress::{Progress, ProgressMeter};
use super::{TRANSFER_LIMIT, large_up, multipart};
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::files::{MAX_UPLOAD_FILES, UPLOAD_LIMIT, upload_path};
use bytes::Bytes;
use reqwest::Method;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// One file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file on this machine. Symbolic links are followed; only regular files are accepted.
    pub from: PathBuf,
    /// The target, relative to the session's home folder or absolute below it. Missing folders are made.
    pub to: String,
}

impl Upload {
    /// The file `from` of this machine, to the target `to`.
    pub fn new(from: impl Into<PathBuf>, to: impl Into<String>) -> Self {
        Upload { from: from.into(), to: to.into() }
    }
}

/// Options of [`ComputeSession::upload`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// Whether files that exist in the session may be replaced. Without this the upload is refused as a whole before the
    /// first file is sent, with [`ErrorKind::AlreadyExists`].
    pub overwrite: bool,
}

impl ComputeSession {
    /// Uploads files of any size, in as many calls as the server's limits require. All files are checked before the first
    /// one is sent.
    ///
    /// # Errors
    /// As [`ComputeSession::upload_with`].
    pub async fn upload(&self, files: &[Upload], options: UploadOptions) -> Result<(), ClientError> {
        self.upload_with(files, options, |_| {}).await
    }

    /// Uploads files of any size, and reports the progress.
    ///
    /// Servers accept files of less than 1 MiB. A larger file is sent in parts to the folder `.bai-repl` in the home
    /// folder. A small shell command in the session joins them and compares the SHA-256; until then the target is
    /// unchanged. That command is a run and waits for the current one. An interrupted upload continues when it is called
    /// again for the same file and target. Large files are sent first.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for a target outside of the home folder; [`ErrorKind::AlreadyExists`] for an existing
    /// target, unless the options allow replacing it; [`ErrorKind::Local`] for a file that cannot be read;
    /// [`ErrorKind::Refused`] if the session cannot write there, or a folder is there; [`ErrorKind::Lost`] if the file
    /// arrived damaged twice; else what the server says.
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
        let targets: Vec<_> = small.iter().chain(&large).map(|(_, to)| to.as_str()).collect();
        refuse_repeated(&targets)?;
        if !options.overwrite {
            self.refuse_existing(&targets).await?;
        }
        let sent = self.send_all(&large, &small, &mut meter).await;
        let Err(error) = sent else { return Ok(()) };
        let targets: Vec<_> = small.iter().chain(&large).map(|(_, to)| to.as_str()).collect();
        Err(self.explain_refusal(error, &targets).await)
    }

    async fn send_all(
        &self,
        large: &[(&Upload, String)],
        small: &[(&Upload, String)],
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        for (file, to) in large {
            self.send_large(open(&file.from)?.0, to, meter).await?;
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
        let Err(error) = self.send_content(&to, content).await else { return Ok(()) };
        Err(self.explain_refusal(error, &[&to]).await)
    }

    async fn send_content(&self, to: &str, content: Bytes) -> Result<(), ClientError> {
        if (content.len() as u64) < UPLOAD_LIMIT {
            return self.send_files(&[(to.to_owned(), content)]).await;
        }
        let what = format!("upload {to}");
        let spooled = large_up::blocking(&what, move || {
            let mut file = tempfile::tempfile()?;
            file.write_all(&content)?;
            file.rewind().map(|()| file)
        });
        let file = spooled.await?;
        self.send_large(file, to, &mut ProgressMeter::new(&mut |_: &Progress<'_>| {})).await
    }

    pub(super) async fn send_files(&self, parts: &[(String, Bytes)]) -> Result<(), ClientError> {
        let (content_type, body) = multipart::form(parts);
        let call = self.at.request("upload", Method::POST, "/upload").await?;
        call.body(&content_type, body).within(TRANSFER_LIMIT).send().await.map(drop)
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

/// Opens a regular file, and returns its size.
fn open(from: &Path) -> Result<(std::fs::File, u64), ClientError> {
    let what = || format!("read {}", from.display());
    let failed = |error: std::io::Error| {
        ClientError::new(ErrorKind::Local, what(), error.to_string()).with_source(error)
    };
    // Check before opening: opening a FIFO would wait for a writer.
    let metadata = std::fs::metadata(from).map_err(failed)?;
    if !metadata.is_file() {
        return Err(ClientError::new(ErrorKind::Local, what(), "it is not a regular file"));
    }
    Ok((std::fs::File::open(from).map_err(failed)?, metadata.len()))
}

/// Reads the current content of a file, if it is small enough. The file may be growing or shrinking meanwhile.
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
    fn unusable_files_are_reported_before_the_upload_starts() {
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
