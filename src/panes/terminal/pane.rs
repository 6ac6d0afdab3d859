//! The loop of the pane: handle keys, paint, wait.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::pace::Pace;
use super::pointer_state::Pointer;
use super::view::{Grid, Help, Notice, PaneMode, Status};
use super::{LeaveReason, PaneExit, PaneOptions};
use crate::panes::host::{Ended, HostState, lock};
use crate::panes::input::{Decoder, WaitFor, available, read_some, wait};
use crate::panes::output_buffer::OutputBuffer;
use crate::panes::painter::Painter;
use crate::panes::prefix::Prefix;
use crate::panes::viewer::Viewer;
use crate::terminal::model::{CursorShape, Model, MouseProtocol};
use crate::terminal::{FullScreen, size};

/// Interval between checks whether a synchronized update has ended.
const UPDATE_INTERVAL: Duration = Duration::from_millis(17);
/// The bytes of an escape sequence arrive at once; after this time a single ESC is the Escape key.
const ESCAPE: Duration = Duration::from_millis(25);
/// A paste without input for this time counts as ended: the prefix key must work again.
const PASTE_LIMIT: Duration = Duration::from_secs(2);
/// Interval at which times in the status line are updated.
const CLOCK: Duration = Duration::from_secs(1);
/// Maximum bytes of a paste that are read at once.
const BLOCK: usize = 4096;
/// Maximum bytes read from the keyboard before the screen is painted again.
const BATCH: usize = 64 * 1024;

/// An open pane.
pub(super) struct Pane<'a> {
    pub(super) shared: &'a HostState,
    viewer: &'a Arc<Viewer>,
    pub(super) options: &'a PaneOptions,
    terminal: Terminal<Painter>,
    decoder: Decoder,
    pub(super) prefix: Prefix,
    pub(super) output_buffer: OutputBuffer,
    pub(super) typed: Vec<u8>,
    pub(super) mode: PaneMode,
    pub(super) notice: Option<Notice>,
    pub(super) pointer: Pointer,
    /// Whether the start of a bracketed paste was sent to the program.
    pub(super) paste_started: bool,
    /// Columns and rows of the whole window.
    window: (u16, u16),
    painted: Option<u64>,
    /// Whether the window must be painted.
    pub(super) dirty: bool,
    pub(super) pace: Pace,
    opened: Instant,
    /// During a synchronized update, the time until which the old screen stays.
    hold: Option<Instant>,
    last_key: Instant,
    mirrored: MirroredModes,
    pub(super) exit: Option<PaneExit>,
}

/// Modes of the user's terminal that follow the program's modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct MirroredModes {
    any_motion: bool,
    application_keypad: bool,
}

/// Runs the view until it is left.
pub(super) fn run(shared: &HostState, viewer: &Arc<Viewer>, options: &PaneOptions) -> io::Result<PaneExit> {
    let window = size();
    let window = (window.cols, window.rows);
    let painter = Painter::new(window.0, window.1, options.colors);
    let mut pane = Pane {
        shared,
        viewer,
        options,
        terminal: Terminal::new(painter)?,
        decoder: Decoder::default(),
        prefix: Prefix::new(options.prefix),
        output_buffer: OutputBuffer::default(),
        typed: Vec::new(),
        mode: PaneMode::default(),
        notice: None,
        pointer: Pointer::default(),
        paste_started: false,
        window: (0, 0),
        painted: None,
        dirty: true,
        pace: Pace::default(),
        opened: Instant::now(),
        hold: None,
        last_key: Instant::now(),
        mirrored: MirroredModes::default(),
        exit: None,
    };
    let _full = FullScreen::enter(options.editor_waits)?;
    pane.run()
}

