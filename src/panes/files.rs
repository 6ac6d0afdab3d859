//! The files of a session: folders are entered, texts looked at, files brought here and sent there, with how far it is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::runtime::Handle;

use super::find::Find;
use super::shell::{self, Bell, KeyHelp, Look, Press, Scroll, ScrollStep, Step, View, pad, put};
use super::show_text;
use crate::client::{ClientError, ComputeSession, DownloadOptions, Progress, Upload};
use crate::protocol::files::FileEntry;
use crate::render::sanitize;
use crate::theme::Role;

/// How long a listing or a preview may take.
const LIMIT: Duration = Duration::from_secs(30);
/// A larger file is not looked at; it can be brought here.
const MAX_PREVIEW: u64 = 1024 * 1024;

/// What the line for a file of this machine is asked for by.
const UPLOAD: &str = "upload the file";

/// Shows the files of a session, beginning with a folder, until the person leaves them. As `shell::show`.
///
/// # Errors
/// When standard input and output are no terminal.
pub fn show_files(
    runtime: &Handle,
    session: ComputeSession,
    folder: &str,
    look: &Look,
    editor_waits: bool,
) -> io::Result<()> {
    let mut view = Files::new(session.name(), Bell::new()?);
    folder.clone_into(&mut view.wanted);
    view.ask = Some(Ask { runtime: runtime.clone(), session });
    view.list();
    loop {
        shell::show(runtime, &view.at.bell.clone(), &mut view, look, editor_waits)?;
        let preview = view.at.lock().preview.take();
        match preview {
            Some((name, text)) if !view.leaving => show_text(runtime, &name, &text, look, editor_waits)?,
            _ => return Ok(()),
        }
    }
}

/// Who is asked.
struct Ask {
    runtime: Handle,
    session: ComputeSession,
}

/// What the view and its tasks share.
#[derive(Clone)]
struct At {
    shared: Arc<Mutex<Shared>>,
    bell: Bell,
}

#[derive(Default)]
struct Shared {
    /// The folder that is shown, and what is in it.
    folder: String,
    entries: Vec<FileEntry>,
    /// Something is on its way, and how far it is.
    busy: Option<String>,
    preview: Option<(String, String)>,
    remark: Option<(String, bool)>,
}

impl At {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self, result: Result<String, String>) {
        let mut shared = self.lock();
        shared.busy = None;
        shared.remark = match result {
            Ok(text) if text.is_empty() => None,
            Ok(text) => Some((text, false)),
            Err(problem) => Some((problem, true)),
        };
        drop(shared);
        self.bell.ring();
    }

    fn progress(&self, what: &str, progress: &Progress<'_>) {
        let percent = (progress.all_done * 100).checked_div(progress.all_size).unwrap_or(100).min(100);
        let done = indicatif::HumanBytes(progress.all_done);
        self.lock().busy = Some(format!("{what} {} · {percent} % · {done}", progress.name));
        self.bell.ring();
    }
}

struct Files {
    session: String,
    at: At,
    ask: Option<Ask>,
    /// The folder that is wanted, relative to the home folder or absolute.
    wanted: String,
    scroll: Scroll,
    find: Find,
    leaving: bool,
}

impl Files {
    fn new(session: &str, bell: Bell) -> Self {
        Self {
            session: session.to_owned(),
            at: At { shared: Arc::default(), bell },
            ask: None,
            wanted: ".".to_owned(),
            scroll: Scroll::default(),
            find: Find::default(),
            leaving: false,
        }
    }

