//! Files that are brought here or sent there while the browser goes on: one transfer at a time, which can be stopped.

use std::path::{Path, PathBuf};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::{SessionAccess, SharedBrowser, Transfer};
use super::work::entries;
use crate::panes::shell::{Appearance, put};
use crate::render::sanitize;
use crate::theme::Role;
use bai_client::{DownloadOptions, ErrorKind, Progress, Upload, UploadOptions};

/// Columns of the bar.
const BAR: u16 = 20;

impl Transfer {
    /// Draws how far it is into the first row of an area.
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let part = if self.size == 0 { 0.0 } else { self.done.min(self.size) as f64 / self.size as f64 };
        let (done, size) = (crate::format::size(self.done), crate::format::size(self.size));
        let mut at = put(buffer, area, 1, 0, &format!("{}  ", self.what), appearance.style(Role::PaneBusy));
        if area.width >= 3 * BAR {
            let full = (part * f64::from(BAR)).round() as usize;
            at = put(buffer, area, at, 0, &"━".repeat(full), appearance.style(Role::PaneGood));
            let rest = "─".repeat(usize::from(BAR).saturating_sub(full));
            at = put(buffer, area, at, 0, &rest, appearance.style(Role::PaneMuted)) + 2;
        }
        let name = sanitize::line(&self.name, area.width.into());
        let text = format!("{:.0} % · {done} of {size} · {name}", part * 100.0);
        put(buffer, area, at, 0, &text, appearance.plain_text());
    }
}

impl SharedBrowser {
    /// Begins a transfer, unless another is under way. What it says at its end is told.
    fn transfer(
        &self,
        ask: &SessionAccess,
        what: &'static str,
        job: impl Future<Output = Result<String, String>> + Send + 'static,
    ) {
        let mut state = self.lock();
        if let Some(other) = &state.transfer {
            state.remark = Some((format!("{} goes on; x stops it", other.what), true));
            return;
        }
        let mut transfer = Transfer::new(what);
        let shared = self.clone();
        // It cannot end before it is entered: that needs the lock.
        let task = ask.runtime.spawn(async move {
            let (text, bad) = match job.await {
                Ok(text) => (text, false),
                Err(problem) => (problem, true),
            };
            shared.lock().transfer = None;
            shared.tell(text, bad);
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

    /// Stops what is under way. What has arrived of a large file is not fetched twice.
    pub(super) fn stop_transfer(&self) {
        let stopped = self.lock().transfer.take();
        let Some(stopped) = stopped else { return };
        if let Some(task) = &stopped.task {
            task.abort();
        }
        self.tell(format!("{} was stopped", stopped.what), false);
    }

    /// Brings a file or a folder into a folder of this machine.
    pub(super) fn download(&self, ask: &SessionAccess, path: String, to: PathBuf) {
        let (session, meter) = (ask.session.clone(), self.clone());
        self.transfer(ask, "downloading", async move {
            let told = move |progress: &Progress<'_>| meter.progress(progress);
            let downloaded = session.download_with(&[path], &to, DownloadOptions::default(), told).await;
            let downloaded = downloaded.map_err(|error| error.to_string())?;
            let bytes = crate::format::size(downloaded.bytes);
            let to = to.display();
            Ok(match downloaded.files.len() {
                1 => format!("1 file, {bytes}, is in {to}"),
                count => format!("{count} files, {bytes}, are in {to}"),
            })
        });
    }

    /// Sends a file of this machine into the folder that is shown. When the file exists there, `BrowserState::existing` keeps the
    /// upload for the question whether to replace it.
    pub(super) fn upload(&self, ask: &SessionAccess, file: Upload, options: UploadOptions) {
        let (session, shared) = (ask.session.clone(), self.clone());
        let folder = self.lock().folder.clone();
        self.transfer(ask, "uploading", async move {
            is_file(&file.from)?;
            let told = |progress: &Progress<'_>| shared.progress(progress);
            match session.upload_with(std::slice::from_ref(&file), options, told).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    let sentence = error.to_string();
                    shared.lock().existing = Some(file);
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
            Ok(format!("{} is there", file.to))
        });
    }
}

/// Checks that it is a regular file: others would block, or have no end.
fn is_file(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(about) if about.is_file() => Ok(()),
        Ok(_) => Err(format!("{} is no regular file", path.display())),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One that is so far.
    pub(in crate::panes::files) fn under_way(name: &str, done: u64, size: u64) -> Transfer {
        Transfer { name: name.to_owned(), done, size, ..Transfer::new("downloading") }
    }

    #[test]
    fn what_is_no_file_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_file(folder.path()).unwrap_err().contains("no regular file"));
        assert!(is_file(&folder.path().join("x")).unwrap_err().starts_with("cannot read"));
    }
}
