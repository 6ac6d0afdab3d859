//! Uploads: all files are checked first. Small files go together, large ones in parts.

use super::equal::{checksum_of, local_checksums};
use super::existing::{CheckedTargets, refuse_repeated, split};
use super::large_up::{LargeTarget, patiently};
use super::multipart::OutgoingPart;
use super::outcome::{Skipped, is_about_one_file};
use super::permissions::LatePermissions;
use super::progress::{Progress, ProgressMeter};
use super::refused::{not_a_file, taken_meanwhile};
use super::{TRANSFER_LIMIT, large_up, multipart};
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::capability::Capability;
use bai_protocol::files::{MAX_UPLOAD_FILES, UPLOAD_LIMIT, upload_path};
use bytes::Bytes;
use reqwest::Method;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The permissions that a new file may take over from its source: only its owner may write to it.
const RIGHTS: u32 = 0o755;
/// The permissions of a folder that everybody may read.
pub(super) const PUBLIC: u32 = 0o055;
/// The status of an upload that would replace a file.
const PRECONDITION_FAILED: u16 = 412;

/// One file or folder to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The file on this machine. Symbolic links are followed; only regular files are accepted.
    pub from: PathBuf,
    /// The target, relative to the session's home folder or absolute below it. Missing folders are made. A name that is
    /// not UTF-8 is written as [`bai_protocol::byte_text`] does.
    ///
    /// An existing symbolic link is replaced itself, never its target. A folder is never replaced.
    pub to: String,
    pub(crate) is_folder: bool,
}

impl Upload {
    /// The file `from` of this machine, to the target `to`.
    pub fn new(from: impl Into<PathBuf>, to: impl Into<String>) -> Self {
        Upload { from: from.into(), to: to.into(), is_folder: false }
    }

    /// The folder `from` of this machine, without what is in it. A new folder has no more rights than this one. A server other than
    /// our own needs a small shell command in the session for it, which waits for the current run.
    pub fn folder(from: impl Into<PathBuf>, to: impl Into<String>) -> Self {
        Upload { from: from.into(), to: to.into(), is_folder: true }
    }
}

/// Options of [`ComputeSession::upload`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// Whether files that exist in the session may be replaced. Without this the upload is refused as a whole before the
    /// first file is sent, with [`ErrorKind::AlreadyExists`]. A file that is made meanwhile is not replaced either. On genuine
    /// servers, a small file is replaced that is made in the moment between the last look and the call.
    pub overwrite: bool,
}

impl ComputeSession {
    /// Uploads files of any size, in as many calls as the server's limits require. All files are checked before the first
    /// one is sent.
    ///
    /// # Errors
    /// As [`ComputeSession::upload_with`].
    pub async fn upload(&self, files: &[Upload], options: UploadOptions) -> Result<Uploaded, ClientError> {
        self.upload_with(files, options, |_| {}).await
    }

