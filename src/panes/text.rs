//! The text view: a long text that can be scrolled, searched and saved, or a growing log that is followed.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::runtime::Handle;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::code::{SyntaxColours, put_line};
use super::find::Find;
use super::shell::{self, Appearance, KeyHelp, Press, Scroll, ScrollStep, Step, View, ViewWaker, put};
use crate::render::sanitize;
use crate::theme::Role;

/// Maximum bytes of a growing text; older lines are dropped.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Columns of one step to the left or right.
const SIDEWAYS: usize = 8;

/// A text that may still grow. All clones share the same text.
#[derive(Clone, Debug)]
pub struct GrowingText {
    shared: Arc<Mutex<GrowingLines>>,
    waker: Option<ViewWaker>,
}

#[derive(Debug, Default)]
struct GrowingLines {
    lines: Vec<String>,
    bytes: usize,
    /// Whether the last line has no end yet.
    open: bool,
    /// Number of dropped lines.
    dropped: usize,
    /// The status of the source.
    status: String,
}

impl GrowingText {
    fn new(waker: Option<ViewWaker>) -> Self {
        Self { shared: Arc::default(), waker }
    }

    fn lock(&self) -> MutexGuard<'_, GrowingLines> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends untrusted text, which may be cut anywhere.
    pub fn push(&self, text: &str) {
        let mut shared = self.lock();
        for piece in sanitize::text(text).split_inclusive('\n') {
            let line = piece.strip_suffix('\n').unwrap_or(piece).replace('\t', "    ");
            shared.bytes += line.len();
            let open = shared.open;
            match shared.lines.last_mut().filter(|_| open) {
                Some(last) => last.push_str(&line),
                None => shared.lines.push(line),
            }
            shared.open = !piece.ends_with('\n');
        }
        if shared.bytes > MAX_BYTES {
            let half = shared.lines.len() / 2;
            shared.bytes -= shared.lines.drain(..half).map(|line| line.len()).sum::<usize>();
            shared.dropped += half;
        }
        drop(shared);
        self.wake();
    }

    /// Sets the status of the source, such as that the session has ended.
    pub fn set_status(&self, status: &str) {
        status.clone_into(&mut self.lock().status);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }
}

/// Shows a text until the user leaves, with syntax colours if the path of its file names a known language. Works as
/// `shell::show`.
///
/// # Errors
/// When standard input or output is not a terminal.
pub fn show_text(
    runtime: &Handle,
    title: &str,
    path: Option<&str>,
    text: &str,
    appearance: &Appearance,
    editor_waits: bool,
) -> io::Result<()> {
    let waker = ViewWaker::new()?;
    let mut view = TextView::whole(title, text);
    view.colours = path.and_then(SyntaxColours::of);
    shell::show(runtime, &waker, &mut view, appearance, editor_waits).map(|_| ())
}

/// Shows a growing text and follows its end. `start` receives the text and spawns the task that fills it.
///
/// # Errors
/// When standard input or output is not a terminal.
pub fn follow_text(
    runtime: &Handle,
    title: &str,
    appearance: &Appearance,
    editor_waits: bool,
    start: impl FnOnce(GrowingText) -> tokio::task::AbortHandle,
) -> io::Result<()> {
    let waker = ViewWaker::new()?;
    let growing = GrowingText::new(Some(waker.clone()));
    let task = start(growing.clone());
    let mut view = TextView::new(title, growing, Some(true));
    let left = shell::show(runtime, &waker, &mut view, appearance, editor_waits);
    task.abort();
    left.map(|_| ())
}

struct TextView {
    title: String,
    text: GrowingText,
    scroll: Scroll,
    /// Number of columns scrolled out at the left.
    left: usize,
    /// Whether the view follows the end; `None` for a text that does not grow.
    follow: Option<bool>,
    find: Find,
    colours: Option<SyntaxColours>,
    message: Option<(String, bool)>,
}

impl TextView {
    /// Creates a view of a text that does not grow.
    fn whole(title: &str, text: &str) -> Self {
        let growing = GrowingText::new(None);
        growing.push(text);
        let mut view = Self::new(title, growing, None);
        view.woken();
        view
    }

