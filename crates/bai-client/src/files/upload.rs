//! Uploads: all files are checked first. Small files go together, large ones in parts.

use super::existing::refuse_repeated;
use super::multipart::OutgoingPart;
use super::progress::{Progress, ProgressMeter};
use super::refused::not_a_file;
use super::shell::word;
use super::{TRANSFER_LIMIT, large_up, multipart};
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::capability::Capability;
use bai_protocol::files::{MAX_UPLOAD_FILES, UPLOAD_LIMIT, upload_path};
use bytes::Bytes;
use reqwest::Method;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How many folders one command makes.
const FOLDERS: usize = 200;

/// One file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file on this machine. Symbolic links are followed; only regular files are accepted.
    pub from: PathBuf,
    /// The target, relative to the session's home folder or absolute below it. Missing folders are made. A name that is
    /// not UTF-8 is written as [`bai_protocol::byte_text`] does.
    ///
    /// An existing symbolic link is replaced itself, never its target. A folder is never replaced.
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
    /// again for the same file and target. Large files are sent first. A small file that replaces a symbolic link is sent in
    /// the same way, as genuine servers would write through the link, and so is one whose name a server cannot take.
    ///
    /// On clusters, a small file and the folders that are made for it belong to the user of the server, often root. The
    /// session can read them, but must not write to them, so a large upload to such a folder is refused. A folder that the
    /// session makes first, or that a large upload makes, takes files of any size. Large files and small ones may also be
    /// uploaded to a new folder in one call. Below a folder that is mounted in the session (a virtual folder), genuine servers
    /// store small files where the session cannot see them: upload them to the home folder, and move them there.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a target outside of the home folder; [`ErrorKind::AlreadyExists`] for an existing
    /// target, unless the options allow replacing it; [`ErrorKind::Local`] for a file that cannot be read;
    /// [`ErrorKind::Refused`] if the session cannot write there, a folder is there, or a file is where a folder is needed; [`ErrorKind::Lost`] if the file
    /// arrived damaged twice; else what the server says.
    pub async fn upload_with(
        &self,
        files: &[Upload],
        options: UploadOptions,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<(), ClientError> {
        let mut outgoing = Vec::with_capacity(files.len());
        for Upload { from, to } in files {
            let (to, (file, size)) = (target(to)?, open(from)?);
            let executable = file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0);
            outgoing.push(Outgoing { to, size, executable, content: Content::File(from.clone()) });
        }
        self.send(outgoing, options, &mut ProgressMeter::new(&mut on_progress)).await
    }

    async fn send(
        &self,
        files: Vec<Outgoing>,
        options: UploadOptions,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        let targets: Vec<_> = files.iter().map(|file| file.to.as_str()).collect();
        refuse_repeated(&targets)?;
        let links = self.check_targets(&targets, options.overwrite).await?;
        files.iter().for_each(|file| meter.expect(file.size));
        // A genuine server writes a small file through a link. The session's own command replaces the link.
        let any_name = self.api().has(Capability::ByteNames).await;
        let by_command = |file: &Outgoing| {
            file.size >= UPLOAD_LIMIT
                || links.contains(&file.to)
                || !any_name && !multipart::is_plain(&file.to)
        };
        let (large, small): (Vec<_>, Vec<_>) = files.into_iter().partition(by_command);
        for file in large {
            self.send_large(file.content.into_file(&file.to).await?, &file.to, file.executable, meter)
                .await?;
        }
        for call in small.chunks(MAX_UPLOAD_FILES) {
            let mut parts = Vec::with_capacity(call.len());
            for file in call {
                let (name, content) = (file.to.clone(), file.content.bytes()?);
                parts.push(OutgoingPart { name, content, executable: file.executable });
            }
            self.send_files(&parts).await?;
            for part in &parts {
                meter.whole(&part.name, part.content.len() as u64);
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
        let (to, size) = (target(to)?, content.len() as u64);
        let file = Outgoing { to, size, executable: false, content: Content::Memory(content) };
        self.send(vec![file], options, &mut ProgressMeter::new(&mut |_: &Progress<'_>| {})).await
    }

    /// Makes folders in the session, with those above them. A server other than our own needs a small shell command in the
    /// session for it, which waits for the current run. The paths are as in [`Upload`].
    ///
    /// # Errors
    /// As [`ComputeSession::upload_with`].
    pub async fn create_folders(&self, folders: &[String]) -> Result<(), ClientError> {
        let folders = folders.iter().map(|folder| target(folder)).collect::<Result<Vec<_>, _>>()?;
        let at_once = if self.api().has(Capability::ByteNames).await { MAX_UPLOAD_FILES } else { FOLDERS };
        for some in folders.chunks(at_once) {
            if at_once == FOLDERS {
                let words: Vec<String> = some.iter().map(|folder| word(folder)).collect();
                self.shell_ok("make folders", &format!("mkdir -p {}", words.join(" "))).await?;
                continue;
            }
            let part = |folder| OutgoingPart {
                name: format!("{folder}/"),
                content: Bytes::new(),
                executable: false,
            };
            self.send_files(&some.iter().map(part).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    pub(super) async fn send_files(&self, parts: &[OutgoingPart]) -> Result<(), ClientError> {
        let (content_type, body) = multipart::form(parts);
        let call = self.at.request("upload", Method::POST, "/upload").await?;
        call.body(&content_type, body).within(TRANSFER_LIMIT).send().await.map(drop)
    }
}

/// A file that is checked and to be sent.
struct Outgoing {
    /// The target, relative to the home folder.
    to: String,
    size: u64,
    executable: bool,
    content: Content,
}

/// Where the content of a file is.
enum Content {
    File(PathBuf),
    Memory(Bytes),
}

impl Content {
    /// The content of a small file.
    fn bytes(&self) -> Result<Bytes, ClientError> {
        match self {
            Content::File(from) => read(from).map(Bytes::from),
            Content::Memory(content) => Ok(content.clone()),
        }
    }

    /// The content as an open file.
    async fn into_file(self, to: &str) -> Result<File, ClientError> {
        let content = match self {
            Content::File(from) => return Ok(open(&from)?.0),
            Content::Memory(content) => content,
        };
        let spool = move || {
            let mut file = tempfile::tempfile()?;
            file.write_all(&content)?;
            file.rewind().map(|()| file)
        };
        large_up::blocking(&format!("upload {to}"), spool).await
    }
}

fn target(to: &str) -> Result<String, ClientError> {
    upload_path(to).ok_or_else(|| super::refused::outside(to))
}

/// Opens a regular file, and returns its size.
fn open(from: &Path) -> Result<(File, u64), ClientError> {
    let what = || format!("read {}", from.display());
    let failed = |error: std::io::Error| {
        ClientError::new(ErrorKind::Local, what(), error.to_string()).with_source(error)
    };
    // Check before opening: opening a FIFO would wait for a writer.
    let metadata = std::fs::metadata(from).map_err(failed)?;
    if let Some(kind) = not_a_file(&metadata) {
        return Err(ClientError::new(ErrorKind::Local, what(), format!("it is {kind}")));
    }
    Ok((File::open(from).map_err(failed)?, metadata.len()))
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
            File::create(&path).unwrap().set_len(size).unwrap();
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
        assert_eq!(target("a\nb").unwrap(), "a\nb");
        assert_eq!(target("../a").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(target("/home/work/a b").unwrap(), "a b");
    }
}
