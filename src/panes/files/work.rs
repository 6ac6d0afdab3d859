//! What the browser asks the session for: listings, and files to look at. It runs on the runtime and wakes the view.

use std::time::Duration;

use super::state::{BrowserState, OpenedFile, SessionAccess, SharedBrowser};
use crate::panes::shell::Appearance;
use crate::render::ImageViewer;
use bai_client::{ClientError, ComputeSession};
use bai_protocol::files::FileEntry;

/// How long a listing, or reading what is looked at, may take.
const LIMIT: Duration = Duration::from_secs(30);
/// A longer text is shown in part; a download brings all of it.
const MAX_TEXT: u64 = 1024 * 1024;
/// A larger picture is not shown.
pub(super) const MAX_PICTURE: u64 = 32 * 1024 * 1024;

impl SharedBrowser {
    /// Asks the session something and takes the answer over. An earlier request is given up.
    fn run<T: Send + 'static>(
        &self,
        ask: &SessionAccess,
        what: &'static str,
        job: impl Future<Output = Result<T, String>> + Send + 'static,
        take_in: impl FnOnce(&mut BrowserState, T) + Send + 'static,
    ) {
        let mut state = self.lock();
        state.give_up();
        let shared = self.clone();
        // It cannot end before it is entered: that needs the lock.
        let task = ask.runtime.spawn(async move {
            let done = job.await;
            let mut state = shared.lock();
            state.busy = None;
            match done {
                Ok(done) => take_in(&mut state, done),
                Err(problem) => state.remark = Some((problem, true)),
            }
            drop(state);
            shared.waker.wake();
        });
        state.busy = Some((what, task.abort_handle()));
    }

    /// Lists a folder and shows it.
    pub(super) fn list(&self, ask: &SessionAccess, folder: String) {
        let session = ask.session.clone();
        let wanted = folder.clone();
        let listing = async move { entries(&session, &wanted).await };
        self.run(ask, "listing", listing, |shared, entries| {
            (shared.folder, shared.entries) = (folder, entries);
        });
    }

    /// Reads a file to be looked at on the whole window.
    pub(super) fn open(&self, ask: &SessionAccess, path: String, entry: &FileEntry, appearance: &Appearance) {
        let (session, appearance, size) = (ask.session.clone(), appearance.clone(), entry.size);
        let is_picture = may_be_picture(&entry.filename);
        if is_picture && size > MAX_PICTURE {
            let size = crate::format::size(size);
            self.tell(format!("{size} are too much to look at; d downloads it"), true);
            return;
        }
        let reading = async move {
            let most = if is_picture { MAX_PICTURE } else { MAX_TEXT };
            let bytes = within(session.read_file_start(&path, most)).await?;
            let means = appearance.pictures();
            if let Some(image_viewer) = ImageViewer::of_file(&bytes, means).filter(ImageViewer::can_be_drawn)
            {
                return Ok(OpenedFile::Picture(image_viewer));
            }
            let text = text(&bytes).ok_or_else(|| format!("{path} is no text; d downloads it"))?;
            let part = (bytes.len() as u64) < size;
            let beginning = || format!("{path} · the first {}", crate::format::size(most));
            let title = if part { beginning() } else { path.clone() };
            Ok(OpenedFile::Text { title, path, text: text.to_owned() })
        };
        self.run(ask, "reading", reading, |shared, opened| shared.opened = Some(opened));
    }
}

/// What is in a folder, folders first.
pub(super) async fn entries(session: &ComputeSession, folder: &str) -> Result<Vec<FileEntry>, String> {
    let mut entries = within(session.list_files(folder)).await?;
    entries.sort_by(|a, b| b.is_dir().cmp(&a.is_dir()).then_with(|| a.filename.cmp(&b.filename)));
    Ok(entries)
}

/// An answer within the limit, or the reason that it is missing.
pub(super) async fn within<T>(asked: impl Future<Output = Result<T, ClientError>>) -> Result<T, String> {
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the server does not answer".to_owned()),
    }
}

/// Whether the name of a file says that it is a picture, which is read whole or not at all.
pub(super) fn may_be_picture(name: &str) -> bool {
    const KNOWN: [&str; 8] = [".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".svg", ".ico"];
    let name = name.to_ascii_lowercase();
    KNOWN.iter().any(|extension| name.ends_with(extension))
}

/// The text of a file or of its beginning; `None` when it is not text. A character that was cut at the end is left out.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_may_be_cut_anywhere() {
        assert_eq!(text("aé".as_bytes()), Some("aé"));
        assert_eq!(text(b"a\xc3"), Some("a"));
        assert_eq!(text(b"a\xc3b"), None);
        assert_eq!(text(b"a\0b"), None);
        assert!(may_be_picture("Plot.PNG") && !may_be_picture("png") && !may_be_picture("notes.txt"));
    }
}
