//! Upload of files that are larger than a server accepts: in parts, joined and verified in the session.
//!
//! The folder of the parts is named after their content, so that any client can continue an interrupted transfer.

use super::equal::checksum_of;
use super::existing::{folder_in_the_way, split};
use super::leftovers;
use super::multipart::{MODE as PART_MODE, OutgoingPart};
use super::outcome::{can_go_on, is_about_one_file};
use super::progress::ProgressMeter;
use super::refused::taken_meanwhile;
use super::shell::{FOLDER, SUM, word};
use super::unpack::InTheWay;
use super::upload::UploadedFile;
use crate::error::{ClientError, ErrorKind};
use crate::session::ComputeSession;
use bai_protocol::machine_limit::explain;
use bai_protocol::shell_word;
use bai_protocol::working_files::unfinished;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of one part.
pub(super) const PART: u64 = 1_000_000;
/// Parts in one call.
const TOGETHER: usize = 4;
/// How often a call is tried when the connection to the server fails.
const TRIES: u32 = 4;
/// How often a file that arrives damaged is sent again.
const DAMAGED: u32 = 1;
/// The pause before the second try; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);
/// The exit code of the joining command for parts that differ from the file.
const DIFFERENT: i32 = 99;
/// The exit code of both commands for a target that is a folder.
const FOLDER_IN_THE_WAY: i32 = 98;
/// The exit code of the first command for a folder that the session's user must not write to.
const NOT_WRITABLE: i32 = 97;
/// The exit code of the joining command for a target that was made meanwhile.
const TAKEN: i32 = 96;

/// The target of an upload in parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct LargeTarget<'a> {
    /// A checked path, relative to the home folder.
    pub(super) to: &'a str,
    /// The permissions of a new file.
    pub(super) mode: u32,
    /// Whether it may replace a file.
    pub(super) replaces: bool,
}

/// The local file of an upload.
struct UploadSource {
    file: Arc<File>,
    size: u64,
    sum: String,
}

impl ComputeSession {
    /// Sends a file of any size, as long as it is now.
    pub(super) async fn send_large(
        &self,
        file: File,
        target: LargeTarget<'_>,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<UploadedFile, ClientError> {
        let to = target.to;
        let what = format!("upload {to}");
        let source = UploadSource::read(file, &what).await?;
        let folder = format!("{FOLDER}/up-{}", identity(&[&source.sum, to]));
        let mut damaged = 0;
        for left in (0..TRIES).rev() {
            let ended = self.shell(&what, &prepare(&folder, to)).await?;
            match ended.code {
                Some(0) => {}
                Some(FOLDER_IN_THE_WAY) => return Err(folder_in_the_way(&what, to)),
                Some(NOT_WRITABLE) => return Err(not_writable(&what, split(to).0)),
                _ => return Err(ended.failure(&what)),
            }
            meter.begin(to, source.size);
            match self.send_parts(&what, &source, &folder, meter).await {
                // An equal upload has just ended, and removed the folder of the parts.
                Err(error) if left > 0 && error.status().is_some() && is_about_one_file(&error) => continue,
                Err(error) => {
                    if !can_go_on(&error) {
                        // A full disk of the session would stay full. A failure does not matter: the next upload removes them.
                        let _ = self.shell(&what, &leftovers::forget(&folder)).await;
                    }
                    return Err(error);
                }
                Ok(()) => {}
            }
            let ended = self.shell(&what, &join(&folder, target, &source)).await?;
            match ended.code {
                Some(0) => {
                    return Ok(UploadedFile { to: to.to_owned(), bytes: source.size, sha256: source.sum });
                }
                Some(DIFFERENT) if damaged < DAMAGED => damaged += 1,
                Some(DIFFERENT) => break,
                Some(FOLDER_IN_THE_WAY) => return Err(folder_in_the_way(&what, to)),
                Some(TAKEN) => return Err(taken_meanwhile(to)),
                _ => {
                    let why = format!("its parts could not be joined: {}", ended.said);
                    return Err(ClientError::new(ErrorKind::Refused, what, why));
                }
            }
        }
        Err(ClientError::new(ErrorKind::Refused, what, "it changes while it is read")
            .with_hint("does another program write to the file?"))
    }

    /// Sends the missing parts.
    async fn send_parts(
        &self,
        what: &str,
        source: &UploadSource,
        folder: &str,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        let there = match self.list_files(folder).await {
            // It is gone in the same way.
            Err(error) if error.kind() == ErrorKind::NoSuchFile => Vec::new(),
            there => there.map_err(|error| error.with_what(what))?,
        };
        let there: HashMap<_, _> = there.into_iter().map(|entry| (entry.filename, entry.size)).collect();
        let mut waiting = Vec::new();
        let mut offset = 0;
        // An empty file has one part, which is empty.
        while offset < source.size || offset == 0 {
            let size = PART.min(source.size - offset);
            let name = format!("p{:08}", offset / PART);
            if there.get(&name) == Some(&size) {
                meter.add(size)
            } else {
                waiting.push((name, offset, size))
            }
            offset += PART;
        }
        for call in waiting.chunks(TOGETHER) {
            let mut parts = Vec::with_capacity(call.len());
            for (name, offset, size) in call {
                let (name, content) = (format!("{folder}/{name}"), source.part(*offset, *size, what).await?);
                parts.push(OutgoingPart { name, content, mode: PART_MODE, replaces: true });
            }
            self.send_files(&parts).await.map_err(|error| {
                error.with_what(what).with_hint("start it again: parts that have arrived are not sent twice")
            })?;
            call.iter().for_each(|(_, _, size)| meter.add(*size));
        }
        Ok(())
    }
}

