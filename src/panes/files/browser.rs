//! The file browser view: the list of a folder, a preview of the selected file beside it if there is room, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::preview::{Preview, PreviewRequest};
use super::state::{OpenedFile, RefusedTransfer, SessionAccess, SharedBrowser};
use crate::panes::find::Find;
use crate::panes::shell::{Appearance, KeyHelp, Press, Scroll, ScrollStep, Step, View, ViewWaker, pad, put};
use crate::render::{Overlay, Part, sanitize};
use crate::theme::Role;
use bai_client::{DownloadOptions, Upload, UploadOptions, expand_tilde};
use bai_protocol::files::FileEntry;

/// The label of the input line for a local file to upload.
const UPLOAD: &str = "upload the file";
/// The question whether to replace a file of the session.
const OVERWRITE: &str = "the file exists already: overwrite? y/N";
/// The question whether to leave and stop a transfer.
const LEAVE: &str = "this stops the transfer: leave? y/N";
/// Minimum columns of a window with a preview.
const ROOMY: u16 = 72;
/// Minimum and maximum columns of the list beside a preview.
const LIST: (u16, u16) = (34, 60);

pub(super) struct Browser {
    session: String,
    shared: SharedBrowser,
    pub(super) access: Option<SessionAccess>,
    /// The requested folder, relative to the home folder or absolute.
    requested: String,
    scroll: Scroll,
    find: Find,
    preview: Preview,
    appearance: Appearance,
    /// The upload that waits for the user's answer about overwriting.
    existing: Option<RefusedTransfer>,
    leaving: bool,
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.shared.stop_transfer();
        self.shared.lock().cancel_request();
    }
}

impl Browser {
    pub(super) fn new(session: &str, folder: &str, waker: ViewWaker, appearance: Appearance) -> Self {
        Self {
            session: session.to_owned(),
            shared: SharedBrowser::new(waker.clone()),
            access: None,
            requested: folder.to_owned(),
            scroll: Scroll::default(),
            find: Find::default(),
            preview: Preview::new(waker),
            appearance,
            existing: None,
            leaving: false,
        }
    }

    /// Takes the file that is ready for a full-screen view, unless the user has left.
    pub(super) fn take_opened(&mut self) -> Option<OpenedFile> {
        self.shared.lock().opened.take().filter(|_| !self.leaving)
    }

    pub(super) fn list(&mut self) {
        if let Some(access) = &self.access {
            self.shared.list(access, self.requested.clone());
        }
    }

    fn selected(&self) -> Option<FileEntry> {
        self.shared.lock().entries.get(self.scroll.selected()).cloned()
    }

    fn path(&self, name: &str) -> String {
        let folder = self.shared.lock().folder.clone();
        if folder == "." { name.to_owned() } else { format!("{}/{name}", folder.trim_end_matches('/')) }
    }

    fn enter(&mut self) {
        let Some(entry) = self.selected() else { return };
        let path = self.path(&entry.filename);
        if entry.is_dir() {
            self.requested = path;
            self.scroll.select(0);
            self.list();
        } else if let Some(access) = &self.access {
            self.shared.open(access, path, &entry, &self.appearance);
        }
    }

    fn leave_folder(&mut self) {
        let folder = self.shared.lock().folder.clone();
        self.requested = match folder.trim_end_matches('/').rsplit_once('/') {
            Some(("", _)) => "/".to_owned(),
            Some((above, _)) => above.to_owned(),
            None if folder == "." => return,
            None => ".".to_owned(),
        };
        self.scroll.select(0);
        self.list();
    }

    fn upload(&mut self, from: &str) {
        let from = expand_tilde(from);
        match (from.file_name().and_then(|name| name.to_str()).map(|name| self.path(name)), &self.access) {
            (Some(to), Some(access)) => {
                self.shared.upload(access, Upload::new(from, to), UploadOptions::default())
            }
            (None, _) => self.shared.show_message("enter the name of a file", true),
            _ => {}
        }
    }

    /// Transfers the file over the existing one, if the user agreed.
    fn overwrite(&mut self, yes: bool) {
        let refused = self.existing.take().filter(|_| yes);
        let (Some(refused), Some(access)) = (refused, &self.access) else { return };
        match refused {
            RefusedTransfer::Upload(file) => {
                self.shared.upload(access, file, UploadOptions { overwrite: true });
            }
            RefusedTransfer::Download { path, to } => {
                self.shared.download(access, path, to, DownloadOptions { overwrite: true });
            }
        }
    }