    /// Uploads files of any size, and reports the progress.
    ///
    /// A file that is there and equal has arrived already. A file that cannot be read, or that changes while it is sent, is left
    /// out, and the others are sent. One that grows arrives as long as it was when its transfer began.
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
    /// uploaded to a new folder in one call. The right to execute a small file is given there by a command, and so is the privacy of a small
    /// file or a folder: until the command has run, other users of the session's machine may read them. Below a folder that is
    /// mounted in the session (a virtual folder), genuine servers store small files where the session cannot see them: such a
    /// file is noticed, and sent as a large one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a target outside of the home folder; [`ErrorKind::AlreadyExists`] for an existing
    /// target that differs, unless the options allow replacing it; [`ErrorKind::Local`] for an only file that cannot be read;
    /// [`ErrorKind::Refused`] if the session cannot write there, a folder is there, or a file is where a folder is needed; else
    /// what the server says. The failure of one file is an error if it is the only one.
    pub async fn upload_with(
        &self,
        files: &[Upload],
        options: UploadOptions,
        on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<Uploaded, ClientError> {
        let mut uploaded = Uploaded::default();
        self.upload_into(files, options, &mut uploaded, on_progress).await?;
        Ok(uploaded)
    }

    /// As [`ComputeSession::upload_with`]. What has arrived is in `uploaded` also after an error, and when the call is dropped
    /// in the middle.
    ///
    /// # Errors
    /// As [`ComputeSession::upload_with`].
    pub async fn upload_into(
        &self,
        files: &[Upload],
        options: UploadOptions,
        uploaded: &mut Uploaded,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<(), ClientError> {
        let outgoing = outgoing(files, uploaded)?;
        self.send(outgoing, options, uploaded, &mut ProgressMeter::new(&mut on_progress)).await
    }

    pub(super) async fn send(
        &self,
        mut files: Vec<Outgoing>,
        options: UploadOptions,
        uploaded: &mut Uploaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        refuse_repeated(&files.iter().map(|file| file.to.as_str()).collect::<Vec<_>>())?;
        let checked = self.check_targets(&files, options.overwrite).await?;
        let CheckedTargets { links, here, present, .. } = &checked;
        files.iter().for_each(|file| meter.expect(file.size));
        let mut folders: Vec<_> = files.extract_if(.., |file| file.is_folder()).collect();
        // One that is in another comes after it.
        folders.sort_by(|one, other| one.to.cmp(&other.to));
        let is_only_one = files.len() == 1;
        for file in files.extract_if(.., |file| here.contains_key(&file.to)) {
            uploaded.here(file, here, meter);
        }
        // A genuine server writes a small file through a link. The session's own command replaces the link.
        let any_name = self.api().has(Capability::ByteNames).await;
        let by_command = |file: &Outgoing| {
            file.size >= UPLOAD_LIMIT
                || links.contains(&file.to)
                || !any_name && !multipart::is_stored_everywhere(&file.to)
        };
        let (large, small): (Vec<_>, Vec<_>) = files.into_iter().partition(by_command);
        let mut late = LatePermissions::default();
        if any_name {
            self.send_folders(&folders).await?;
        } else {
            late = LatePermissions::of(small.iter().chain(&folders), present);
            let parents = small.iter().map(|file| split(&file.to).0);
            let parents = parents.filter(|folder| checked.absent.contains(*folder)).collect();
            let folders: Vec<_> = folders.iter().map(|folder| folder.to.as_str()).collect();
            self.own_folders(&folders, parents).await?;
        }
        self.send_by_command(large, options, is_only_one, uploaded, meter).await?;
        let (small, hidden) = match any_name {
            true => (small, Vec::new()),
            false => self.try_folders(small, &checked, options, is_only_one, uploaded, meter).await?,
        };
        self.send_by_command(hidden, options, is_only_one, uploaded, meter).await?;
        let is_exclusive = self.api().has(Capability::ExclusiveUploads).await;
        for call in small.chunks(MAX_UPLOAD_FILES) {
            if !options.overwrite && !is_exclusive {
                self.check_again(call).await?;
            }
            self.send_small(call, options, is_only_one, uploaded, meter).await?;
        }
        uploaded.skipped.extend(self.give_permissions(&late).await?);
        Ok(())
    }

    /// Sends files in parts, which a command of the session joins. It sees what the session sees.
    async fn send_by_command(
        &self,
        files: Vec<Outgoing>,
        options: UploadOptions,
        is_only_one: bool,
        uploaded: &mut Uploaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        for file in files {
            let sent = match file.content.open(&file.to).await {
                Ok(content) => {
                    let target = LargeTarget { to: &file.to, mode: file.mode, replaces: options.overwrite };
                    self.send_large(content, target, meter).await
                }
                Err(error) => Err(error),
            };
            match sent {
                Ok(sent) => uploaded.files.push(sent),
                Err(error) if is_only_one || !is_about_one_file(&error) => return Err(error),
                Err(error) => uploaded.skip(&error, &file.content.shown(&file.to)),
            }
        }
        Ok(())
    }

    pub(super) async fn send_small(
        &self,
        files: &[Outgoing],
        options: UploadOptions,
        is_only_one: bool,
        uploaded: &mut Uploaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        let mut parts = Vec::with_capacity(files.len());
        for file in files {
            match file.content.bytes(file.size) {
                Ok(content) => {
                    let (name, mode) = (file.to.clone(), file.mode);
                    parts.push(OutgoingPart { name, content, mode, replaces: options.overwrite });
                }
                Err(error) if is_only_one => return Err(error),
                Err(error) => uploaded.skip(&error, &file.content.shown(&file.to)),
            }
        }
        if parts.len() > 1 {
            match self.send_files(&parts).await {
                // One of them is the reason.
                Err(error) if is_about_one_file(&error) => {}
                sent => {
                    sent?;
                    parts.iter().for_each(|part| uploaded.arrived(part, meter));
                    return Ok(());
                }
            }
        }
        for part in &parts {
            match self.send_one(part).await {
                Ok(()) => uploaded.arrived(part, meter),
                Err(error) if is_only_one || !is_about_one_file(&error) => return Err(error),
                Err(error) => uploaded.skip(&error, &part.name),
            }
        }
        Ok(())
    }

    /// Sends one small file. One that is there meanwhile, and equal, has arrived.
    async fn send_one(&self, part: &OutgoingPart) -> Result<(), ClientError> {
        match self.send_files(std::slice::from_ref(part)).await {
            Err(error) if error.status() == Some(PRECONDITION_FAILED) => {
                let there = self.checksums(std::slice::from_ref(&part.name)).await?.pop().flatten();
                let is_equal = there.is_some() && there == checksum_of(part.content.as_ref()).ok();
                if is_equal { Ok(()) } else { Err(taken_meanwhile(&part.name)) }
            }
            sent => sent.map_err(|error| error.of_file("upload", &part.name)),
        }
    }

    /// Looks once more for files in the way, on a server that replaces them without a question. It may take a while until a file is
    /// sent; after this it is only a moment.
    pub(super) async fn check_again(&self, files: &[Outgoing]) -> Result<(), ClientError> {
        match self.check_targets(files, false).await {
            Err(error) => {
                Err(error.existing().first().map(|target| taken_meanwhile(target)).unwrap_or(error))
            }
            Ok(_) => Ok(()),
        }
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
        let file = Outgoing { to, size, mode: multipart::MODE, content: Content::Memory(content) };
        let mut uploaded = Uploaded::default();
        self.send(vec![file], options, &mut uploaded, &mut ProgressMeter::new(&mut |_: &Progress<'_>| {}))
            .await
    }

    /// Makes folders with their permissions, on our own server.
    async fn send_folders(&self, folders: &[Outgoing]) -> Result<(), ClientError> {
        for some in folders.chunks(MAX_UPLOAD_FILES) {
            let part = |folder: &Outgoing| OutgoingPart {
                name: format!("{}/", folder.to),
                content: Bytes::new(),
                mode: folder.mode,
                replaces: true,
            };
            self.send_files(&some.iter().map(part).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Sends small files in one call, again if the connection fails: what has arrived then is the same.
    pub(super) async fn send_files(&self, parts: &[OutgoingPart]) -> Result<(), ClientError> {
        patiently(|| async {
            let (content_type, body) = multipart::form(parts);
            let call = self.at.request("upload", Method::POST, "/upload").await?;
            call.body(&content_type, body).within(TRANSFER_LIMIT).send().await.map(drop)
        })
        .await
    }
}

/// The result of [`ComputeSession::upload_with`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uploaded {
    /// The files that have arrived, also those that were there already, with an earlier call.
    pub files: Vec<UploadedFile>,
    /// Files that were left out, and those that arrived in part, each with the reason.
    pub skipped: Vec<Skipped>,
    /// Where the storage of a virtual folder keeps what has arrived of a file that did not arrive whole.
    pub(crate) unfinished: Option<String>,
}

/// A file that has arrived in the session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadedFile {
    /// Its path, relative to the home folder.
    pub to: String,
    /// How many bytes have been sent. The file on this machine may have grown or shrunk meanwhile.
    pub bytes: u64,
    /// The SHA-256 of these bytes, in lower-case hex.
    pub sha256: String,
}

impl Uploaded {
    /// The path in a virtual folder at which the storage keeps what has arrived of a file that did not arrive whole. It uses space until
    /// it is removed.
    pub fn unfinished(&self) -> Option<&str> {
        self.unfinished.as_deref()
    }

    fn skip(&mut self, error: &ClientError, name: &str) {
        self.skipped.push(Skipped::after(error, name));
    }

    /// Adds a file that was there already, and equal. `sums` has the SHA-256 of such files.
    pub(super) fn here(
        &mut self,
        file: Outgoing,
        sums: &BTreeMap<String, String>,
        meter: &mut ProgressMeter<'_>,
    ) {
        meter.whole(&file.to, file.size);
        let sha256 = sums.get(&file.to).cloned().unwrap_or_default();
        self.files.push(UploadedFile { to: file.to, bytes: file.size, sha256 });
    }

    fn arrived(&mut self, part: &OutgoingPart, meter: &mut ProgressMeter<'_>) {
        let bytes = part.content.len() as u64;
        meter.whole(&part.name, bytes);
        let sha256 = hex::encode(Sha256::digest(&part.content));
        self.files.push(UploadedFile { to: part.name.clone(), bytes, sha256 });
    }
}

/// A file that is checked and to be sent.
pub(super) struct Outgoing {
    /// The target, relative to the home folder.
    pub(super) to: String,
    pub(super) size: u64,
    /// The permissions of a new file.
    pub(super) mode: u32,
    pub(super) content: Content,
}

/// Where the content of a file is.
pub(super) enum Content {
    File(PathBuf),
    Memory(Bytes),
    /// A folder of this machine.
    Folder(PathBuf),
}

impl Outgoing {
    /// Whether it is a folder, without what is in it.
    pub(super) fn is_folder(&self) -> bool {
        matches!(self.content, Content::Folder(_))
    }
}

impl Content {
    /// The content of a small file, of this size when it was found.
    fn bytes(&self, size: u64) -> Result<Bytes, ClientError> {
        match self {
            Content::File(from) => read(from, size).map(Bytes::from),
            Content::Memory(content) => Ok(content.clone()),
            Content::Folder(_) => Ok(Bytes::new()),
        }
    }

    /// The content as an open file.
    async fn open(&self, to: &str) -> Result<File, ClientError> {
        let content = match self {
            Content::File(from) => return Ok(open_source(from)?.0),
            Content::Memory(content) => content.clone(),
            Content::Folder(_) => Bytes::new(),
        };
        let spool = move || {
            let mut file = tempfile::tempfile()?;
            file.write_all(&content)?;
            file.rewind().map(|()| file)
        };
        large_up::blocking(&format!("upload {to}"), spool).await
    }

    /// Its SHA-256; `None` if it cannot be read.
    pub(super) async fn checksum(&self) -> Result<Option<String>, ClientError> {
        match self {
            Content::File(from) => Ok(local_checksums(vec![from.clone()]).await?.pop().flatten()),
            Content::Memory(content) => Ok(checksum_of(content.as_ref()).ok()),
            Content::Folder(_) => Ok(None),
        }
    }

    /// The file's name for people.
    fn shown(&self, to: &str) -> String {
        match self {
            Content::File(from) | Content::Folder(from) => from.display().to_string(),
            Content::Memory(_) => to.to_owned(),
        }
    }
}

/// The files to upload that can be read. Others are left out, but an only one is an error.
pub(super) fn outgoing(files: &[Upload], uploaded: &mut Uploaded) -> Result<Vec<Outgoing>, ClientError> {
    let mut outgoing = Vec::with_capacity(files.len());
    for Upload { from, to, is_folder } in files {
        let to = target(to)?;
        if *is_folder {
            // One that has vanished has no rights to take over.
            let mode = std::fs::metadata(from).map_or(0o700, |metadata| metadata.permissions().mode());
            let content = Content::Folder(from.clone());
            outgoing.push(Outgoing { to, size: 0, mode: mode & RIGHTS | 0o700, content });
            continue;
        }
        match open_source(from) {
            Ok((file, size)) => {
                let mode = file.metadata().map_or(0o600, |metadata| metadata.permissions().mode());
                let content = Content::File(from.clone());
                outgoing.push(Outgoing { to, size, mode: mode & RIGHTS, content });
            }
            Err(error) if files.len() > 1 => uploaded.skip(&error, &from.display().to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(outgoing)
}

fn target(to: &str) -> Result<String, ClientError> {
    upload_path(to).ok_or_else(|| super::refused::outside(to))
}

/// Opens a regular file, and returns its size.
pub(crate) fn open_source(from: &Path) -> Result<(File, u64), ClientError> {
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

/// Reads a small file, as much as it had when it was found. It may be growing or shrinking meanwhile.
fn read(from: &Path, size: u64) -> Result<Vec<u8>, ClientError> {
    let mut content = Vec::new();
    open_source(from)?.0.take(size.min(UPLOAD_LIMIT - 1)).read_to_end(&mut content).map_err(|error| {
        let what = format!("read {}", from.display());
        ClientError::new(ErrorKind::Local, what, error.to_string()).with_source(error)
    })?;
    Ok(content)
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
        assert_eq!(read(&file("zero", 0), 0).unwrap(), b"");
        assert_eq!(read(&file("small", 7), 7).unwrap().len(), 7);
        let grown = file("grown", UPLOAD_LIMIT + 1);
        assert_eq!(read(&grown, 9).unwrap().len(), 9);
        assert_eq!(read(&grown, UPLOAD_LIMIT - 1).unwrap().len() as u64, UPLOAD_LIMIT - 1);
        assert_eq!(open_source(&file("huge", 3 << 30)).unwrap().1, 3 << 30);
        assert_eq!(open_source(folder.path()).unwrap_err().kind(), ErrorKind::Local);
        assert_eq!(open_source(&folder.path().join("none")).unwrap_err().kind(), ErrorKind::Local);
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(open_source(&fifo).unwrap_err().kind(), ErrorKind::Local);
        assert_eq!(target("a\nb").unwrap(), "a\nb");
        assert_eq!(target("../a").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(target("/home/work/a b").unwrap(), "a b");
    }
}
