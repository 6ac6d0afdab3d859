//! Download of files that are larger than a server gives: cut in the session, fetched part by part, verified here.
//!
//! Until it is complete, the received part is beside the target. Its name depends on the file's state when the transfer
//! began: an interrupted transfer continues, and the transfer of a file that has changed begins again.

use super::large_up::{PART, blocking, identity, local_error, patiently};
use super::leftovers;
use super::partial_download::{DownloadTarget, PartialDownload};
use super::progress::ProgressMeter;
use super::shell::{FOLDER, SUM, word};
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::files::FileEntry;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Letters in the name of a part.
const LETTERS: usize = 6;
/// How long another download of the same file may take to leave it.
const OPEN_LIMIT: Duration = Duration::from_secs(3);
/// The interval for trying to open the file meanwhile.
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// The download of one large file.
pub(super) struct LargeDownload {
    /// Its path in the session.
    pub(super) path: String,
    /// Its entry in the session's listing.
    pub(super) entry: FileEntry,
    /// The folder on this machine.
    pub(super) into: PathBuf,
    /// Folders below that one.
    pub(super) below: Vec<String>,
    /// Whether an existing file may be replaced.
    pub(super) overwrite: bool,
}

impl ComputeSession {
    /// Fetches a file of any size.
    pub(super) async fn fetch_large(
        &self,
        wanted: LargeDownload,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<PathBuf, ClientError> {
        let what = format!("download {}", wanted.path);
        let size = wanted.entry.size;
        let session = self.id().unwrap_or_else(|| self.name()).to_owned();
        let id = identity(&[&session, &wanted.path, &size.to_string(), &wanted.entry.mtime.to_string()]);
        let name = wanted.entry.filename.clone();
        let folder = format!("{FOLDER}/down-{id}");
        let (into, below, overwrite) = (wanted.into, wanted.below.clone(), wanted.overwrite);
        let executable = wanted.entry.mode.contains('x');
        let target = DownloadTarget { into, below, name: name.clone(), id, overwrite, executable };
        let mut partial = open(&what, &target).await?;
        self.cut(&what, &wanted.path, &folder).await?;
        let sum = format!("{folder}/sum");
        let sum = patiently(|| self.read_small(&sum)).await;
        let sum = sum.map_err(|error| error.with_what(&what))?;
        let sum = String::from_utf8_lossy(&sum).split_whitespace().next().unwrap_or_default().to_owned();
        meter.begin(&wanted.path, size);
        let mut index = partial.have() / PART;
        let have = (index * PART).min(size);
        (partial, _) = partial.writing(&what, move |partial| partial.cut_to(have)).await?;
        meter.add(have);
        while index * PART < size {
            let part = format!("{folder}/p{}", letters(index));
            let content = patiently(|| self.read_small(&part)).await.map_err(|error| {
                error
                    .with_what(&what)
                    .with_hint("start it again: parts that have arrived are not fetched twice")
            })?;
            let expected = PART.min(size - index * PART);
            if content.len() as u64 != expected {
                let why = format!("a part has {} bytes instead of {expected}", content.len());
                return Err(ClientError::new(ErrorKind::Server, what, why));
            }
            (partial, _) = partial.writing(&what, move |partial| partial.append(&content)).await?;
            meter.add(expected);
            index += 1;
        }
        let (partial, own_sum) = check(&what, partial).await?;
        // A failure does not matter: the file is here.
        if let Err(error) = self.shell(&what, &forget(&folder)).await {
            tracing::debug!(%error, "the parts remain in the session");
        }
        if own_sum != sum {
            partial.remove().map_err(|error| local_error(&what, error))?;
            return Err(ClientError::new(ErrorKind::Lost, what, "what arrived is not what was sent")
                .with_hint("does a program in the session write to the file? try it again"));
        }
        // The last step, and at once: a call that is cut before has not made the target, and the next one goes on.
        partial.complete().map_err(|error| local_error(&what, error))?;
        Ok(target.shown())
    }

    /// Cuts the file into parts, unless they exist.
    async fn cut(&self, what: &str, path: &str, folder: &str) -> Result<(), ClientError> {
        if self.list_files(folder).await.is_ok_and(|parts| parts.iter().any(|part| part.filename == "sum")) {
            return Ok(());
        }
        let (file, folder) = (word(path), word(folder));
        // The checksum is written last: if it exists, all parts exist.
        let command = format!(
            "{SUM}; {}; set -e; mkdir -p {folder}; split -b {PART} -a {LETTERS} {file} {folder}/p; \
             sum {file} > {folder}/sum.new; test -s {folder}/sum.new; mv {folder}/sum.new {folder}/sum",
            leftovers::remove_parts()
        );
        self.shell_ok(what, &command).await
    }
}

/// Opens the incomplete file. The last step of an earlier attempt may still be under way, so this tries for a moment.
async fn open(what: &str, target: &DownloadTarget) -> Result<PartialDownload, ClientError> {
    let deadline = Instant::now() + OPEN_LIMIT;
    loop {
        let at = target.clone();
        if let Some(partial) = blocking(what, move || PartialDownload::open(&at)).await? {
            return Ok(partial);
        }
        if Instant::now() >= deadline {
            return Err(ClientError::new(ErrorKind::Local, what, "another download of it is under way"));
        }
        sleep(OPEN_PAUSE).await;
    }
}

/// The SHA-256 of the file that has arrived.
async fn check(what: &str, partial: PartialDownload) -> Result<(PartialDownload, String), ClientError> {
    let (mut partial, ()) = partial.writing(what, PartialDownload::rewind).await?;
    loop {
        let sum;
        (partial, sum) = partial.writing(what, PartialDownload::check_on).await?;
        if let Some(sum) = sum {
            return Ok((partial, sum));
        }
    }
}

fn forget(folder: &str) -> String {
    format!("rm -rf {}; rmdir {FOLDER} 2>/dev/null || true", word(folder))
}

/// The name that `split` gives a part: `aaaaaa`, `aaaaab`…
fn letters(mut index: u64) -> String {
    let mut name = vec!['a'; LETTERS];
    for letter in name.iter_mut().rev() {
        *letter = char::from(b'a' + u8::try_from(index % 26).unwrap_or_default());
        index /= 26;
    }
    name.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_as_split_names_them() {
        assert_eq!([0, 25, 26, 26 * 26].map(letters), ["aaaaaa", "aaaaaz", "aaaaba", "aaabaa"]);
    }
}