    /// Draws the preview beside the list, if the window has room for both. Returns the area of the list.
    fn draw_preview(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) -> Rect {
        let entry = self.selected().filter(|entry| area.width >= ROOMY && !entry.is_dir());
        let list = Rect { width: (area.width * 2 / 5).clamp(LIST.0, LIST.1), ..area };
        let beside =
            Rect { x: area.x + list.width + 2, width: area.width.saturating_sub(list.width + 2), ..area };
        let request = entry.map(|entry| PreviewRequest {
            path: self.path(&entry.filename),
            size: entry.size,
            // Whole seconds; times before 1970 become 0.
            modified: entry.mtime as u64,
            part: Part { column: beside.x, row: beside.y, columns: beside.width, rows: beside.height },
        });
        self.preview.request(request, self.access.as_ref(), appearance);
        if area.width < ROOMY {
            return area;
        }
        for row in 0..area.height {
            put(buffer, area, list.width, row, "│", appearance.style(Role::PaneBorder));
        }
        self.preview.draw(beside, buffer, appearance);
        list
    }

    fn draw_list(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let shared = self.shared.lock();
        let width = usize::from(area.width);
        if shared.entries.is_empty() && shared.busy.is_none() {
            put(buffer, area, 0, 0, " the folder is empty", appearance.style(Role::PaneMuted));
        }
        for (line, row) in self.scroll.window(area.height.into()).enumerate() {
            let line = u16::try_from(line).unwrap_or(u16::MAX);
            let Some(entry) = shared.entries.get(row) else { continue };
            let size = if entry.is_dir() { String::new() } else { crate::format::size(entry.size) };
            let slash = if entry.is_dir() { "/" } else { "" };
            let name = format!("{}{slash}", sanitize::name(&entry.filename, width));
            let selected = row == self.scroll.selected();
            let style = match () {
                () if selected => appearance.style(Role::PaneSelected),
                () if self.find.is_in(&entry.filename) => appearance.style(Role::PaneMatch),
                () if entry.is_dir() => appearance.style(Role::PaneTitle),
                () => appearance.plain_text(),
            };
            let muted = if selected { style } else { appearance.style(Role::PaneMuted) };
            let column = put(buffer, area, 0, line, &pad(&format!(" {size:>8}  "), 11.min(width)), muted);
            put(buffer, area, column, line, &pad(&name, width.saturating_sub(column.into())), style);
        }
    }
}

impl View for Browser {
    fn title(&self) -> String {
        let folder = self.shared.lock().folder.clone();
        let folder = if folder.is_empty() { self.requested.clone() } else { folder };
        format!("files of {} · {}", self.session, if folder == "." { "~" } else { folder.as_str() })
    }

    fn state(&self) -> String {
        let shared = self.shared.lock();
        match (&shared.busy, shared.entries.len()) {
            (Some((busy, _)), _) => format!("{busy}…"),
            (None, 1) => "1 entry".to_owned(),
            (None, count) => format!("{count} entries"),
        }
    }

    fn keys(&self) -> Vec<KeyHelp> {
        let mut keys = vec![
            ("Enter", "open"),
            ("Backspace", "up"),
            ("d", "download"),
            ("u", "upload"),
            ("/", "search"),
            ("n N", "next, previous"),
            ("r", "refresh"),
        ];
        if self.shared.lock().transfer.is_some() {
            keys.insert(0, ("x", "stop"));
        }
        keys
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let count = self.shared.lock().entries.len();
        self.scroll.set_count(count);
        let mut body = area;
        if let Some(transfer) = self.shared.lock().transfer.as_ref().filter(|_| area.height > 2) {
            body.height -= 1;
            transfer.draw(Rect { y: body.y + body.height, height: 1, ..area }, buffer, appearance);
        }
        let list = self.draw_preview(body, buffer, appearance);
        self.draw_list(list, buffer, appearance);
    }

