//! The handler between the parser and the grid: it adds features that the grid lacks, limits those without bounds, and
//! blocks requests that must not reach the user's terminal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use alacritty_terminal::Term;
use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, ClearMode, CursorShape, CursorStyle, Handler, Hyperlink, LineClearMode, Mode,
    PrivateMode, Rgb, StandardCharset, TabulationClearMode, Timeout,
};
use bai_protocol::byte_text;
use unicode_width::UnicodeWidthChar;

use super::ModelEvent;
use super::modes::{Modes, MouseEncoding, MouseProtocol};
use super::palette::Palette;

/// Maximum combining characters on one cell; more are dropped.
const MAX_COMBINING: u8 = 8;
/// Maximum bytes of pending answers; a program that sends queries without reading gets no more.
const MAX_ANSWERS: usize = 64 * 1024;
/// Maximum pending events.
const MAX_EVENTS: usize = 64;
/// Maximum length of a title, in characters.
const MAX_TITLE: usize = 200;
/// Maximum duration of a synchronized update.
const UPDATE_LIMIT: Duration = Duration::from_millis(150);

/// The output of the grid for other modules.
#[derive(Debug, Default)]
pub(super) struct GridOutput {
    /// Bytes for the program's keyboard.
    pub(super) answers: Vec<u8>,
    pub(super) events: Vec<ModelEvent>,
    pub(super) title: String,
}

impl GridOutput {
    pub(super) fn answer(&mut self, text: &str) {
        if self.answers.len() + text.len() <= MAX_ANSWERS {
            self.answers.extend_from_slice(text.as_bytes());
        }
    }

    fn event(&mut self, event: ModelEvent) {
        if self.events.len() < MAX_EVENTS && self.events.last() != Some(&event) {
            self.events.push(event);
        }
    }

    fn set_title(&mut self, title: &str) {
        if self.title != title {
            title.clone_into(&mut self.title);
            self.event(ModelEvent::Title);
        }
    }
}

/// Collects the output of the grid. It is shared because the grid owns a copy.
#[derive(Clone, Debug, Default)]
pub(super) struct GridListener(Arc<Mutex<GridOutput>>);

impl GridListener {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut GridOutput) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl EventListener for GridListener {
    fn send_event(&self, event: Event) {
        match event {
            Event::PtyWrite(text) => self.with(|output| output.answer(&text)),
            Event::Bell => self.with(|output| output.event(ModelEvent::Bell)),
            Event::Title(title) => self.with(|output| output.set_title(&title)),
            Event::ResetTitle => self.with(|output| output.set_title("")),
            Event::ClipboardStore(_, text) => self.with(|output| output.event(ModelEvent::Clipboard(text))),
            // The handler answers colour queries; pixel sizes and clipboard contents are never reported.
            _ => {}
        }
    }
}

/// Disables the parser's buffer for synchronized updates: an update delays painting, not parsing.
#[derive(Debug, Default)]
pub(super) struct NoSyncBuffer;

impl Timeout for NoSyncBuffer {
    fn set_timeout(&mut self, _: Duration) {}
    fn clear_timeout(&mut self) {}
    fn pending_timeout(&self) -> bool {
        false
    }
}

/// The grid with the features that it lacks.
pub(super) struct GridHandler {
    pub(super) term: Term<GridListener>,
    pub(super) listener: GridListener,
    pub(super) palette: Palette,
    combining: u8,
    x10_mouse: bool,
    urxvt_mouse: bool,
    update_ends: Option<Instant>,
}

impl GridHandler {
    pub(super) fn new(term: Term<GridListener>, listener: GridListener) -> Self {
        Self {
            term,
            listener,
            palette: Palette::default(),
            combining: 0,
            x10_mouse: false,
            urxvt_mouse: false,
            update_ends: None,
        }
    }

    /// The deadline of the current synchronized update.
    pub(super) fn update_ends(&self) -> Option<Instant> {
        self.update_ends
    }

