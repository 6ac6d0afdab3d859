//! Reading one file into memory. What a server does not give at once is fetched in parts, as a download.

use super::large_down::LargeDownload;
use super::large_up::blocking;
use super::progress::{Progress, ProgressMeter};
use super::{Place, REPLY_LIMIT, missing, plan, refuse_empty};
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::files::FileEntry;
use bytes::Bytes;

impl ComputeSession {
    /// The content of one file, of up to 64 MiB.
    ///
    /// Genuine servers send files of less than about 1 MiB. A larger file is fetched in parts there, as
    /// [`ComputeSession::download_with`] does: with a small command in the session, which waits for the current run.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a missing file; [`ErrorKind::Refused`] for a folder and for a file that is too large;
    /// [`ErrorKind::BadRequest`] for an empty path; else what the server says.
    pub async fn read_file(&self, path: &str) -> Result<Bytes, ClientError> {
        refuse_empty("read the file", path)?;
        let error = match self.read_small(path).await {
            Ok(content) => return Ok(content),
            Err(error) => error,
        };
        // Genuine servers have one answer for a file that is too large, a folder, and a missing file.
        if !matches!(error.kind(), ErrorKind::Server | ErrorKind::BadRequest | ErrorKind::Refused) {
            return Err(error);
        }
        let (parent, name) = plan::split(path);
        let Ok(Place::Folder(entries)) = self.place(&parent).await else { return Err(error) };
        let refuse = |kind, why: String| Err(ClientError::new(kind, "read the file", why).into_sentence());
        match entries.into_iter().find(|entry| entry.filename == name) {
            None if name.is_empty() => Err(error),
            None => refuse(ErrorKind::NotFound, missing(path)),
            Some(entry) if entry.is_dir() => refuse(ErrorKind::Refused, format!("{path} is a folder")),
            Some(entry) if plan::is_special(&entry) => {
                refuse(ErrorKind::Refused, format!("{path} is neither a file nor a folder"))
            }
            Some(entry) if entry.size > REPLY_LIMIT as u64 => {
                refuse(ErrorKind::Refused, format!("{path} is larger than 64 MiB, so it must be downloaded"))
            }
            Some(entry) if plan::is_large(&entry) => self.read_large(path, entry).await,
            Some(_) => Err(error),
        }
    }

    /// The first `most` bytes of one file. If the server sends the whole file, the rest is not read. Genuine servers
    /// refuse a file of more than 1 MiB.
    ///
    /// # Errors
    /// What the server says. Modern servers answer 500 for a missing file.
    pub async fn read_file_start(&self, path: &str, most: u64) -> Result<Bytes, ClientError> {
        let most = usize::try_from(most).unwrap_or(REPLY_LIMIT).min(REPLY_LIMIT);
        let query = [("file", path)];
        Ok(self.post_or_get("read the file", "/download_single", &query, Some(most)).await?.body)
    }

    /// The content of a file that the server gives at once.
    pub(super) async fn read_small(&self, path: &str) -> Result<Bytes, ClientError> {
        Ok(self.post_or_get("read the file", "/download_single", &[("file", path)], None).await?.body)
    }

    async fn read_large(&self, path: &str, entry: FileEntry) -> Result<Bytes, ClientError> {
        let what = format!("read {path}");
        let folder = blocking(&what, || bai_private::temporary_folder("bai-repl-")).await?;
        let into = folder.path().to_owned();
        let wanted =
            LargeDownload { path: path.to_owned(), entry, into, below: Vec::new(), overwrite: false };
        let mut meter = |_: &Progress<'_>| {};
        let (name, _) = self.fetch_large(wanted, &mut ProgressMeter::new(&mut meter)).await?;
        blocking(&what, move || std::fs::read(folder.path().join(name)).map(Bytes::from)).await
    }
}
