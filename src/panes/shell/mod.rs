//! The common part of all views of lists and texts: the loop, the title above, the line with the keys below, the help on
//! `?`, an input line, and the common keys. A [`View`] draws its part of the window and receives the keys.
//!
//! [`show`] blocks the calling thread, which must not be a runtime's thread, until the view is left; then the terminal is
//! restored. Tasks of a view run on the runtime and wake it through its [`ViewWaker`].

mod appearance;
mod frame;
mod line_entry;
mod press;
mod scroll;
mod view;

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::layout::Rect;
use tokio::runtime::Handle;

pub use appearance::Appearance;
pub(super) use appearance::{cut, pad, put};
pub(super) use press::Press;
pub(super) use scroll::{Scroll, Step as ScrollStep};
pub(super) use view::{KeyHelp, Step, View};

use super::input::{Decoder, WaitFor, available, read_some, wait};
use super::output_buffer::OutputBuffer;
use super::painter::Painter;
use super::terminal::watch_signals;
use super::viewer::Viewer;
use crate::render::Overlay;
use crate::terminal::{FullScreen, Out, size};
use line_entry::LineEntry;
use view::{entered, press_in, typed};

/// The bytes of an escape sequence arrive at once; after this time a single ESC is the Escape key.
const ESCAPE: Duration = Duration::from_millis(25);
/// Interval at which displayed times are updated.
const CLOCK: Duration = Duration::from_secs(1);
/// Maximum bytes read from the keyboard before the screen is painted again.
const BATCH: usize = 4096;

/// Wakes a view from any thread.
#[derive(Clone, Debug)]
pub(super) struct ViewWaker(Arc<Viewer>);

impl ViewWaker {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Viewer::new(None, false)?))
    }

    /// Makes the view check its state and repaint.
    pub(super) fn wake(&self) {
        self.0.wake.ring();
    }
}

/// The reason why a view closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ViewExit {
    /// The user left.
    Left,
    /// The terminal is gone, or a signal asks this program to end.
    HungUp,
}

/// Shows a view until it is left. With `editor_waits`, bracketed paste is on afterwards, as a line editor expects.
///
/// # Errors
/// When standard input or output is not a terminal.
pub(super) fn show(
    runtime: &Handle,
    waker: &ViewWaker,
    view: &mut dyn View,
    appearance: &Appearance,
    editor_waits: bool,
) -> io::Result<ViewExit> {
    let watcher = watch_signals(runtime, &waker.0)?;
    let _stop = Stop(watcher);
    let window = size();
    let painter = Painter::new(window.cols, window.rows, appearance.depth());
    let terminal = Terminal::new(painter)?;
    let _full = FullScreen::enter(editor_waits)?;
    Shell {
        waker,
        view,
        appearance,
        terminal,
        decoder: Decoder::default(),
        pending: Vec::new(),
        output_buffer: OutputBuffer::default(),
        last_key: Instant::now(),
        window: (0, 0),
        help: false,
        entry: None,
        message: None,
        overlay: None,
        dirty: true,
        left: None,
    }
    .run()
}

struct Stop(tokio::task::AbortHandle);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An open view.
struct Shell<'a> {
    waker: &'a ViewWaker,
    view: &'a mut dyn View,
    appearance: &'a Appearance,
    terminal: Terminal<Painter>,
    decoder: Decoder,
    /// Bytes of an incomplete character.
    pending: Vec<u8>,
    output_buffer: OutputBuffer,
    last_key: Instant,
    window: (u16, u16),
    help: bool,
    entry: Option<LineEntry>,
    message: Option<(String, bool)>,
    /// The picture that the terminal shows now.
    overlay: Option<Overlay>,
    dirty: bool,
    left: Option<ViewExit>,
}