    pub(super) fn modes(&self) -> Modes {
        let mode = *self.term.mode();
        let mouse = if mode.contains(TermMode::MOUSE_MOTION) {
            MouseProtocol::Any
        } else if mode.contains(TermMode::MOUSE_DRAG) {
            MouseProtocol::Drag
        } else if mode.contains(TermMode::MOUSE_REPORT_CLICK) {
            MouseProtocol::Normal
        } else if self.x10_mouse {
            MouseProtocol::X10
        } else {
            MouseProtocol::Off
        };
        let mouse_encoding = if mode.contains(TermMode::SGR_MOUSE) {
            MouseEncoding::Sgr
        } else if self.urxvt_mouse {
            MouseEncoding::Urxvt
        } else if mode.contains(TermMode::UTF8_MOUSE) {
            MouseEncoding::Utf8
        } else {
            MouseEncoding::Legacy
        };
        Modes {
            mouse,
            mouse_encoding,
            application_cursor: mode.contains(TermMode::APP_CURSOR),
            application_keypad: mode.contains(TermMode::APP_KEYPAD),
            bracketed_paste: mode.contains(TermMode::BRACKETED_PASTE),
            focus: mode.contains(TermMode::FOCUS_IN_OUT),
            alternate_screen: mode.contains(TermMode::ALT_SCREEN),
            alternate_scroll: mode.contains(TermMode::ALTERNATE_SCROLL),
        }
    }

    /// Answers the query for the cursor's shape. vim reads a refusal of this query as typed keys.
    pub(super) fn answer_cursor_shape(&self) {
        let style = self.term.cursor_style();
        let steady = match style.shape {
            CursorShape::Underline => 4,
            CursorShape::Beam => 6,
            _ => 2,
        };
        self.answer(&format!("\x1bP1$r{} q\x1b\\", steady - u8::from(style.blinking)));
    }

    /// Sets a private mode that the grid does not support. Returns whether it is one of these.
    fn own_mode(&mut self, mode: PrivateMode, on: bool) -> bool {
        match mode.raw() {
            9 => self.x10_mouse = on,
            1015 => self.urxvt_mouse = on,
            47 | 1047 => {
                if self.term.mode().contains(TermMode::ALT_SCREEN) != on {
                    self.term.swap_alt();
                }
            }
            1048 if on => self.term.save_cursor_position(),
            1048 => self.term.restore_cursor_position(),
            2026 => self.update_ends = on.then(|| Instant::now() + UPDATE_LIMIT),
            _ => return false,
        }
        true
    }

    fn answer(&self, text: &str) {
        self.listener.with(|output| output.answer(text));
    }
}

/// Whether a character changes the direction of text or is hidden in it; terminal programs do not need these.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e0fff}')
}

/// A title as it is shown in one line.
fn clean_title(title: &str) -> String {
    byte_text::shown_sentence(title).chars().take(MAX_TITLE).collect()
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {
        $(
            #[inline]
            fn $name(&mut self, $($arg: $type),*) {
                self.term.$name($($arg),*);
            }
        )*
    };
}

impl Handler for GridHandler {
    #[inline]
    fn input(&mut self, c: char) {
        if c < '\u{300}' {
            self.combining = 0;
            return self.term.input(c);
        }
        if is_deceptive(c) {
            return;
        }
        if c.width() == Some(0) {
            if self.combining >= MAX_COMBINING {
                return;
            }
            self.combining += 1;
        } else {
            self.combining = 0;
        }
        self.term.input(c);
    }

    fn set_title(&mut self, title: Option<String>) {
        self.term.set_title(title.map(|title| clean_title(&title)));
    }

    fn identify_terminal(&mut self, intermediate: Option<char>) {
        match intermediate {
            // A VT220 with colours.
            None => self.answer("\x1b[?62;22c"),
            other => self.term.identify_terminal(other),
        }
    }

    fn dynamic_color_sequence(&mut self, prefix: String, index: usize, terminator: &str) {
        let (r, g, b) = self.palette.color(self.term.colors(), index);
        self.answer(&format!("\x1b]{prefix};rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}{terminator}"));
    }

