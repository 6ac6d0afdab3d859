//! Download of large files, part by part: as ranges of the file, or where a server has none, cut in the session by a command.
//!
//! A file may change meanwhile. It arrives as long as it was when the transfer began: a log that grows is no failure. A checksum of
//! that many bytes tells at the end whether they are of one state; if they are not, the transfer begins again, once.
//!
//! Until it is complete, the received part is beside the target. Its name depends on the file's state when the transfer
//! began: an interrupted transfer continues, and the transfer of a file that has changed begins again.

use super::large_up::{PART, blocking, identity, local_error, patiently};
use super::outcome::can_go_on;
use super::partial_download::{DownloadTarget, PartialDownload};
use super::progress::ProgressMeter;
use super::shell::{FOLDER, SUM, word};
use super::{TRANSFER_LIMIT, leftovers, missing, plan};
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::capability::Capability;
use bai_protocol::files::FileEntry;
use bytes::Bytes;
use reqwest::Method;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Letters in the name of a part.
const LETTERS: usize = 6;
/// How often a file that changes meanwhile is fetched.
const STATES: u32 = 2;
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

/// Where the parts of a file come from.
enum Parts<'a> {
    /// Ranges of the file at this path.
    Ranges(&'a str),
    /// Files in this folder of the session, together of this checksum.
    Cut { folder: String, sum: String },
}

