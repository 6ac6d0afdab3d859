//! The loop that owns the view: keys first, then paint, then wait.

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
use super::view::{Grid, Help, Notice, Overlay, Status};
use super::{LeaveReason, PaneExit, PaneOptions};
use crate::panes::host::{Ended, HostState, Viewer, lock};
use crate::panes::input::{Decoder, Waited, available, read_some, wait};
use crate::panes::output_buffer::OutputBuffer;
use crate::panes::painter::Painter;
use crate::panes::prefix::Prefix;
use crate::terminal::model::{CursorShape, Model, MouseProtocol};
use crate::terminal::{FullScreen, size};

/// A program that is in the midst of an update is looked at again so soon.
const UPDATE: Duration = Duration::from_millis(17);
/// An escape sequence of a key arrives at once; after this it is the Escape key.
const ESCAPE: Duration = Duration::from_millis(25);
/// A paste that brings nothing for so long is over, ended or not: the key that leaves must work again.
const PASTE: Duration = Duration::from_secs(2);
/// Times in the status line are brought up to date so often.
const CLOCK: Duration = Duration::from_secs(1);
/// Bytes of a paste that are read at once.
const BLOCK: usize = 4096;
/// Bytes from the keyboard between two looks at the screen.
const BATCH: usize = 64 * 1024;

/// The view while it is open.
pub(super) struct Pane<'a> {
    pub(super) shared: &'a HostState,
    viewer: &'a Arc<Viewer>,
    pub(super) options: &'a PaneOptions,
    terminal: Terminal<Painter>,
    decoder: Decoder,
    pub(super) prefix: Prefix,
    pub(super) output_buffer: OutputBuffer,
    pub(super) typed: Vec<u8>,
    pub(super) overlay: Overlay,
    pub(super) notice: Option<Notice>,
    pub(super) pointer: Pointer,
    /// The paste that comes was begun with its mark.
    pub(super) marking_paste: bool,
    /// The window, all of it.
    window: (u16, u16),
    painted: Option<u64>,
    /// Ours has changed, whatever the program's screen did.
    pub(super) dirty: bool,
    pub(super) pace: Pace,
    opened: Instant,
    /// The program is in the midst of an update: until when its old screen is left.
    hold: Option<Instant>,
    last_key: Instant,
    shown: MirroredModes,
    pub(super) exit: Option<PaneExit>,
}

/// Modes of the user's terminal that follow the program's.
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
        overlay: Overlay::default(),
        notice: None,
        pointer: Pointer::default(),
        marking_paste: false,
        window: (0, 0),
        painted: None,
        dirty: true,
        pace: Pace::default(),
        opened: Instant::now(),
        hold: None,
        last_key: Instant::now(),
        shown: MirroredModes::default(),
        exit: None,
    };
    let _full = FullScreen::enter(options.editor_waits)?;
    pane.live()
}

