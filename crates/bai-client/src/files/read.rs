//! Reading one file: into memory, or piece by piece. What a server does not give at once is fetched in parts, as a download.

use super::large_down::LargeDownload;
use super::large_up::{PART, blocking, patiently};
use super::progress::{Progress, ProgressMeter};
use super::{Place, REPLY_LIMIT, missing, outside_or, plan, refuse_empty};
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_private::TemporaryFolder;
use bai_protocol::capability::Capability;
use bai_protocol::files::FileEntry;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use tokio::sync::mpsc;

impl ComputeSession {
    /// The content of one file, of up to 64 MiB.
    ///
    /// Genuine servers send files of less than about 1 MiB. A larger file is fetched in parts there, as
    /// [`ComputeSession::download_with`] does: with a small command in the session, which waits for the current run.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] for a missing file; [`ErrorKind::NotFound`] for a symbolic link to one; [`ErrorKind::Refused`] for a folder and for a file that is too large;
    /// [`ErrorKind::BadRequest`] for an empty path; else what the server says.
    pub async fn read_file(&self, path: &str) -> Result<Bytes, ClientError> {
        refuse_empty("read the file", path)?;
        let error = match patiently(|| self.read_small(path)).await {
            Ok(content) => return Ok(content),
            Err(error) => error,
        };
        if error.kind() == ErrorKind::NoSuchFile {
            return Err(missing(path));
        }
        // Genuine servers have one answer for a file that is too large, a folder, and a missing file.
        if !matches!(error.kind(), ErrorKind::Server | ErrorKind::BadRequest | ErrorKind::Refused) {
            return Err(error);
        }
        let (parent, name) = plan::split(path);
        let Ok(Place::Folder(entries)) = self.place(&parent).await else { return Err(error) };
        let any_name = self.api().has(Capability::ByteNames).await;
        let refuse =
            |why: String| Err(ClientError::new(ErrorKind::Refused, "read the file", why).into_sentence());
        match self.named(path, entries).await? {
            None if name.is_empty() => Err(error),
            None => Err(missing(path)),
            Some((entry, _)) if entry.is_dir() => refuse(format!("{path} is a folder")),
            Some((entry, _)) if plan::is_special(&entry) => {
                refuse(format!("{path} is neither a file nor a folder"))
            }
            Some((entry, _)) if entry.size > REPLY_LIMIT as u64 => {
                refuse(format!("{path} is larger than 64 MiB, so it must be downloaded"))
            }
            Some((entry, followed)) if plan::is_sent_in_parts(path, &entry, followed, any_name) => {
                self.read_large(path, entry).await
            }
            Some(_) => Err(error),
        }
    }

    /// Sends the content of one file of any size to `pieces`, in order, until nobody takes them any more.
    ///
    /// A file that grows is given as long as it was at the start. Genuine servers send larger files in parts, as for
    /// [`ComputeSession::download_with`]; these are gathered in the temporary folder of this machine first.
    ///
    /// # Errors
    /// As [`ComputeSession::read_file`], but for any size; [`ErrorKind::Refused`] for a file that changes meanwhile. Pieces may have
    /// been sent before.
    pub async fn read_file_in_pieces(
        &self,
        path: &str,
        pieces: &mpsc::Sender<Bytes>,
    ) -> Result<(), ClientError> {
        refuse_empty("read the file", path)?;
        let listed = match self.place(&plan::split(path).0).await {
            Ok(Place::Folder(entries)) => self.named(path, entries).await?,
            _ => None,
        };
        let capabilities = self.api().capabilities().await;
        let (has_ranges, any_name) =
            (capabilities.has(Capability::FileRanges), capabilities.has(Capability::ByteNames));
        // This also tells whether the file may be transferred at all.
        if has_ranges && self.checksum(path, Some(0)).await.is_ok() {
            let large = listed.map(|(entry, _)| entry).filter(plan::is_large);
            return self.read_ranges(path, large, pieces).await;
        }
        let in_parts = |(entry, followed): &(FileEntry, bool)| {
            plan::is_file(entry) && plan::is_sent_in_parts(path, entry, *followed, any_name)
        };
        match listed.filter(|found| !has_ranges && in_parts(found)) {
            Some((entry, _)) => {
                let (_folder, file) = self.fetch_aside(path, entry).await?;
                let what = format!("read {path}");
                let mut file = blocking(&what, move || File::open(file)).await?;
                loop {
                    let (back, piece) = blocking(&what, move || next_piece(file)).await?;
                    if piece.is_empty() || pieces.send(piece.into()).await.is_err() {
                        return Ok(());
                    }
                    file = back;
                }
            }
            None => {
                // Nobody may want it any more.
                let _ = pieces.send(self.read_file(path).await?).await;
                Ok(())
            }
        }
    }