    fn new(title: &str, text: GrowingText, follow: Option<bool>) -> Self {
        Self {
            title: title.to_owned(),
            text,
            scroll: Scroll::default(),
            left: 0,
            follow,
            find: Find::default(),
            colours: None,
            message: None,
        }
    }

    fn save(&mut self, name: &str) {
        let text = self.text.lock().lines.join("\n") + "\n";
        self.message = Some(match super::save::save_new(name, text.as_bytes()) {
            Ok(path) => (format!("saved in {path}"), false),
            Err(problem) => (problem, true),
        });
    }
}

impl View for TextView {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn state(&self) -> String {
        let shared = self.text.lock();
        let count = shared.lines.len();
        let line = if count == 0 { 0 } else { self.scroll.selected() + 1 };
        let mut state = format!("line {} of {}", line + shared.dropped, count + shared.dropped);
        if self.follow == Some(true) {
            state = format!("following · {state}");
        }
        if !shared.status.is_empty() {
            state = format!("{} · {state}", shared.status);
        }
        state
    }

    fn keys(&self) -> Vec<KeyHelp> {
        let mut keys = vec![("/", "search"), ("n N", "next, previous"), ("s", "save"), ("← →", "sideways")];
        if self.follow.is_some() {
            keys.insert(0, ("f", "follow"));
        }
        keys
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let shared = self.text.lock();
        self.scroll.set_count(shared.lines.len());
        if self.follow == Some(true) {
            self.scroll.go(ScrollStep::Last);
        }
        let rows = self.scroll.window(area.height.into());
        for (window_row, row) in rows.enumerate() {
            let window_row = u16::try_from(window_row).unwrap_or(u16::MAX);
            let Some(line) = shared.lines.get(row) else { continue };
            let shown = from_column(line, self.left);
            if let Some(colours) = &mut self.colours
                && self.find.first_in(shown).is_none()
            {
                let from = line.len() - shown.len();
                put_line(
                    (buffer, area, window_row),
                    line,
                    from,
                    colours.line(&shared.lines, row),
                    appearance,
                );
                continue;
            }
            let is_here = row == self.scroll.selected() && !self.find.is_empty();
            let style = appearance.plain_text();
            let mut column = 0;
            let mut rest = shown;
            while let Some(found) = self.find.first_in(rest) {
                let (before, tail) = rest.split_at_checked(found.start).unwrap_or((rest, ""));
                let (hit, after) = tail.split_at_checked(found.len()).unwrap_or((tail, ""));
                column = put(buffer, area, column, window_row, before, style);
                let role = if is_here { Role::PaneMatch } else { Role::PaneSelected };
                column = put(buffer, area, column, window_row, hit, appearance.style(role));
                rest = after;
                if column >= area.width {
                    break;
                }
            }
            put(buffer, area, column, window_row, rest, style);
        }
    }

    fn press(&mut self, press: Press) -> Step {
        if let Some(step) = ScrollStep::of(press) {
            self.scroll.go(step);
            self.follow = self.follow.map(|_| self.scroll.is_at_end());
            return Step::Stay;
        }
        match press {
            Press::Left | Press::Char('h') => self.left = self.left.saturating_sub(SIDEWAYS),
            Press::Right | Press::Char('l') => self.left += SIDEWAYS,
            Press::Char('f') if self.follow.is_some() => self.follow = Some(true),
            Press::Char('s') => return Step::Ask { label: "save as", initial: "output.txt".to_owned() },
            _ => return Step::Pass,
        }
        Step::Stay
    }

    fn entered(&mut self, _label: &'static str, line: &str) {
        self.save(line);
    }

    fn find(&mut self) -> Option<&mut Find> {
        Some(&mut self.find)
    }

    fn search(&mut self, back: bool) {
        let shared = self.text.lock();
        let is_in = |row: usize| shared.lines.get(row).is_some_and(|line| self.find.is_in(line));
        let found = self.find.next(shared.lines.len(), self.scroll.selected(), back, is_in);
        drop(shared);
        match found {
            Some(row) => {
                self.scroll.select(row);
                self.follow = self.follow.map(|_| false);
            }
            None => self.message = self.find.not_in("the text"),
        }
    }