impl UploadSource {
    /// Reads the whole file once, for its checksum. If it grows meanwhile, only the bytes count that it has now.
    async fn read(file: File, what: &str) -> Result<UploadSource, ClientError> {
        let read = move || {
            let mut content = (&file).take(file.metadata()?.len());
            let before = content.limit();
            let sum = checksum_of(&mut content)?;
            let size = before - content.limit();
            Ok(UploadSource { file: Arc::new(file), size, sum })
        };
        blocking(what, read).await
    }

    async fn part(&self, offset: u64, size: u64, what: &str) -> Result<Bytes, ClientError> {
        let file = self.file.clone();
        let read = move || {
            let mut part = vec![0; usize::try_from(size).unwrap_or_default()];
            file.read_exact_at(&mut part, offset).map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => {
                    std::io::Error::other("the file became shorter while it was sent")
                }
                _ => error,
            })?;
            Ok(Bytes::from(part))
        };
        blocking(what, read).await
    }
}

/// Runs blocking work on this machine's files on another thread.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ClientError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| local_error(what, error.into()))?;
    done.map_err(|error| local_error(what, error))
}

/// The failure for an error of this machine's files.
pub(crate) fn local_error(what: &str, error: std::io::Error) -> ClientError {
    let kind = match error.kind() {
        std::io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
        _ => ErrorKind::Local,
    };
    let in_the_way = error.get_ref().and_then(|inner| inner.downcast_ref::<InTheWay>());
    let existing = in_the_way.map(|file| file.path.display().to_string()).into_iter().collect();
    ClientError::new(kind, what, explain(&error)).with_existing(existing).with_source(error)
}

/// Repeats a call that failed on its way to the server, or that the server has not answered.
pub(super) async fn patiently<T, F: Future<Output = Result<T, ClientError>>>(
    call: impl FnMut() -> F,
) -> Result<T, ClientError> {
    use ErrorKind::{Busy, Connect, Lost, Timeout};
    repeatedly(call, &[Connect, Lost, Timeout, Busy]).await
}

/// Repeats a call whose link broke.
pub(super) async fn despite_breaks<T, F: Future<Output = Result<T, ClientError>>>(
    call: impl FnMut() -> F,
) -> Result<T, ClientError> {
    repeatedly(call, &[ErrorKind::Connect, ErrorKind::Lost]).await
}

async fn repeatedly<T, F: Future<Output = Result<T, ClientError>>>(
    mut call: impl FnMut() -> F,
    failures: &[ErrorKind],
) -> Result<T, ClientError> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match call().await {
            Err(error) if failures.contains(&error.kind()) => {
                tracing::debug!(%error, "the call did not arrive; trying again");
            }
            other => return other,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    call().await
}

/// A short name for these texts.
pub(crate) fn identity(of: &[&str]) -> String {
    let mut sum = Sha256::new();
    for text in of {
        sum.update(text.as_bytes());
        sum.update([0]);
    }
    hex::encode(sum.finalize()).chars().take(16).collect()
}

/// The error for a folder that the session's user must not write to.
fn not_writable(what: &str, folder: &str) -> ClientError {
    let why = format!("the user of the session must not write to the folder {folder}");
    let error = ClientError::new(ErrorKind::Refused, what, why).with_hint(
        "if an upload of small files has made the folder, it belongs to the server: make folders in the session first, \
         or choose another folder",
    );
    error.about(folder.split('/').next().unwrap_or(folder))
}

/// The command that makes the folders. They belong to the session's own user, who may then write there. A folder that an
/// upload makes belongs to the server.
fn prepare(folder: &str, to: &str) -> String {
    let (folder, target, parent) = (word(folder), word(to), word(split(to).0));
    format!(
        "if [ -d {target} ] && [ ! -L {target} ]; then exit {FOLDER_IN_THE_WAY}; fi; \
         d={parent}; while [ ! -e \"$d\" ]; do d=$(dirname \"$d\"); done; test -w \"$d\" || exit {NOT_WRITABLE}; \
         {}; {}; mkdir -p {parent} {folder}",
        leftovers::remove_parts(),
        leftovers::remove_unfinished(&parent)
    )
}

