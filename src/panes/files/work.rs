//! The browser's requests to the session: listings, and files to show. They run on the runtime and wake the view.

use std::time::Duration;

use super::state::{BrowserState, OpenedFile, SessionAccess, SharedBrowser};
use crate::panes::shell::Appearance;
use crate::render::ImageViewer;
use bai_client::{ClientError, ComputeSession};
use bai_protocol::files::FileEntry;

/// Time limit for a listing, or for reading a file to show.
const LIMIT: Duration = Duration::from_secs(30);
/// Maximum bytes of a text that are shown; a download gets all of it.
const MAX_TEXT: u64 = 1024 * 1024;
/// Maximum bytes of a picture that is shown.
pub(super) const MAX_PICTURE: u64 = 32 * 1024 * 1024;

impl SharedBrowser {
    /// Runs a request and stores its result in the state. Cancels an earlier request.
    fn run<T: Send + 'static>(
        &self,
        access: &SessionAccess,
        what: &'static str,
        job: impl Future<Output = Result<T, String>> + Send + 'static,
        store: impl FnOnce(&mut BrowserState, T) + Send + 'static,
    ) {
        let mut state = self.lock();
        state.cancel_request();
        let shared = self.clone();
        // The task cannot end before it is recorded: its end needs the lock.
        let task = access.runtime.spawn(async move {
            let result = job.await;
            let mut state = shared.lock();
            state.busy = None;
            match result {
                Ok(value) => store(&mut state, value),
                Err(problem) => state.message = Some((problem, true)),
            }
            drop(state);
            shared.waker.wake();
        });
        state.busy = Some((what, task.abort_handle()));
    }

    /// Lists a folder and shows it.
    pub(super) fn list(&self, access: &SessionAccess, folder: String) {
        let session = access.session.clone();
        let path = folder.clone();
        let listing = async move { entries(&session, &path).await };
        self.run(access, "listing", listing, |shared, entries| {
            (shared.folder, shared.entries) = (folder, entries);
        });
    }

    /// Reads a file for a full-screen view.
    pub(super) fn open(
        &self,
        access: &SessionAccess,
        path: String,
        entry: &FileEntry,
        appearance: &Appearance,
    ) {
        let (session, appearance, size) = (access.session.clone(), appearance.clone(), entry.size);
        let is_picture = may_be_picture(&entry.filename);
        if is_picture && size > MAX_PICTURE {
            let size = crate::format::size(size);
            self.show_message(format!("{size} is too large to show; d downloads it"), true);
            return;
        }
        let reading = async move {
            let most = if is_picture { MAX_PICTURE } else { MAX_TEXT };
            let bytes = within(session.read_file_start(&path, most)).await?;
            let graphics = appearance.pictures();
            if let Some(image_viewer) =
                ImageViewer::of_file(&bytes, graphics).filter(ImageViewer::can_be_drawn)
            {
                return Ok(OpenedFile::Picture(image_viewer));
            }
            let text = text(&bytes).ok_or_else(|| format!("{path} is not a text; d downloads it"))?;
            let part = (bytes.len() as u64) < size;
            let beginning = || format!("{path} · the first {}", crate::format::size(most));
            let title = if part { beginning() } else { path.clone() };
            Ok(OpenedFile::Text { title, path, text: text.to_owned() })
        };
        self.run(access, "reading", reading, |shared, opened| shared.opened = Some(opened));
    }
}

/// Lists a folder, folders first.
pub(super) async fn entries(session: &ComputeSession, folder: &str) -> Result<Vec<FileEntry>, String> {
    let mut entries = within(session.list_files(folder)).await?;
    entries.sort_by(|a, b| b.is_dir().cmp(&a.is_dir()).then_with(|| a.filename.cmp(&b.filename)));
    Ok(entries)
}

/// Waits for an answer within the limit. Returns the reason as text if there is none.
pub(super) async fn within<T>(request: impl Future<Output = Result<T, ClientError>>) -> Result<T, String> {
    match tokio::time::timeout(LIMIT, request).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the server does not answer".to_owned()),
    }
}

/// Whether the name of a file says that it is a picture. A picture is read completely or not at all.
pub(super) fn may_be_picture(name: &str) -> bool {
    const KNOWN: [&str; 8] = [".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".svg", ".ico"];
    let name = name.to_ascii_lowercase();
    KNOWN.iter().any(|extension| name.ends_with(extension))
}

/// The text of a file or of its beginning; `None` if it is not text. Drops an incomplete character at the end.
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