impl Pane<'_> {
    fn live(&mut self) -> io::Result<PaneExit> {
        loop {
            if let Some(exit) = self.exit.take() {
                return Ok(exit);
            }
            self.paint()?;
            let ready = wait(Waited {
                keys: true,
                // A picture is due in a moment, and whoever rings until then is looked at before it.
                wake: (!self.dirty || !self.output_buffer.is_empty()).then(|| self.viewer.wake.fd()),
                room: !self.output_buffer.is_empty(),
                until: Some(self.until()),
            })?;
            if ready.keys {
                self.read_keys()?;
            }
            self.clocks();
            if ready.woken {
                self.viewer.wake.take();
                self.look();
            }
            if ready.room && !self.output_buffer.write_some(io::stdout().as_fd())? {
                self.leave(LeaveReason::HungUp, Vec::new());
            }
        }
    }

    /// When there is something to do although nothing happens.
    fn until(&self) -> Instant {
        let now = Instant::now();
        let mut until = now + CLOCK;
        let mut at = |time: Option<Instant>| until = time.map_or(until, |time| until.min(time));
        at(self.prefix.until());
        at(self.decoder.is_waiting().then(|| self.last_key + ESCAPE));
        at(self.decoder.in_paste().then(|| self.last_key + PASTE));
        at(self.notice.as_ref().map(|notice| notice.until));
        // A picture waits for its time, or for room in the terminal, which wakes by itself.
        at((self.dirty && self.output_buffer.is_empty()).then(|| self.paint_at(now)));
        until
    }

    fn read_keys(&mut self) -> io::Result<()> {
        self.last_key = Instant::now();
        let mut left = available().clamp(1, BATCH);
        while left > 0 && self.exit.is_none() {
            if self.decoder.in_paste() {
                let mut block = [0; BLOCK];
                let wanted = block.get_mut(..left.min(BLOCK)).unwrap_or_default();
                let read = read_some(wanted)?;
                let bytes = block.get(..read).unwrap_or_default();
                for input in self.decoder.paste(bytes) {
                    self.input(input);
                }
                left = if read == 0 { 0 } else { left.saturating_sub(read) };
                continue;
            }
            // One by one: what follows the key that leaves is not ours.
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

    /// What time itself brings.
    fn clocks(&mut self) {
        let now = Instant::now();
        if self.prefix.lapsed(now) {
            self.leave(LeaveReason::Left, Vec::new());
        }
        let quiet = now.duration_since(self.last_key);
        if (self.decoder.is_waiting() && quiet >= ESCAPE) || (self.decoder.in_paste() && quiet >= PASTE) {
            if let Some(input) = self.decoder.time_out() {
                self.input(input);
            }
            self.send_typed();
        }
        if self.notice.as_ref().is_some_and(|notice| now >= notice.until) {
            self.notice = None;
            self.dirty = true;
        }
        self.dirty |= now.saturating_duration_since(self.pace.last().unwrap_or(self.opened)) >= CLOCK;
    }

    /// Looks at what the session's side has.
    fn look(&mut self) {
        self.dirty = true;
        if self.viewer.redraw.swap(false, Ordering::AcqRel) {
            self.forget_screen();
        }
        if self.viewer.hung_up.load(Ordering::Acquire) {
            self.leave(LeaveReason::HungUp, Vec::new());
        }
        if self.viewer.bell.swap(false, Ordering::AcqRel) {
            self.output_buffer.push(b"\x07");
        }
        let copied = lock(&self.viewer.clipboard).take();
        if let Some(text) = copied
            && self.options.clipboard
        {
            self.copy(&text);
        }
        if let Some(error) = self.shared.take_refused() {
            self.notice = Some(Notice::new(error.to_string()));
        }
        if let Some(ended @ (Ended::Exited(_) | Ended::NotOpened(_))) = self.shared.ended() {
            self.leave(LeaveReason::Ended(ended.clone()), Vec::new());
        }
    }

    fn forget_screen(&mut self) {
        self.shown = MirroredModes::default();
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

    /// When the next picture may be painted.
    fn paint_at(&self, now: Instant) -> Instant {
        self.pace.next(now).max(self.hold).unwrap_or(now)
    }

    /// Paints, if something changed, its time has come, and the terminal has taken the last picture.
    fn paint(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if !self.dirty || !self.output_buffer.is_empty() || now < self.paint_at(now) {
            return Ok(());
        }
        if self.viewer.wake.take_rung() {
            self.look();
        }
        self.fit_window()?;
        let model = self.shared.model.blocking_lock();
        // In the midst of an update the program's screen is left as it was.
        if let Some(end) = model.updating_until()
            && now < end
            && self.painted.is_some()
        {
            self.hold = Some(end.min(now + UPDATE));
            return Ok(());
        }
        self.draw(&model)?;
        self.painted = Some(model.generation());
        let cursor = model.cursor().filter(|_| !matches!(self.overlay, Overlay::Help));
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

    /// The part of the window that is the program's: all but the status line, which a tiny window lacks.
    pub(super) fn screen(&self) -> (u16, u16) {
        let (columns, rows) = self.window;
        (columns, super::rows_for_program(rows))
    }

    fn draw(&mut self, model: &Model) -> io::Result<()> {
        let (columns, rows) = self.screen();
        let status = self.shared.status();
        let title = model.title();
        let ended = self.shared.ended().map(describe);
        let remark = self.shared.remark();
        let line = Status {
            session: self.shared.session(),
            status: &status,
            size: (columns, rows),
            title: &title,
            scrolled: model.scrolled_back(),
            prefix: self.prefix.key(),
            prefixed: self.prefix.until().is_some(),
            notice: self.notice.as_ref().map(|notice| notice.text.as_str()),
            overlay: &self.overlay,
            opening: !self.shared.is_open(),
            remark: remark.as_deref(),
            ended: ended.as_deref(),
        };
        let help = matches!(self.overlay, Overlay::Help).then(|| Help { prefix: self.prefix.key() });
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

    /// Asks the user's terminal for the mouse and the keypad as the program wants them.
    fn follow_modes(&mut self) {
        let modes = self.shared.modes();
        let wanted = MirroredModes {
            any_motion: modes.mouse == MouseProtocol::Any,
            application_keypad: modes.application_keypad,
        };
        if wanted.any_motion != self.shown.any_motion {
            self.output_buffer.push(if wanted.any_motion {
                b"\x1b[?1003h"
            } else {
                b"\x1b[?1003l\x1b[?1002h"
            });
        }
        if wanted.application_keypad != self.shown.application_keypad {
            self.output_buffer.push(if wanted.application_keypad { b"\x1b=" } else { b"\x1b>" });
        }
        self.shown = wanted;
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