    /// Reads ranges, as many bytes as are listed, or all.
    async fn read_ranges(
        &self,
        path: &str,
        listed: Option<FileEntry>,
        pieces: &mpsc::Sender<Bytes>,
    ) -> Result<(), ClientError> {
        let all = listed.map_or(u64::MAX, |entry| entry.size);
        let (mut offset, mut sum) = (0, Sha256::new());
        while offset < all {
            let wanted = PART.min(all - offset);
            let piece = patiently(|| self.read_range(path, offset, wanted)).await?;
            sum.update(&piece);
            let size = piece.len() as u64;
            offset += size;
            if pieces.send(piece).await.is_err() {
                return Ok(());
            }
            if size < wanted {
                break;
            }
        }
        let now = patiently(|| self.checksum(path, Some(offset))).await?;
        if offset < all && all != u64::MAX || now.sha256 != hex::encode(sum.finalize()) {
            let why = format!("{path}: it changes while it is read");
            return Err(ClientError::new(ErrorKind::Refused, "read the file", why).into_sentence());
        }
        Ok(())
    }

    /// The first `most` bytes of one file. If the server sends the whole file, the rest is not read. Genuine servers
    /// refuse a file of more than 1 MiB.
    ///
    /// # Errors
    /// What the server says. Modern servers answer 500 for a missing file.
    pub async fn read_file_start(&self, path: &str, most: u64) -> Result<Bytes, ClientError> {
        let most = usize::try_from(most).unwrap_or(REPLY_LIMIT).min(REPLY_LIMIT);
        let query = [("file", path)];
        let reply = self.post_or_get("read the file", "/download_single", &query, Some(most)).await;
        reply.map(|reply| reply.body).map_err(|error| error.of_file("read", path))
    }

    /// The content of a file that the server gives at once.
    pub(super) async fn read_small(&self, path: &str) -> Result<Bytes, ClientError> {
        let reply = self.post_or_get("read the file", "/download_single", &[("file", path)], None).await;
        reply.map(|reply| reply.body).map_err(|error| outside_or(error, path).of_file("read", path))
    }

    async fn read_large(&self, path: &str, entry: FileEntry) -> Result<Bytes, ClientError> {
        let (_folder, file) = self.fetch_aside(path, entry).await?;
        blocking(&format!("read {path}"), move || std::fs::read(file).map(Bytes::from)).await
    }

    /// Fetches a large file into a temporary folder.
    async fn fetch_aside(
        &self,
        path: &str,
        entry: FileEntry,
    ) -> Result<(TemporaryFolder, PathBuf), ClientError> {
        let what = format!("read {path}");
        let folder = blocking(&what, TemporaryFolder::new).await?;
        let into = folder.path().to_owned();
        let wanted =
            LargeDownload { path: path.to_owned(), entry, into, below: Vec::new(), overwrite: false };
        let mut meter = |_: &Progress<'_>| {};
        let (name, _) = self.fetch_large(wanted, &mut ProgressMeter::new(&mut meter)).await?;
        let file = folder.path().join(name);
        Ok((folder, file))
    }
}

fn next_piece(mut file: File) -> io::Result<(File, Vec<u8>)> {
    let mut piece = Vec::new();
    file.by_ref().take(PART).read_to_end(&mut piece)?;
    Ok((file, piece))
}
