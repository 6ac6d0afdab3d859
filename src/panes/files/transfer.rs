//! Downloads and uploads in the background of the browser: one transfer at a time, which the user can stop.

use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::{RefusedTransfer, SessionAccess, SharedBrowser, Transfer};
use super::work::entries;
use crate::panes::shell::{Appearance, put};
use crate::render::sanitize;
use crate::theme::Role;
use bai_client::{DownloadOptions, ErrorKind, Progress, Upload, UploadOptions, not_a_file};

/// Columns of the progress bar.
const BAR: u16 = 20;

impl Transfer {
    /// Draws the progress in the first row of an area.
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let fraction = if self.size == 0 { 0.0 } else { self.done.min(self.size) as f64 / self.size as f64 };
        let (done, size) = (crate::format::size(self.done), crate::format::size(self.size));
        let mut column =
            put(buffer, area, 1, 0, &format!("{}  ", self.what), appearance.style(Role::PaneBusy));
        if area.width >= 3 * BAR {
            let full = (fraction * f64::from(BAR)).round() as usize;
            column = put(buffer, area, column, 0, &"━".repeat(full), appearance.style(Role::PaneGood));
            let rest = "─".repeat(usize::from(BAR).saturating_sub(full));
            column = put(buffer, area, column, 0, &rest, appearance.style(Role::PaneMuted)) + 2;
        }
        let name = sanitize::name(&self.name, area.width.into());
        let text = format!("{:.0} % · {done} of {size} · {name}", fraction * 100.0);
        put(buffer, area, column, 0, &text, appearance.plain_text());
    }
}

impl SharedBrowser {
    /// Starts a transfer, unless another one is running. Shows its result as a message.
    fn transfer(
        &self,
        access: &SessionAccess,
        what: &'static str,
        job: impl Future<Output = Result<String, String>> + Send + 'static,
    ) {
        let mut state = self.lock();
        if let Some(other) = &state.transfer {
            state.message = Some((format!("{} is still running; x stops it", other.what), true));
            return;
        }
        let mut transfer = Transfer::new(what);
        let shared = self.clone();
        // The task cannot end before it is recorded: its end needs the lock.
        let task = access.runtime.spawn(async move {
            let (text, is_error) = match job.await {
                Ok(text) => (text, false),
                Err(problem) => (problem, true),
            };
            shared.lock().transfer = None;
            shared.show_message(text, is_error);
        });
        transfer.task = Some(task.abort_handle());
        state.transfer = Some(transfer);
    }

    fn progress(&self, progress: &Progress<'_>) {
        if let Some(transfer) = &mut self.lock().transfer {
            (transfer.done, transfer.size) = (progress.all_done, progress.all_size);
            progress.name.clone_into(&mut transfer.name);
        }
        self.waker.wake();
    }

    /// Stops the running transfer. A later download of a large file resumes the received part.
    pub(super) fn stop_transfer(&self) {
        let stopped = self.lock().transfer.take();
        let Some(stopped) = stopped else { return };
        if let Some(task) = &stopped.task {
            task.abort();
        }
        self.show_message(format!("{} was stopped", stopped.what), false);
    }

    /// Downloads a file or a folder into a local folder. If a file exists there, stores the download in
    /// `BrowserState::existing` for the question whether to replace it.
    pub(super) fn download(
        &self,
        access: &SessionAccess,
        path: String,
        to: PathBuf,
        options: DownloadOptions,
    ) {
        let (session, shared) = (access.session.clone(), self.clone());
        self.transfer(access, "downloading", async move {
            let on_progress = |progress: &Progress<'_>| shared.progress(progress);
            let paths = std::slice::from_ref(&path);
            let downloaded = match session.download_with(paths, &to, options, on_progress).await {
                Ok(downloaded) => downloaded,
                Err(error) => {
                    if error.kind() == ErrorKind::AlreadyExists {
                        shared.lock().existing = Some(RefusedTransfer::Download { path, to });
                    }
                    return Err(error.to_string());
                }
            };
            let bytes = crate::format::size(downloaded.bytes);
            let to = to.display();
            let arrived = match downloaded.files.len() {
                1 => format!("1 file, {bytes}, is in {to}"),
                count => format!("{count} files, {bytes}, are in {to}"),
            };
            match downloaded.skipped.as_slice() {
                [] => Ok(arrived),
                [one] => Err(format!("{arrived}; {} is left out: {}", one.name, one.why)),
                [first, ..] => {
                    let count = downloaded.skipped.len();
                    Err(format!("{arrived}; {count} are left out, such as {}: {}", first.name, first.why))
                }
            }
        });
    }

    /// Uploads a local file into the shown folder. If the file exists there, stores the upload in `BrowserState::existing` for
    /// the question whether to replace it.
    pub(super) fn upload(&self, access: &SessionAccess, file: Upload, options: UploadOptions) {
        let (session, shared) = (access.session.clone(), self.clone());
        let folder = self.lock().folder.clone();
        self.transfer(access, "uploading", async move {
            is_file(&file.from)?;
            let on_progress = |progress: &Progress<'_>| shared.progress(progress);
            match session.upload_with(std::slice::from_ref(&file), options, on_progress).await {
                Ok(uploaded) => {
                    if let Some(one) = uploaded.skipped.first() {
                        return Err(format!("{}: {}", one.name, one.why));
                    }
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    let sentence = error.to_string();
                    shared.lock().existing = Some(RefusedTransfer::Upload(file));
                    return Err(sentence);
                }
                Err(error) => return Err(error.to_string()),
            }
            if let Ok(entries) = entries(&session, &folder).await {
                let mut shared = shared.lock();
                if shared.folder == folder {
                    shared.entries = entries;
                }
            }
            Ok(format!("{} was uploaded", file.to))
        });
    }
}

/// Checks that it is a regular file: other kinds may block or never end.
fn is_file(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(metadata) => match not_a_file(&metadata) {
            Some(kind) => Err(format!("{} is {kind}", path.display())),
            None => Ok(()),
        },
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A running download with this progress.
    pub(in crate::panes::files) fn under_way(name: &str, done: u64, size: u64) -> Transfer {
        Transfer { name: name.to_owned(), done, size, ..Transfer::new("downloading") }
    }

    #[test]
    fn only_regular_files_are_uploaded() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_file(folder.path()).unwrap_err().contains("not a regular file"));
        assert!(is_file(&folder.path().join("x")).unwrap_err().starts_with("cannot read"));
    }
}