impl Shell<'_> {
    fn run(&mut self) -> io::Result<ViewExit> {
        let mut drawn = Instant::now();
        loop {
            if let Some(left) = self.left {
                // Remove the picture before leaving its screen.
                if let Some(overlay) = self.overlay.take() {
                    Out::stdout().write_all(overlay.clear.as_bytes())?;
                }
                return Ok(left);
            }
            if self.dirty && self.output_buffer.is_empty() {
                self.paint()?;
                drawn = Instant::now();
            }
            let clock = drawn + CLOCK;
            let until = if self.decoder.is_waiting() { clock.min(self.last_key + ESCAPE) } else { clock };
            let ready = wait(WaitFor {
                keys: true,
                wake: Some(self.waker.0.wake.fd()),
                room: !self.output_buffer.is_empty(),
                until: Some(until),
            })?;
            if ready.keys {
                self.read_keys()?;
            }
            if self.decoder.is_waiting()
                && self.last_key.elapsed() >= ESCAPE
                && let Some(input) = self.decoder.time_out()
            {
                self.input(input);
            }
            if ready.woken {
                self.wake();
            }
            if ready.room && !self.output_buffer.write_some(io::stdout().as_fd())? {
                self.left = Some(ViewExit::HungUp);
            }
            self.dirty |= drawn.elapsed() >= CLOCK;
        }
    }

    fn wake(&mut self) {
        let viewer = &self.waker.0;
        viewer.wake.take();
        if viewer.redraw.swap(false, Ordering::AcqRel) {
            self.window = (0, 0);
        }
        if viewer.hung_up.load(Ordering::Acquire) {
            self.left = Some(ViewExit::HungUp);
        }
        if self.view.woken() {
            self.left.get_or_insert(ViewExit::Left);
        }
        self.dirty = true;
    }

    fn read_keys(&mut self) -> io::Result<()> {
        self.last_key = Instant::now();
        let mut left = available().clamp(1, BATCH);
        // Byte by byte: bytes after the key that leaves are for the next reader.
        while left > 0 && self.left.is_none() {
            let mut byte = [0];
            if read_some(&mut byte)? == 0 {
                self.left = Some(ViewExit::HungUp);
                break;
            }
            left -= 1;
            let [byte] = byte;
            if let Some(input) = self.decoder.push(byte) {
                self.input(input);
            }
        }
        Ok(())
    }

    fn input(&mut self, input: super::input::Input) {
        for press in press::read(input, &mut self.pending) {
            self.dirty = true;
            if self.left.is_none() {
                self.press(press);
            }
        }
    }

    fn press(&mut self, press: Press) {
        self.message = None;
        if std::mem::take(&mut self.help) {
            return;
        }
        if let Some(entry) = &mut self.entry {
            let (label, done) = (entry.label, entry.press(&press));
            let line = if done == line_entry::EntryState::Cancelled { entry.initial() } else { entry.text() }
                .to_owned();
            match done {
                line_entry::EntryState::Done => entered(self.view, label, &line),
                line_entry::EntryState::More | line_entry::EntryState::Cancelled => {
                    typed(self.view, label, &line)
                }
            }
            if done != line_entry::EntryState::More {
                self.entry = None;
            }
            return;
        }
        match press_in(self.view, press) {
            Step::Stay => {}
            Step::Leave => self.left = Some(ViewExit::Left),
            Step::Ask { label, initial } => self.entry = Some(LineEntry::new(label, initial)),
            Step::Pass => self.help = press == Press::Char('?'),
        }
    }

    fn paint(&mut self) -> io::Result<()> {
        let window = size();
        let window = (window.cols, window.rows);
        let overlay = if self.help { None } else { self.view.overlay() };
        if overlay != self.overlay
            && let Some(shown) = self.overlay.take()
        {
            // Unchanged cells are not painted and would leave the picture visible, so repaint all.
            self.output_buffer.push(shown.clear.as_bytes());
            self.window = (0, 0);
        }
        if window != self.window {
            self.overlay = None;
            self.window = window;
            self.terminal.backend_mut().set_size(window.0, window.1);
            self.terminal.resize(Rect::new(0, 0, window.0, window.1))?;
            self.terminal.backend_mut().forget();
        }
        if self.entry.is_none()
            && let Some(label) = self.view.question()
        {
            self.entry = Some(LineEntry::new(label, String::new()));
        }
        if let Some(message) = self.view.message() {
            self.message = Some(message);
        }
        let appearance = self.view.appearance().unwrap_or_else(|| self.appearance.clone());
        let view = &mut *self.view;
        let (entry, message, help) = (self.entry.as_ref(), self.message.as_ref(), self.help);
        let mut cursor = None;
        self.terminal.draw(|frame| {
            let area = frame.area();
            cursor = frame::draw(
                view,
                frame::Footer { entry, message },
                help,
                area,
                frame.buffer_mut(),
                &appearance,
            );
        })?;
        if let Some(bytes) = self.terminal.backend_mut().take_frame(cursor) {
            self.output_buffer.push(bytes.as_bytes());
        }
        if self.overlay.is_none()
            && let Some(overlay) = overlay
        {
            self.output_buffer.push(&overlay.bytes);
            self.overlay = Some(overlay);
        }
        self.dirty = false;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::view::SEARCH;
    use super::*;
    use ratatui::buffer::Buffer;

    /// The content of a window of this size, without trailing spaces.
    pub(in crate::panes) fn shown(view: &mut dyn View, columns: u16, rows: u16) -> String {
        let area = Rect::new(0, 0, columns, rows);
        let mut buffer = Buffer::empty(area);
        let appearance = Appearance::plain();
        let below = frame::Footer { entry: None, message: None };
        frame::draw(view, below, false, area, &mut buffer, &appearance);
        text(&buffer)
    }

    /// Presses keys; the view must use each of them.
    pub(in crate::panes) fn press(view: &mut dyn View, presses: &[Press]) {
        for press in presses {
            assert_ne!(press_in(view, *press), Step::Pass, "{press:?}");
        }
    }

    /// Searches for a text.
    pub(in crate::panes) fn search_for(view: &mut dyn View, text: &str) {
        assert!(matches!(press_in(view, Press::Char('/')), Step::Ask { label: SEARCH, .. }));
        entered(view, SEARCH, text);
    }

    fn text(buffer: &Buffer) -> String {
        let mut text = String::new();
        for row in 0..buffer.area.height {
            let mut line = String::new();
            let mut skip = 0;
            for column in 0..buffer.area.width {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                let symbol = buffer.cell((column, row)).map_or(" ", |cell| cell.symbol());
                skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
                line.push_str(symbol);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    struct EmptyView;

    impl View for EmptyView {
        fn title(&self) -> String {
            "empty".into()
        }
        fn state(&self) -> String {
            "3 of 4".into()
        }
        fn keys(&self) -> Vec<KeyHelp> {
            vec![("/", "search"), ("s", "sort")]
        }
        fn draw(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
            put(buffer, area, 0, 0, "body", appearance.plain_text());
        }
        fn press(&mut self, _: Press) -> Step {
            Step::Pass
        }
    }

    #[test]
    fn every_window_shows_what_fits() {
        insta::assert_snapshot!(shown(&mut EmptyView, 44, 4), @"
         empty                               3 of 4
        body

         / search  s sort  ? help  q leaves
        ");
        for columns in 0..30 {
            for rows in 0..6 {
                shown(&mut EmptyView, columns, rows);
            }
        }
    }

    #[test]
    fn help_lists_the_keys_in_any_window() {
        let appearance = Appearance::plain();
        for (columns, rows) in [(1, 1), (3, 2), (40, 12), (10, 30)] {
            let area = Rect::new(0, 0, columns, rows);
            let mut buffer = Buffer::empty(area);
            let below = frame::Footer { entry: None, message: None };
            frame::draw(&mut EmptyView, below, true, area, &mut buffer, &appearance);
            if columns == 40 {
                assert!(text(&buffer).contains("sort") && text(&buffer).contains("any key closes this"));
            }
        }
    }
}