    fn set_private_mode(&mut self, mode: PrivateMode) {
        if !self.own_mode(mode, true) {
            // The mouse protocols exclude each other.
            if matches!(mode.raw(), 1000 | 1002 | 1003) {
                self.x10_mouse = false;
            }
            self.term.set_private_mode(mode);
        }
    }

    fn unset_private_mode(&mut self, mode: PrivateMode) {
        if !self.own_mode(mode, false) {
            self.term.unset_private_mode(mode);
        }
    }

    fn report_private_mode(&mut self, mode: PrivateMode) {
        let on = match mode.raw() {
            9 => self.x10_mouse,
            1015 => self.urxvt_mouse,
            47 | 1047 => self.term.mode().contains(TermMode::ALT_SCREEN),
            2026 => self.update_ends.is_some(),
            _ => return self.term.report_private_mode(mode),
        };
        self.answer(&format!("\x1b[?{};{}$y", mode.raw(), if on { 1 } else { 2 }));
    }

    fn reset_state(&mut self) {
        self.x10_mouse = false;
        self.urxvt_mouse = false;
        self.update_ends = None;
        self.term.reset_state();
        for index in 0..alacritty_terminal::term::color::COUNT {
            self.term.reset_color(index);
        }
    }

    /// Ignores links: each could hold kilobytes of invisible data.
    fn set_hyperlink(&mut self, _: Option<Hyperlink>) {}

    /// Never reports the clipboard.
    fn clipboard_load(&mut self, _: u8, _: &str) {}

    fn text_area_size_pixels(&mut self) {}

    /// Turns the second half of a wide character without its first half into a blank: the grid expects the first half to the
    /// left of it, also in the first column.
    fn delete_chars(&mut self, count: usize) {
        self.term.delete_chars(count);
        let cursor = self.term.grid().cursor.point;
        self.term.grid_mut()[cursor.line][cursor.column].flags.remove(Flags::WIDE_CHAR_SPACER);
    }

    /// Maps SGR 21 to a double underline, as on most terminals. The grid treats it as the end of bold.
    #[inline]
    fn terminal_attribute(&mut self, attribute: Attr) {
        self.term.terminal_attribute(match attribute {
            Attr::CancelBold => Attr::DoubleUnderline,
            other => other,
        });
    }

    forward! {
        set_cursor_style(style: Option<CursorStyle>);
        set_cursor_shape(shape: CursorShape);
        goto(line: i32, column: usize);
        goto_line(line: i32);
        goto_col(column: usize);
        insert_blank(count: usize);
        move_up(rows: usize);
        move_down(rows: usize);
        device_status(what: usize);
        move_forward(columns: usize);
        move_backward(columns: usize);
        move_down_and_cr(rows: usize);
        move_up_and_cr(rows: usize);
        put_tab(count: u16);
        backspace();
        carriage_return();
        linefeed();
        bell();
        newline();
        set_horizontal_tabstop();
        scroll_up(rows: usize);
        scroll_down(rows: usize);
        insert_blank_lines(count: usize);
        delete_lines(count: usize);
        erase_chars(count: usize);
        move_backward_tabs(count: u16);
        move_forward_tabs(count: u16);
        save_cursor_position();
        restore_cursor_position();
        clear_line(mode: LineClearMode);
        clear_screen(mode: ClearMode);
        clear_tabs(mode: TabulationClearMode);
        reverse_index();
        set_mode(mode: Mode);
        unset_mode(mode: Mode);
        report_mode(mode: Mode);
        set_scrolling_region(top: usize, bottom: Option<usize>);
        set_keypad_application_mode();
        unset_keypad_application_mode();
        set_active_charset(index: CharsetIndex);
        configure_charset(index: CharsetIndex, charset: StandardCharset);
        set_color(index: usize, color: Rgb);
        reset_color(index: usize);
        clipboard_store(clipboard: u8, base64: &[u8]);
        decaln();
        push_title();
        pop_title();
        text_area_size_chars();
    }
}