    fn press(&mut self, press: Press) -> Step {
        let count = self.shared.lock().entries.len();
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
                self.requested = self.shared.lock().folder.clone();
                self.list();
            }
            Press::Char('x') => self.shared.stop_transfer(),
            Press::Char('d') if self.selected().is_some() => {
                return Step::Ask { label: "download to the folder", initial: ".".to_owned() };
            }
            Press::Char('u') => return Step::Ask { label: UPLOAD, initial: String::new() },
            Press::Char('q') | Press::Escape | Press::Ctrl('c') => {
                if self.shared.lock().transfer.is_some() {
                    return Step::Ask { label: LEAVE, initial: String::new() };
                }
                self.leaving = true;
                return Step::Leave;
            }
            _ => return Step::Pass,
        }
        Step::Stay
    }

    fn entered(&mut self, label: &'static str, line: &str) {
        if label == LEAVE {
            self.leaving = is_yes(line);
            self.shared.waker.wake();
        } else if label == UPLOAD {
            self.upload(line);
        } else if label == OVERWRITE {
            self.overwrite(is_yes(line));
        } else if let (Some(entry), Some(access)) = (self.selected(), &self.access) {
            let path = self.path(&entry.filename);
            self.shared.download(access, path, expand_tilde(line), DownloadOptions::default());
        }
    }

    fn find(&mut self) -> Option<&mut Find> {
        Some(&mut self.find)
    }

    fn search(&mut self, back: bool) {
        let shared = self.shared.lock();
        let is_in =
            |row: usize| shared.entries.get(row).is_some_and(|entry| self.find.is_in(&entry.filename));
        let found = self.find.next(shared.entries.len(), self.scroll.selected(), back, is_in);
        drop(shared);
        match found {
            Some(row) => self.scroll.select(row),
            None => self.shared.show_message(format!("\"{}\" is not in the folder", self.find.text()), true),
        }
    }

    fn overlay(&self) -> Option<Overlay> {
        self.preview.overlay()
    }

    /// Ends this view when a file is open: another view shows it.
    fn woken(&mut self) -> bool {
        self.leaving || self.shared.lock().opened.is_some()
    }

    fn question(&mut self) -> Option<&'static str> {
        self.existing = self.shared.lock().existing.take();
        self.existing.is_some().then_some(OVERWRITE)
    }

    fn message(&mut self) -> Option<(String, bool)> {
        self.shared.lock().message.take()
    }
}

fn is_yes(line: &str) -> bool {
    matches!(line, "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::super::transfer::tests::under_way;
    use super::*;
    use crate::panes::shell::tests::{press, search_for, shown};

    fn entry(name: &str, mode: &str, size: u64) -> FileEntry {
        serde_json::from_value(serde_json::json!({"filename": name, "mode": mode, "size": size})).unwrap()
    }

    fn files() -> Browser {
        let files = Browser::new("work", ".", ViewWaker::new().unwrap(), Appearance::plain());
        let mut shared = files.shared.lock();
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
    fn folders_and_files_are_listed_with_their_sizes() {
        let mut files = files();
        let text = shown(&mut files, 50, 6);
        assert!(
            text.contains("files of work · data") && text.contains("2.0 KiB  a<U+001B>[31m.csv"),
            "{text}"
        );
        assert!(text.contains("sub/") && !text.contains('\u{1b}'), "{text}");
        for width in (0..30).chain(70..80) {
            for height in 0..5 {
                shown(&mut files, width, height);
            }
        }
    }

    #[test]
    fn a_transfer_is_shown_below_and_can_be_stopped() {
        let mut files = files();
        files.shared.lock().transfer = Some(under_way("data/big.bin", 512 << 20, 1 << 30));
        insta::assert_snapshot!(shown(&mut files, 80, 7), @r"
        files of work · data                                                 3 entries
                  sub/                   │
         2.0 KiB  a<U+001B>[31m.csv      │
         1.0 GiB  big.bin                │
                                         │
        downloading  ━━━━━━━━━━──────────  50 % · 512 MiB of 1.0 GiB · data/big.bin
        x stop  Enter open  Backspace up  d download  u upload  / search  ? help
        ");
        let narrow = shown(&mut files, 40, 7);
        assert!(narrow.contains(" downloading  50 % · 512 MiB of 1.0"), "{narrow}");
        assert_eq!(files.press(Press::Char('q')), Step::Ask { label: LEAVE, initial: String::new() });
        files.entered(LEAVE, "n");
        assert!(!files.woken());
        press(&mut files, &[Press::Char('x')]);
        assert_eq!(files.message(), Some(("downloading was stopped".to_owned(), false)));
        assert!(!shown(&mut files, 80, 7).contains("50 %"));
        assert_eq!(files.press(Press::Char('q')), Step::Leave);
    }

    #[test]
    fn paths_go_up_and_down_and_names_are_found() {
        let mut files = files();
        press(&mut files, &[Press::Home, Press::Enter]);
        assert_eq!(files.requested, "data/sub");
        press(&mut files, &[Press::Backspace]);
        assert_eq!(files.requested, ".");
        assert!(files.message().is_none());
        files.shared.lock().folder = "/etc".to_owned();
        press(&mut files, &[Press::Backspace]);
        assert_eq!(files.requested, "/");
        search_for(&mut files, "BIG");
        assert_eq!(files.scroll.selected(), 0, "capital letters are meant");
        assert!(files.message().is_some_and(|(text, bad)| bad && text.contains("is not in the folder")));
        search_for(&mut files, "big");
        assert_eq!(files.scroll.selected(), 2);
    }
}