impl Pane<'_> {
    fn run(&mut self) -> io::Result<PaneExit> {
        loop {
            if let Some(exit) = self.exit.take() {
                return Ok(exit);
            }
            self.paint()?;
            let ready = wait(WaitFor {
                keys: true,
                // If a frame is due soon, wake-ups are handled just before it.
                wake: (!self.dirty || !self.output_buffer.is_empty()).then(|| self.viewer.wake.fd()),
                room: !self.output_buffer.is_empty(),
                until: Some(self.until()),
            })?;
            if ready.keys {
                self.read_keys()?;
            }
            self.handle_timers();
            if ready.woken {
                self.viewer.wake.take();
                self.handle_wake();
            }
            if ready.room && !self.output_buffer.write_some(io::stdout().as_fd())? {
                self.leave(LeaveReason::HungUp, Vec::new());
            }
        }
    }

    /// The next deadline of a timer.
    fn until(&self) -> Instant {
        let now = Instant::now();
        let mut until = now + CLOCK;
        let mut limit = |time: Option<Instant>| until = time.map_or(until, |time| until.min(time));
        limit(self.prefix.until());
        limit(self.decoder.is_waiting().then(|| self.last_key + ESCAPE));
        limit(self.decoder.in_paste().then(|| self.last_key + PASTE_LIMIT));
        limit(self.notice.as_ref().map(|notice| notice.until));
        // A frame waits for its time, or for room in the terminal, which is a condition of the wait itself.
        limit((self.dirty && self.output_buffer.is_empty()).then(|| self.paint_at(now)));
        until
    }

    fn read_keys(&mut self) -> io::Result<()> {
        self.last_key = Instant::now();
        let mut left = available().clamp(1, BATCH);
        while left > 0 && self.exit.is_none() {
            if self.decoder.in_paste() {
                let mut block = [0; BLOCK];
                let free = block.get_mut(..left.min(BLOCK)).unwrap_or_default();
                let read = read_some(free)?;
                let bytes = block.get(..read).unwrap_or_default();
                for input in self.decoder.paste(bytes) {
                    self.input(input);
                }
                left = if read == 0 { 0 } else { left.saturating_sub(read) };
                continue;
            }
            // Byte by byte: bytes after the key that leaves are for the next reader.
            let mut byte = [0];
            if read_some(&mut byte)? == 0 {
                self.leave(LeaveReason::HungUp, Vec::new());
                break;
            }
            left -= 1;
            let [byte] = byte;
            self.byte(byte);
        }
        self.send_typed();
        Ok(())
    }

    fn byte(&mut self, byte: u8) {
        if let Some(input) = self.decoder.push(byte) {
            self.input(input);
        }
    }

    /// Handles expired timers.
    fn handle_timers(&mut self) {
        let now = Instant::now();
        if self.prefix.lapsed(now) {
            self.leave(LeaveReason::Left, Vec::new());
        }
        let quiet = now.duration_since(self.last_key);
        if (self.decoder.is_waiting() && quiet >= ESCAPE) || (self.decoder.in_paste() && quiet >= PASTE_LIMIT)
        {
            if let Some(input) = self.decoder.time_out() {
                self.input(input);
            }
            self.send_typed();
        }
        if self.notice.as_ref().is_some_and(|notice| now >= notice.until) {
            self.notice = None;
            self.options.clipboard.forget_question();
            self.dirty = true;
        }
        self.dirty |= now.saturating_duration_since(self.pace.last().unwrap_or(self.opened)) >= CLOCK;
    }

    /// Handles events of the session's side.
    fn handle_wake(&mut self) {
        self.dirty = true;
        if self.viewer.redraw.swap(false, Ordering::AcqRel) {
            self.invalidate_screen();
        }
        if self.viewer.hung_up.load(Ordering::Acquire) {
            self.leave(LeaveReason::HungUp, Vec::new());
        }
        if self.viewer.bell.swap(false, Ordering::AcqRel) {
            self.output_buffer.push(b"\x07");
        }
        let copied = lock(&self.viewer.clipboard).take();
        if let Some(text) = copied {
            self.program_copies(text);
        }
        if let Some(error) = self.shared.take_refused() {
            self.notice = Some(Notice::new(error.to_string()));
        }
        if let Some(ended @ (Ended::Exited(_) | Ended::NotOpened(_))) = self.shared.ended() {
            self.leave(LeaveReason::Ended(ended.clone()), Vec::new());
        }
    }

    fn invalidate_screen(&mut self) {
        self.mirrored = MirroredModes::default();
        self.painted = None;
        self.window = (0, 0);
    }

    pub(super) fn leave(&mut self, why: LeaveReason, typed: Vec<u8>) {
        let why = match (why, self.shared.ended()) {
            (LeaveReason::Left, Some(ended)) => LeaveReason::Ended(ended.clone()),
            (why, _) => why,
        };
        if self.exit.is_none() {
            self.exit = Some(PaneExit { why, typed });
        }
    }

    /// The earliest time for the next frame.
    fn paint_at(&self, now: Instant) -> Instant {
        self.pace.next(now).max(self.hold).unwrap_or(now)
    }

    /// Paints, if the window must be painted, the time has come, and the terminal has taken the last frame.
    fn paint(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if !self.dirty || !self.output_buffer.is_empty() || now < self.paint_at(now) {
            return Ok(());
        }
        if self.viewer.wake.take_rung() {
            self.handle_wake();
        }
        self.fit_window()?;
        let model = self.shared.model.blocking_lock();
        // During a synchronized update the old screen stays.
        if let Some(end) = model.updating_until()
            && now < end
            && self.painted.is_some()
        {
            self.hold = Some(end.min(now + UPDATE_INTERVAL));
            return Ok(());
        }
        self.draw(&model)?;
        self.painted = Some(model.generation());
        let cursor = model.cursor().filter(|_| !matches!(self.mode, PaneMode::Help));
        drop(model);
        let cursor = cursor.map(|cursor| crate::terminal::model::Cursor {
            shape: if self.prefix.until().is_some() { CursorShape::Default } else { cursor.shape },
            ..cursor
        });
        if let Some(frame) = self.terminal.backend_mut().take_frame(cursor) {
            self.output_buffer.push(frame.as_bytes());
            self.pace.painted(now);
        }
        self.follow_modes();
        self.dirty = false;
        self.hold = None;
        Ok(())
    }

    fn fit_window(&mut self) -> io::Result<()> {
        let window = size();
        let window = (window.cols, window.rows);
        if window == self.window {
            return Ok(());
        }
        self.window = window;
        let (columns, rows) = self.screen();
        self.shared.resize(columns, rows);
        self.terminal.backend_mut().set_size(window.0, window.1);
        self.terminal.resize(Rect::new(0, 0, window.0, window.1))?;
        self.terminal.backend_mut().forget();
        Ok(())
    }

    /// The size of the program's screen: the window without the status line, which a tiny window does not have.
    pub(super) fn screen(&self) -> (u16, u16) {
        let (columns, rows) = self.window;
        (columns, super::rows_for_program(rows))
    }

    fn draw(&mut self, model: &Model) -> io::Result<()> {
        let (columns, rows) = self.screen();
        let status = self.shared.status();
        let title = model.title();
        let ended = self.shared.ended().map(describe);
        let message = self.shared.message();
        let line = Status {
            session: self.shared.session(),
            status: &status,
            size: (columns, rows),
            title: &title,
            scrolled: model.scrolled_back(),
            prefix: self.prefix.key(),
            prefixed: self.prefix.until().is_some(),
            notice: self.notice.as_ref().map(|notice| notice.text.as_str()),
            mode: &self.mode,
            opening: !self.shared.is_open(),
            message: message.as_deref(),
            ended: ended.as_deref(),
        };
        let help = matches!(self.mode, PaneMode::Help).then(|| Help { prefix: self.prefix.key() });
        self.terminal.draw(|frame| {
            let window = frame.area();
            let screen = Rect { height: rows.min(window.height), ..window };
            Grid { model }.render(screen, frame.buffer_mut());
            if let Some(help) = help {
                help.render(screen, frame.buffer_mut());
            }
            if rows < window.height {
                line.render(Rect { y: rows, height: 1, ..window }, frame.buffer_mut());
            }
        })?;
        Ok(())
    }

    /// Sets the mouse and keypad modes of the user's terminal as the program requested them.
    fn follow_modes(&mut self) {
        let modes = self.shared.modes();
        let requested = MirroredModes {
            any_motion: modes.mouse == MouseProtocol::Any,
            application_keypad: modes.application_keypad,
        };
        if requested.any_motion != self.mirrored.any_motion {
            self.output_buffer.push(if requested.any_motion {
                b"\x1b[?1003h"
            } else {
                b"\x1b[?1003l\x1b[?1002h"
            });
        }
        if requested.application_keypad != self.mirrored.application_keypad {
            self.output_buffer.push(if requested.application_keypad { b"\x1b=" } else { b"\x1b>" });
        }
        self.mirrored = requested;
    }
}

fn describe(ended: &Ended) -> String {
    match ended {
        Ended::Exited(Some(code)) => format!("the shell ended with exit code {code}"),
        Ended::Exited(None) => "the shell ended".to_owned(),
        Ended::Lost(why) => format!("the terminal is lost: {}", super::view::one_line(why)),
        Ended::NotOpened(why) => format!("there is no terminal: {}", super::view::one_line(why)),
    }
}