/// The command that joins the parts beside the target, and gives the result its name only if it is equal to the file. An
/// equal upload at the same time may have taken the parts; then the target is equal.
fn join(folder: &str, target: LargeTarget<'_>, source: &UploadSource) -> String {
    let id = uuid::Uuid::new_v4().simple();
    let whole = word(&format!("{}/{}", split(target.to).0, unfinished(&id.to_string())));
    let (folder, sum) = (word(folder), &source.sum);
    let named = if target.replaces { name_over(&whole, target) } else { name_anew(&whole, target) };
    let target = word(target.to);
    format!(
        "{SUM}; same() {{ s=$(sum \"$1\" 2>/dev/null) || true; [ \"${{s%% *}}\" = {sum} ]; }}; u=$(umask); umask 077; \
         set -e; trap {remove} EXIT; joined=0; cat {folder}/p* > {whole} || joined=$?; \
         rm -rf {folder} 2>/dev/null || true; rmdir {FOLDER} 2>/dev/null || true; \
         if [ $joined != 0 ] || ! same {whole}; then \
         if [ ! -L {target} ] && same {target}; then exit 0; fi; \
         if [ $joined != 0 ] && [ -s {whole} ]; then exit $joined; fi; exit {DIFFERENT}; fi; \
         if [ -d {target} ] && [ ! -L {target} ]; then exit {FOLDER_IN_THE_WAY}; fi; {named}",
        remove = shell_word::quoted(&format!("rm -f {whole}")),
    )
}

/// Gives the joined file its name, in place of any file. That file's rights stay, but the right to execute is that of the source.
/// The move replaces a symbolic link, and never goes into a folder: where `mv` has no `-T`, the command looks first.
fn name_over(whole: &str, LargeTarget { to, mode, .. }: LargeTarget<'_>) -> String {
    let target = word(to);
    let execute = if mode & 0o111 == 0 { "" } else { " | (0$o & 0444) >> 2" };
    format!(
        "r=$((0{mode:o} & ~0$u)); if [ -f {target} ] && [ ! -L {target} ]; then \
         o=$(stat -c %a {target} 2>/dev/null || stat -f %Lp {target} 2>/dev/null) || o=600; \
         r=$((0$o & 0666{execute})); fi; chmod \"$(printf %o $r)\" {whole}; \
         mv -fT {whole} {target} 2>/dev/null || {{ if [ -L {target} ]; then rm -f {target}; fi; \
         if [ -d {target} ]; then exit {FOLDER_IN_THE_WAY}; fi; mv -f {whole} {target}; }}"
    )
}

/// Gives the joined file its name if that is free. A hard link never replaces a file; where the file system has none, `mv -n` looks
/// first.
fn name_anew(whole: &str, LargeTarget { to, mode, .. }: LargeTarget<'_>) -> String {
    let target = word(to);
    let taken = format!("if [ ! -L {target} ] && same {target}; then exit 0; fi; exit {TAKEN}");
    format!(
        "taken() {{ {taken}; }}; there() {{ [ -e {target} ] || [ -L {target} ]; }}; \
         chmod \"$(printf %o $((0{mode:o} & ~0$u)))\" {whole}; if there; then taken; fi; \
         if ! ln {whole} {target} 2>/dev/null; then if there; then taken; fi; moved=0; mv -n {whole} {target} || moved=$?; \
         if [ -e {whole} ] && there; then taken; fi; exit $moved; fi"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_parts_replace_no_file_without_permission_with_hard_links_and_without() {
        let home = tempfile::tempdir().unwrap();
        let ln = home.path().join("bin/ln");
        std::fs::create_dir(home.path().join("bin")).unwrap();
        std::fs::write(&ln, "#!/bin/sh\nexit 1\n").unwrap();
        std::fs::set_permissions(&ln, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        let without_links = format!("{}:{path}", home.path().join("bin").display());
        let source = UploadSource {
            file: Arc::new(tempfile::tempfile().unwrap()),
            size: 3,
            sum: checksum_of(&b"new"[..]).unwrap(),
        };
        for path in [path, without_links] {
            let run = |to: &str, replaces| {
                let folder = home.path().join(FOLDER).join("up-1");
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join("p00000000"), "new").unwrap();
                let target = LargeTarget { to, mode: 0o600, replaces };
                let command = format!("( {} )", join(&format!("{FOLDER}/up-1"), target, &source));
                let mut sh = std::process::Command::new("sh");
                let ended = sh.args(["-c", &command]).env("PATH", &path).current_dir(home.path()).status();
                (ended.unwrap().code(), std::fs::read_to_string(home.path().join(to)).unwrap())
            };
            let file = home.path().join("it's");
            std::fs::write(&file, "old").unwrap();
            assert_eq!(run("it's", false), (Some(TAKEN), "old".to_owned()));
            assert_eq!(run("it's", true), (Some(0), "new".to_owned()));
            assert_eq!(run("it's", false), (Some(0), "new".to_owned()));
            std::fs::remove_file(&file).unwrap();
            assert_eq!(run("it's", false), (Some(0), "new".to_owned()));
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2);
        }
    }

    #[test]
    fn equal_content_for_one_target_has_one_upload_name() {
        assert_eq!(identity(&["a", "b"]), identity(&["a", "b"]));
        assert_ne!(identity(&["a", "b"]), identity(&["ab", ""]));
        assert_eq!(identity(&["a"]).len(), 16);
    }
}