    /// Runs something that asks the session; one at a time.
    fn run<F>(&mut self, what: String, job: impl FnOnce(ComputeSession, At) -> F)
    where
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        let Some(ask) = &self.ask else { return };
        let mut shared = self.at.lock();
        if let Some(busy) = &shared.busy {
            shared.remark = Some((format!("first this: {busy}"), true));
            return;
        }
        shared.busy = Some(what);
        drop(shared);
        let (job, at) = (job(ask.session.clone(), self.at.clone()), self.at.clone());
        ask.runtime.spawn(async move { at.done(job.await) });
    }

    fn list(&mut self) {
        let folder = self.wanted.clone();
        self.run("listing".to_owned(), |session, at| async move {
            let mut entries = within(session.list_files(&folder)).await?;
            entries.sort_by(|a, b| b.is_dir().cmp(&a.is_dir()).then_with(|| a.filename.cmp(&b.filename)));
            let mut shared = at.lock();
            (shared.folder, shared.entries) = (folder, entries);
            drop(shared);
            Ok(String::new())
        });
    }

    fn selected(&self) -> Option<FileEntry> {
        self.at.lock().entries.get(self.scroll.at()).cloned()
    }

    fn path(&self, name: &str) -> String {
        let folder = self.at.lock().folder.clone();
        if folder == "." { name.to_owned() } else { format!("{}/{name}", folder.trim_end_matches('/')) }
    }

    fn enter(&mut self) {
        let Some(entry) = self.selected() else { return };
        let path = self.path(&entry.filename);
        if entry.is_dir() {
            self.wanted = path;
            self.scroll.select(0);
            self.list();
        } else if entry.size > MAX_PREVIEW {
            let size = indicatif::HumanBytes(entry.size);
            self.at.lock().remark = Some((format!("{size} are too much to look at; d downloads it"), true));
        } else {
            self.run("reading".to_owned(), |session, at| async move {
                let bytes = within(session.read_file(&path)).await?;
                let text = std::str::from_utf8(&bytes).ok().filter(|text| !text.contains('\0'));
                let text = text.ok_or_else(|| format!("{path} is no text; d downloads it"))?.to_owned();
                at.lock().preview = Some((path, text));
                Ok(String::new())
            });
        }
    }

    fn leave_folder(&mut self) {
        let folder = self.at.lock().folder.clone();
        self.wanted = match folder.trim_end_matches('/').rsplit_once('/') {
            Some(("", _)) => "/".to_owned(),
            Some((above, _)) => above.to_owned(),
            None if folder == "." => return,
            None => ".".to_owned(),
        };
        self.scroll.select(0);
        self.list();
    }

    fn download(&mut self, to: &str) {
        let Some(entry) = self.selected() else { return };
        let (path, to) = (self.path(&entry.filename), PathBuf::from(to));
        self.run("downloading".to_owned(), |session, at| async move {
            let meter = at.clone();
            let downloaded = session
                .download_with(&[path], &to, DownloadOptions::default(), move |progress| {
                    meter.progress("downloading", progress);
                })
                .await
                .map_err(|error| error.to_string())?;
            let (count, bytes) = (downloaded.files.len(), indicatif::HumanBytes(downloaded.bytes));
            Ok(format!("{count} files, {bytes}, are in {}", to.display()))
        });
    }

    fn upload(&mut self, from: &str) {
        let from = PathBuf::from(from);
        let Some(name) = from.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            self.at.lock().remark = Some(("name a file".to_owned(), true));
            return;
        };
        let to = self.path(&name);
        self.wanted = self.at.lock().folder.clone();
        let folder = self.wanted.clone();
        self.run("uploading".to_owned(), |session, at| async move {
            is_file(&from)?;
            let meter = at.clone();
            let file = Upload { from, to };
            session
                .upload_with(std::slice::from_ref(&file), move |progress| {
                    meter.progress("uploading", progress)
                })
                .await
                .map_err(|error| error.to_string())?;
            if let Ok(mut entries) = within(session.list_files(&folder)).await {
                entries.sort_by(|a, b| b.is_dir().cmp(&a.is_dir()).then_with(|| a.filename.cmp(&b.filename)));
                at.lock().entries = entries;
            }
            Ok(format!("{} is there", file.to))
        });
    }
}

/// An answer within the limit, or why there is none.
async fn within<T>(asked: impl Future<Output = Result<T, ClientError>>) -> Result<T, String> {
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the server does not answer".to_owned()),
    }
}

