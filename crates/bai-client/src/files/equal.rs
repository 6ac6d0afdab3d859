//! Whether a file that is in the way of a transfer is equal to the one that would replace it. Then it has arrived already, with an
//! earlier call that was cut.

use super::TRANSFER_LIMIT;
use super::large_up::blocking;
use super::outcome::is_about_one_file;
use super::shell::SUM;
use crate::error::ClientError;
use crate::session::ComputeSession;
use bai_protocol::capability::Capability;
use bai_protocol::files::ChecksumReply;
use reqwest::Method;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

impl ComputeSession {
    /// The SHA-256 of files of the session, in the order of the paths; `None` for a file that cannot be read. A server that does not
    /// tell it needs a command in the session, which waits for the current run.
    pub(super) async fn checksums(&self, paths: &[String]) -> Result<Vec<Option<String>>, ClientError> {
        let what = "compare files";
        if !self.api().has(Capability::FileRanges).await {
            let sums = self.shell_each(what, &format!("{SUM}; "), "sum \"$f\" 2>/dev/null", paths).await?;
            return Ok(sums.iter().map(|said| first_word(said)).collect());
        }
        let mut sums = Vec::with_capacity(paths.len());
        for path in paths {
            sums.push(match self.checksum(path, None).await {
                Ok(reply) => Some(reply.sha256),
                Err(error) if is_about_one_file(&error) => None,
                Err(error) => return Err(error.with_what(what)),
            });
        }
        Ok(sums)
    }

    /// The SHA-256 of a file, or of its first bytes, from a server that tells it.
    pub(super) async fn checksum(
        &self,
        path: &str,
        bytes: Option<u64>,
    ) -> Result<ChecksumReply, ClientError> {
        let mut call = self.at.request("compare files", Method::GET, "/checksum").await?;
        call = call.query("file", path).within(TRANSFER_LIMIT);
        if let Some(bytes) = bytes {
            call = call.query("bytes", bytes.to_string());
        }
        call.send().await?.json()
    }
}

fn first_word(said: &[u8]) -> Option<String> {
    let said = String::from_utf8_lossy(said);
    let word = said.split_whitespace().next()?.trim_start_matches('\\');
    (word.len() == 64).then(|| word.to_owned())
}

/// The SHA-256 of files of this machine; `None` for one that cannot be read.
pub(super) async fn local_checksums(paths: Vec<PathBuf>) -> Result<Vec<Option<String>>, ClientError> {
    let mut sums = Vec::with_capacity(paths.len());
    for path in paths {
        let sum = blocking("compare files", move || Ok(File::open(path).and_then(checksum_of).ok())).await;
        sums.push(sum?);
    }
    Ok(sums)
}

/// The SHA-256 of what a reader gives.
pub(super) fn checksum_of(mut content: impl Read) -> io::Result<String> {
    let (mut sum, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        let read = content.read(&mut buffer)?;
        match buffer.get(..read) {
            Some(piece) if !piece.is_empty() => sum.update(piece),
            _ => return Ok(hex::encode(sum.finalize())),
        }
    }
}