impl ComputeSession {
    /// Fetches a file of any size. Returns its path below the target folder, and its size.
    pub(super) async fn fetch_large(
        &self,
        mut wanted: LargeDownload,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(PathBuf, u64), ClientError> {
        let what = format!("download {}", wanted.path);
        for _ in 0..STATES {
            if let Some(arrived) = self.fetch_state(&what, &wanted, meter).await? {
                return Ok(arrived);
            }
            tracing::debug!(path = wanted.path, "the file has changed meanwhile");
            let (parent, _) = plan::split(&wanted.path);
            let entries = self.list_files(&parent).await.map_err(|error| error.with_what(&what))?;
            let found = self.named(&wanted.path, entries).await?;
            wanted.entry = found.ok_or_else(|| missing(&wanted.path))?.0;
        }
        let why = format!("{}: it changes while it is read", wanted.path);
        Err(ClientError::new(ErrorKind::Refused, what, why).into_sentence())
    }

    /// Fetches a file in its current state. `None` if that changes meanwhile.
    async fn fetch_state(
        &self,
        what: &str,
        wanted: &LargeDownload,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<Option<(PathBuf, u64)>, ClientError> {
        let LargeDownload { path, entry, into, below, overwrite } = wanted;
        let session = self.id().unwrap_or_else(|| self.name());
        let file = identity(&[session, path]);
        let state = identity(&[&entry.size.to_string(), &entry.mtime.to_string()]);
        let target = DownloadTarget {
            into: into.clone(),
            below: below.clone(),
            name: entry.filename.clone(),
            id: [&file, &state].map(|id| id.get(..8).unwrap_or_default()).concat(),
            overwrite: *overwrite,
            mode: entry.permissions().unwrap_or(0o644),
        };
        let mut partial = open_partial(what, &target).await?;
        let parts = if self.api().has(Capability::FileRanges).await {
            Ok((Parts::Ranges(path), entry.size))
        } else {
            self.cut(what, path, entry.size, format!("{FOLDER}/down-{}", target.id)).await
        };
        let (parts, size) = match parts {
            Ok(parts) => parts,
            Err(error) => return Err(partial.after(error)),
        };
        meter.begin(path, size);
        let have = (partial.have() / PART * PART).min(size);
        (partial, _) = partial.writing(what, move |partial| partial.cut_to(have)).await?;
        meter.add(have);
        while partial.have() < size {
            let (offset, expected) = (partial.have(), PART.min(size - partial.have()));
            let content = match patiently(|| self.fetch_part(&parts, offset, expected)).await {
                Ok(Some(content)) => content,
                Ok(None) => {
                    self.forget_parts(what, &parts).await;
                    partial.discard();
                    return Ok(None);
                }
                Err(error) if can_go_on(&error) => {
                    let hint = "start it again: parts that have arrived are not fetched twice";
                    return Err(error.with_what(what).with_hint(hint));
                }
                Err(error) => {
                    self.forget_parts(what, &parts).await;
                    return Err(partial.after(error.with_what(what)));
                }
            };
            (partial, _) = partial.writing(what, move |partial| partial.append(&content)).await?;
            meter.add(expected);
        }
        let (mut partial, own_sum) = check(what, partial).await?;
        self.forget_parts(what, &parts).await;
        let sum = match parts {
            Parts::Cut { sum, .. } => sum,
            Parts::Ranges(path) => match patiently(|| self.checksum(path, Some(size))).await {
                Ok(reply) => reply.sha256,
                Err(error) => return Err(partial.after(error.with_what(what))),
            },
        };
        if own_sum != sum {
            partial.discard();
            return Ok(None);
        }
        // The last step, and at once: a call that is cut before has not made the target, and the next one goes on.
        partial.complete().map_err(|error| local_error(what, error))?;
        Ok(Some((target.shown(), size)))
    }

    /// One part of a file. `None` if it has another size than expected.
    async fn fetch_part(
        &self,
        parts: &Parts<'_>,
        offset: u64,
        size: u64,
    ) -> Result<Option<Bytes>, ClientError> {
        let content = match parts {
            Parts::Ranges(path) => self.read_range(path, offset, size).await?,
            Parts::Cut { folder, .. } => {
                self.read_small(&format!("{folder}/p{}", letters(offset / PART))).await?
            }
        };
        Ok((content.len() as u64 == size).then_some(content))
    }

    /// A range of a file; less of it at the end of the file.
    pub(super) async fn read_range(&self, path: &str, offset: u64, size: u64) -> Result<Bytes, ClientError> {
        let call = self.at.request("read the file", Method::GET, "/download_single").await?;
        let call = call.query("file", path).range(offset, size).within(TRANSFER_LIMIT);
        match call.send().await {
            Err(error) if error.status() == Some(416) => Ok(Bytes::new()),
            reply => reply.map(|reply| reply.body).map_err(|error| error.of_file("read", path)),
        }
    }

    /// Removes the parts from the session.
    async fn forget_parts(&self, what: &str, parts: &Parts<'_>) {
        let Parts::Cut { folder, .. } = parts else { return };
        // A failure does not matter: the next transfer removes them.
        if let Err(error) = self.shell(what, &leftovers::forget(folder)).await {
            tracing::debug!(%error, "the parts remain in the session");
        }
    }

    /// Cuts the first `size` bytes of a file into parts, unless those of the same file exist. Returns how many bytes there are.
    async fn cut(
        &self,
        what: &str,
        path: &str,
        size: u64,
        folder: String,
    ) -> Result<(Parts<'static>, u64), ClientError> {
        self.shell_ok(what, &cut(path, size, &folder)).await?;
        let said = format!("{folder}/sum");
        let said = patiently(|| self.read_small(&said)).await.map_err(|error| error.with_what(what))?;
        let (sum, size) = read_cut(&said, size);
        Ok((Parts::Cut { folder, sum }, size))
    }
}

/// Opens the incomplete file. The last step of an earlier attempt may still be under way, so this tries for a moment.
pub(crate) async fn open_partial(
    what: &str,
    target: &DownloadTarget,
) -> Result<PartialDownload, ClientError> {
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

/// The command that cuts the first `size` bytes of a file into parts, unless it has done that to this very file: another one may have the
/// size and the time of the first. The checksum is that of the parts: the file may go on changing. It is written last: if it exists, all
/// parts exist. A failure leaves no parts.
fn cut(path: &str, size: u64, folder: &str) -> String {
    let (file, place, remove_old) = (word(path), format!("./{folder}"), leftovers::remove_parts());
    format!(
        "{SUM}; state() {{ stat -c '%i %z' {file} 2>/dev/null || stat -f '%i %Fc' {file} 2>/dev/null || true; }}; \
         {remove_old}; set -e; \
         if [ -e {place}/sum ] && [ \"$(state)\" = \"$(cat {place}/state 2>/dev/null)\" ]; then exit 0; fi; \
         trap '[ -e {place}/sum ] || {{ rm -rf {place}; rmdir {FOLDER} 2>/dev/null || true; }}' EXIT; \
         rm -rf {place}; mkdir -p {place}; head -c 0 {file} >/dev/null; state > {place}/state; \
         head -c {size} {file} | split -b {PART} -a {LETTERS} - {place}/p; \
         cat {place}/p* 2>/dev/null | sum /dev/stdin > {place}/sum.new; test -s {place}/sum.new; \
         cat {place}/p* 2>/dev/null | wc -c >> {place}/sum.new; mv {place}/sum.new {place}/sum"
    )
}

/// The checksum and the size that the command has written. Without the latter, it is the size that was asked for.
fn read_cut(said: &[u8], size: u64) -> (String, u64) {
    let said = String::from_utf8_lossy(said);
    let mut words = said.split_whitespace();
    let sum = words.next().unwrap_or_default().trim_start_matches('\\').to_owned();
    (sum, words.next_back().and_then(|word| word.parse().ok()).unwrap_or(size))
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
    use super::super::equal::checksum_of;
    use super::*;

    #[test]
    fn parts_are_of_one_state_whatever_the_file_does_and_a_failure_leaves_none() {
        let home = tempfile::tempdir().unwrap();
        let content = vec![b'x'; 2_500_000];
        std::fs::write(home.path().join("it's"), &content).unwrap();
        let place = home.path().join(FOLDER).join("down-1");
        let run = |path: &str, size: u64| {
            let _ = std::fs::remove_dir_all(&place);
            let command = format!("( {} )", cut(path, size, &format!("{FOLDER}/down-1")));
            let ended =
                std::process::Command::new("sh").args(["-c", &command]).current_dir(home.path()).output();
            ended.unwrap()
        };
        // The file has grown, stayed, and become shorter since it was listed.
        for (size, expected) in [(2_100_000, 2_100_000), (2_500_000, 2_500_000), (9_000_000, 2_500_000_u64)] {
            assert!(run("it's", size).status.success());
            let (sum, size) = read_cut(&std::fs::read(place.join("sum")).unwrap(), 0);
            let start = content.get(..usize::try_from(expected).unwrap()).unwrap();
            assert_eq!((sum, size), (checksum_of(start).unwrap(), expected));
            let parts: u64 =
                (0..3).map(|at| place.join(format!("p{}", letters(at))).metadata().unwrap().len()).sum();
            assert_eq!(parts, expected);
        }
        std::fs::write(home.path().join("it's"), "").unwrap();
        assert!(run("it's", 0).status.success());
        assert_eq!(read_cut(&std::fs::read(place.join("sum")).unwrap(), 7).1, 0);
        let failed = run("none", 9);
        assert!(!failed.status.success() && String::from_utf8_lossy(&failed.stderr).contains("No such file"));
        assert!(!home.path().join(FOLDER).exists());
    }

    #[test]
    fn parts_of_another_file_with_the_size_and_the_time_of_the_first_are_cut_again() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("f");
        let command = format!("( {} )", cut("f", 2_000_000, &format!("{FOLDER}/down-1")));
        let time = std::time::SystemTime::UNIX_EPOCH;
        for (content, other_file) in [(b'x', false), (b'x', false), (b'y', false), (b'z', true)] {
            let content = vec![content; 2_000_000];
            let is_new = std::fs::read(&file).ok().as_ref() != Some(&content);
            if is_new {
                let at = if other_file { home.path().join("new") } else { file.clone() };
                std::fs::write(&at, &content).unwrap();
                std::fs::File::options().write(true).open(&at).unwrap().set_modified(time).unwrap();
                std::fs::rename(&at, &file).unwrap();
            }
            let part = home.path().join(FOLDER).join("down-1/paaaaaa");
            let cut_before = part.metadata().ok().map(|part| part.modified().unwrap());
            let ended =
                std::process::Command::new("sh").args(["-c", &command]).current_dir(home.path()).status();
            assert!(ended.unwrap().success());
            let sum = read_cut(&std::fs::read(home.path().join(FOLDER).join("down-1/sum")).unwrap(), 0).0;
            assert_eq!(sum, checksum_of(&content[..]).unwrap());
            let is_cut_again = cut_before != Some(part.metadata().unwrap().modified().unwrap());
            assert_eq!(is_cut_again, is_new);
        }
    }

    #[test]
    fn parts_are_named_as_split_names_them() {
        assert_eq!([0, 25, 26, 26 * 26].map(letters), ["aaaaaa", "aaaaaz", "aaaaba", "aaabaa"]);
    }
}