    fn woken(&mut self) -> bool {
        let count = self.text.lock().lines.len();
        self.scroll.set_count(count);
        false
    }

    fn message(&mut self) -> Option<(String, bool)> {
        self.message.take()
    }
}

/// The part of a line that starts at a column.
fn from_column(line: &str, column: usize) -> &str {
    let mut skipped = 0;
    for (start, symbol) in line.grapheme_indices(true) {
        if skipped >= column {
            return line.get(start..).unwrap_or_default();
        }
        skipped += symbol.width();
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::super::shell::tests::{press, search_for, shown};
    use super::*;

    #[test]
    fn code_is_coloured_also_when_scrolled_sideways_and_matches_stand_out() {
        let mut view = TextView::whole("x.py", "def f():\n    return 1\n");
        view.colours = SyntaxColours::of("x.py");
        let theme = crate::theme::Theme::named("dark").unwrap();
        let appearance = Appearance::in_colours().with_theme(Arc::new(theme));
        let area = Rect::new(0, 0, 30, 3);
        let color = |view: &mut TextView, column: u16, row: u16| {
            let mut buffer = Buffer::empty(area);
            view.draw(area, &mut buffer, &appearance);
            (buffer[(column, row)].symbol().to_owned(), Some(buffer[(column, row)].fg))
        };
        let keyword = appearance.style(Role::Keyword).fg;
        assert!(keyword.is_some());
        assert_eq!(color(&mut view, 0, 0), ("d".to_owned(), keyword));
        press(&mut view, &[Press::Right]);
        assert_eq!(color(&mut view, 1, 1), ("n".to_owned(), keyword), "eight columns are scrolled out");
        press(&mut view, &[Press::Left]);
        search_for(&mut view, "return");
        assert_ne!(color(&mut view, 4, 1).1, keyword);
    }

    fn view(text: &str, follow: Option<bool>) -> TextView {
        let growing = GrowingText::new(None);
        growing.push(text);
        let mut view = TextView::new("log of work", growing, follow);
        view.woken();
        view
    }

    #[test]
    fn a_text_is_scrolled_searched_and_moved_sideways() {
        let text: String =
            (0..50).map(|n| format!("line {n} of a text that is wider than the window\n")).collect();
        let mut view = view(&text, None);
        insta::assert_snapshot!(shown(&mut view, 40, 5), @r##"
         log of work               line 1 of 50
        line 0 of a text that is wider than the
        line 1 of a text that is wider than the
        line 2 of a text that is wider than the
         / search  n N next, previous  ? help
        "##);
        search_for(&mut view, "line 33");
        press(&mut view, &[Press::Right]);
        insta::assert_snapshot!(shown(&mut view, 40, 5), @r##"
         log of work              line 34 of 50
        of a text that is wider than the window
        of a text that is wider than the window
        of a text that is wider than the window
         / search  n N next, previous  ? help
        "##);
        search_for(&mut view, "nowhere");
        assert!(view.message().is_some_and(|(_, bad)| bad));
        for width in 0..12 {
            for height in 0..6 {
                shown(&mut view, width, height);
            }
        }
    }

    #[test]
    fn a_log_is_followed_until_the_user_scrolls_back() {
        let mut view = view("a\nb\n", Some(true));
        assert!(shown(&mut view, 40, 6).contains("following · line 2 of 2"));
        view.text.push("c\nd");
        view.text.push("e\n\x1b[31mf\x1b]0;x\x07\ng\n");
        view.woken();
        let text = shown(&mut view, 50, 5);
        assert!(text.contains("\nde\nf\ng\n") || text.contains("f\ng"), "{text}");
        press(&mut view, &[Press::Up]);
        view.text.push("h\n");
        assert!(shown(&mut view, 50, 6).contains("line 5 of 7"), "{}", shown(&mut view, 50, 6));
        press(&mut view, &[Press::Char('f')]);
        view.text.set_status("the session is gone");
        assert!(shown(&mut view, 70, 6).contains("the session is gone · following · line 7 of 7"));
    }
}