/// What is no regular file would be waited for, or has no end.
fn is_file(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(about) if about.is_file() => Ok(()),
        Ok(_) => Err(format!("{} is no regular file", path.display())),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

impl View for Files {
    fn title(&self) -> String {
        let folder = self.at.lock().folder.clone();
        format!("files of {} · {}", self.session, if folder == "." { "~" } else { folder.as_str() })
    }

    fn state(&self) -> String {
        let shared = self.at.lock();
        shared.busy.clone().unwrap_or_else(|| format!("{} entries", shared.entries.len()))
    }

    fn keys(&self) -> Vec<KeyHelp> {
        vec![
            ("Enter", "look, enter"),
            ("Backspace", "up"),
            ("d", "download"),
            ("u", "upload"),
            ("/", "search"),
            ("r", "list again"),
        ]
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look) {
        let shared = self.at.lock();
        self.scroll.set_count(shared.entries.len());
        let width = usize::from(area.width);
        for (line, row) in self.scroll.window(area.height.into()).enumerate() {
            let line = u16::try_from(line).unwrap_or(u16::MAX);
            let Some(entry) = shared.entries.get(row) else { continue };
            let size =
                if entry.is_dir() { String::new() } else { indicatif::HumanBytes(entry.size).to_string() };
            let slash = if entry.is_dir() { "/" } else { "" };
            let name = format!("{}{slash}", sanitize::line(&entry.filename, width));
            let selected = row == self.scroll.at();
            let style = match () {
                () if selected => look.style(Role::PaneSelected),
                () if self.find.is_in(&entry.filename) => look.style(Role::PaneMatch),
                () if entry.is_dir() => look.style(Role::PaneTitle),
                () => look.plain_text(),
            };
            let muted = if selected { style } else { look.style(Role::PaneMuted) };
            let at = put(buffer, area, 0, line, &pad(&format!(" {size:>11}  "), 14.min(width)), muted);
            put(buffer, area, at, line, &pad(&name, width.saturating_sub(at.into())), style);
        }
    }

    fn press(&mut self, press: Press) -> Step {
        let count = self.at.lock().entries.len();
        self.scroll.set_count(count);
        if press == Press::Backspace || press == Press::Left || press == Press::Char('h') {
            self.leave_folder();
            return Step::Stay;
        }
        if let Some(step) = ScrollStep::of(press) {
            self.scroll.go(step);
            return Step::Stay;
        }
        match press {
            Press::Enter | Press::Right | Press::Char('l') => self.enter(),
            Press::Char('r') => {
                self.wanted = self.at.lock().folder.clone();
                self.list();
            }
            Press::Char('d') if self.selected().is_some() => {
                return Step::Ask { label: "download to the folder", initial: ".".to_owned() };
            }
            Press::Char('u') => return Step::Ask { label: UPLOAD, initial: String::new() },
            Press::Char('q') | Press::Escape => {
                self.leaving = true;
                return Step::Leave;
            }
            _ => return Step::Pass,
        }
        Step::Stay
    }

    fn entered(&mut self, label: &'static str, line: &str) {
        match label {
            UPLOAD => self.upload(line),
            _ => self.download(line),
        }
    }

    fn find(&mut self) -> Option<&mut Find> {
        Some(&mut self.find)
    }

    fn search(&mut self, back: bool) {
        let shared = self.at.lock();
        let is_in =
            |row: usize| shared.entries.get(row).is_some_and(|entry| self.find.is_in(&entry.filename));
        let found = self.find.next(shared.entries.len(), self.scroll.at(), back, is_in);
        drop(shared);
        if let Some(row) = found {
            self.scroll.select(row);
        }
    }
    /// A text that has come is shown by another view.
    fn woken(&mut self) -> bool {
        self.at.lock().preview.is_some()
    }

    fn remark(&mut self) -> Option<(String, bool)> {
        self.at.lock().remark.take()
    }
}

#[cfg(test)]
mod tests {
    use super::super::shell::tests::{press, search_for, shown};
    use super::*;

    fn entry(name: &str, mode: &str, size: u64) -> FileEntry {
        serde_json::from_value(serde_json::json!({"filename": name, "mode": mode, "size": size})).unwrap()
    }

    fn files() -> Files {
        let files = Files::new("work", Bell::new().unwrap());
        let mut shared = files.at.lock();
        shared.folder = "data".to_owned();
        shared.entries = vec![
            entry("sub", "drwxr-xr-x", 0),
            entry("a\u{1b}[31m.csv", "-rw-r--r--", 2048),
            entry("big.bin", "-rw-r--r--", 1 << 30),
        ];
        drop(shared);
        files
    }

    #[test]
    fn folders_and_files_are_shown_with_their_sizes() {
        let mut files = files();
        let text = shown(&mut files, 50, 6);
        assert!(text.contains("files of work · data") && text.contains("2.00 KiB  a.csv"), "{text}");
        assert!(text.contains("sub/") && !text.contains('\u{1b}'), "{text}");
        for width in 0..30 {
            shown(&mut files, width, 4);
        }
    }

    #[test]
    fn what_is_too_large_is_not_read_and_paths_go_up_and_down() {
        let mut files = files();
        press(&mut files, &[Press::End, Press::Enter]);
        assert!(files.remark().is_some_and(|(text, bad)| bad && text.contains("too much to look at")));
        press(&mut files, &[Press::Home, Press::Enter]);
        assert_eq!(files.wanted, "data/sub");
        press(&mut files, &[Press::Backspace]);
        assert_eq!(files.wanted, ".");
        assert!(files.remark().is_none());
        files.at.lock().folder = "/etc".to_owned();
        press(&mut files, &[Press::Backspace]);
        assert_eq!(files.wanted, "/");
        search_for(&mut files, "BIG");
        assert_eq!(files.scroll.at(), 0, "capital letters are meant");
        search_for(&mut files, "big");
        assert_eq!(files.scroll.at(), 2);
    }

    #[test]
    fn what_is_no_file_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_file(folder.path()).unwrap_err().contains("no regular file"));
        assert!(is_file(&folder.path().join("x")).unwrap_err().starts_with("cannot read"));
    }
}
