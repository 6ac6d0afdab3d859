//! The console of a session: it turns console records into bytes for the user's terminal or for the programs behind a
//! pipe.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

pub use super::buffered_writer::Flow;
use super::buffered_writer::{BufferedWriter, PIECE};
use super::document::Table;
use super::live::Live;
use super::media::{Canvases, Medium, Picture};
use super::partial::Tail;
use super::sanitize::{self, Attributes, Cursor, Pen, Policy, Sanitizer};
use crate::terminal::{ColorDepth, Graphics, PassthroughTracker, Screen, Size, reset_sequences};
use crate::theme::{Rgb, Role, Theme};
use bai_protocol::execute::Window;
use bai_protocol::record::{ConsoleRecord, PictureSize};

/// How the console writes.
#[derive(Clone, Debug)]
pub struct ConsoleOptions {
    /// Both streams go to one terminal, where a user works. Otherwise standard output and standard error stay separate,
    /// and a stream that is not a terminal gets its bytes unchanged.
    pub repl: bool,
    /// What the terminal supports.
    pub screen: Screen,
    /// The size of the window.
    pub size: Size,
    /// Styles of standard error and of notes.
    pub theme: Arc<Theme>,
    /// Lets remote text through to the terminal unfiltered. The user asked for it.
    pub raw: bool,
    /// How pictures are drawn; [`Graphics::None`] unless `out` is the standard output of this process.
    pub graphics: Graphics,
    /// Whether the terminal supports marks for the start and the end of a picture.
    pub synchronized: bool,
    /// The terminal's background colour, if it is known. Transparent pictures are drawn on it.
    pub background: Option<Rgb>,
    /// The size of a character cell in pixels, if the terminal reported it.
    pub cell: Option<(u16, u16)>,
    /// The most rows that a picture may take. The window's height is a limit in any case.
    pub max_rows: Option<u16>,
    /// The terminal supports links (OSC 8).
    pub links: bool,
    /// The session's files are on this machine.
    pub local: bool,
    /// The most lines of output or of a table that the prompt shows.
    pub max_lines: Option<usize>,
    /// The folder in which every medium is saved.
    pub media_dir: Option<PathBuf>,
}

impl ConsoleOptions {
    /// Options for text that goes to programs: separate streams, no pictures, no links, no limit on lines.
    pub fn new(screen: Screen, size: Size, theme: Arc<Theme>) -> Self {
        Self {
            repl: false,
            screen,
            size,
            theme,
            raw: false,
            graphics: Graphics::None,
            synchronized: false,
            background: None,
            cell: None,
            max_rows: None,
            links: false,
            local: false,
            max_lines: None,
            media_dir: None,
        }
    }

    /// The window for programs whose output is shown. `None` if standard output is a file or a pipe.
    pub fn window(&self) -> Option<Window> {
        let Size { cols: columns, rows, .. } = self.size;
        let colors = self.screen.colors != ColorDepth::None;
        self.screen.stdout_tty.then_some(Window { columns, rows, colors })
    }
}

/// What the prompt says of a program that draws on the whole screen, which is not shown.
const FULL_SCREEN: &str = "[a full-screen program is not shown here; :pty COMMAND runs it in a terminal]";
/// The same outside of the prompt.
const FULL_SCREEN_IN_SCRIPT: &str =
    "[a full-screen program is not shown here; bai-repl pty SESSION opens a terminal]";

/// The stream that a text belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Why the console could not write. A reader that has gone is not an error: see [`Flow::Closed`].
#[derive(Debug, Error)]
pub enum RenderError {
    /// Standard output could not be written, for instance because the disk is full.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// Standard error could not be written.
    #[error("cannot write to standard error: {0}")]
    Error(#[source] io::Error),
}

impl RenderError {
    /// The stream that could not be written.
    pub fn stream(&self) -> Stream {
        match self {
            RenderError::Output(_) => Stream::Stdout,
            RenderError::Error(_) => Stream::Stderr,
        }
    }
}

/// Writes console records. Output is collected: call [`Console::flush`] after each batch of records, and before
/// anything else writes to the terminal.
pub struct Console<O, E> {
    pub(super) out: BufferedWriter<O>,
    pub(super) err: BufferedWriter<E>,
    pub(super) options: ConsoleOptions,
    pub(super) cursor: Cursor,
    pub(super) pen: Pen,
    stdout: Sanitizer,
    stderr: Sanitizer,
    pub(super) tail: Tail,
    passed: PassthroughTracker,
    /// Standard output goes to the terminal unfiltered, since it comes from a terminal of the program's own.
    passes: bool,
    /// A program has the terminal: see [`Console::begin_program`].
    has_program: bool,
    /// The user was told in this cell that a full-screen program is not shown.
    told_full_screen: bool,
    pub(super) last: Option<Medium>,
    pub(super) last_picture: Option<Picture>,
    pub(super) canvases: Canvases,
    pub(super) table: Option<Arc<Table>>,
    pub(super) live: Live,
}

/// The attributes of standard error where the text sets none. They distinguish the two streams when both go to one
/// terminal.
fn stderr_base(options: &ConsoleOptions) -> Attributes {
    if options.repl { options.theme.style(Role::Stderr).into() } else { Attributes::default() }
}

impl<O: Write, E: Write> Console<O, E> {
    /// Creates a console that writes to `out` and `err`, or with [`ConsoleOptions::repl`] to `out` only.
    pub fn new(out: O, err: E, options: ConsoleOptions) -> Self {
        let policy = match options.screen.dumb {
            _ if options.raw => Policy::Raw,
            true => Policy::Dumb,
            false => Policy::Terminal,
        };
        Self {
            out: BufferedWriter::new(out),
            err: BufferedWriter::new(err),
            cursor: Cursor::new(options.size.cols, options.size.rows),
            pen: Pen::new(options.screen.colors, options.screen.dumb),
            stdout: Sanitizer::new(policy, Attributes::default()),
            stderr: Sanitizer::new(policy, stderr_base(&options)),
            tail: Tail::default(),
            passed: PassthroughTracker::default(),
            passes: options.raw,
            has_program: false,
            told_full_screen: false,
            last: None,
            last_picture: None,
            canvases: Canvases::default(),
            table: None,
            live: Live::default(),
            options,
        }
    }

    /// Returns the current theme.
    pub fn theme(&self) -> &Arc<Theme> {
        &self.options.theme
    }

    /// The most lines of output to show; `None` for no limit.
    pub fn max_lines(&self) -> Option<usize> {
        self.options.max_lines.filter(|_| self.options.repl)
    }

    /// Returns the options.
    pub fn options(&self) -> &ConsoleOptions {
        &self.options
    }

    /// Changes the options. For the theme use [`Console::set_theme`], for the window's size [`Console::resize`].
    pub fn adjust<T>(&mut self, change: impl FnOnce(&mut ConsoleOptions) -> T) -> T {
        change(&mut self.options)
    }

    /// Changes the theme.
    pub fn set_theme(&mut self, theme: Arc<Theme>) {
        self.options.theme = theme;
        self.stderr.set_base(stderr_base(&self.options));
    }

    /// Writes one record. The call blocks until the terminal has taken the text, which can be many megabytes. A caller
    /// that must stay responsive passes the text in pieces to [`Console::text`].
    ///
    /// # Errors
    /// [`RenderError`] if a stream cannot be written. A closed stream is [`Flow::Closed`].
    pub fn record(&mut self, record: &ConsoleRecord) -> Result<Flow, RenderError> {
        match record {
            ConsoleRecord::Stdout(text) => self.text(Stream::Stdout, text),
            ConsoleRecord::Stderr(text) => self.text(Stream::Stderr, text),
            ConsoleRecord::Html(html) => {
                self.clear_if_due();
                self.html(html)
            }
            ConsoleRecord::Log(text) => self.note(&sanitize::text(text)),
            ConsoleRecord::Media { mime, data } => self.media(mime, data, PictureSize::default()),
            ConsoleRecord::Display(display) => self.display(display),
            ConsoleRecord::Clear { wait } => {
                self.clear(*wait);
                Ok(self.flow(Stream::Stdout))
            }
            // They are for the front end.
            ConsoleRecord::NextInput { .. }
            | ConsoleRecord::Leave
            | ConsoleRecord::AskSecret { .. }
            | ConsoleRecord::Terminal(_) => Ok(self.flow(Stream::Stdout)),
            ConsoleRecord::Unknown { kind, .. } => {
                self.note(&format!("[a record of the unknown kind {}]", sanitize::line(kind, 60)))
            }
        }
    }

    /// Writes text of one of the program's streams. The text may be cut anywhere.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn text(&mut self, stream: Stream, text: &str) -> Result<Flow, RenderError> {
        if stream == Stream::Stderr && self.options.repl && !self.options.raw && !self.options.screen.dumb {
            return self.error_text(text);
        }
        self.bytes(stream, text.as_bytes())
    }

    /// Writes bytes of one of the program's streams. They may be cut anywhere, and need not be UTF-8.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn bytes(&mut self, stream: Stream, bytes: &[u8]) -> Result<Flow, RenderError> {
        if !self.on_terminal(stream) {
            // A reader of both streams expects them in the order in which they came.
            return match stream {
                Stream::Stdout => {
                    let _ = self.write_out(Stream::Stderr)?;
                    self.out.write_through(bytes).map_err(RenderError::Output)
                }
                Stream::Stderr => {
                    let _ = self.write_out(Stream::Stdout)?;
                    self.err.write_through(bytes).map_err(RenderError::Error)
                }
            };
        }
        self.terminal_bytes(stream, bytes)
    }

    /// From here on standard output is that of a terminal of the program's own, and passes unfiltered. What else is written to
    /// the terminal stays filtered.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn pass_output(&mut self) -> Result<(), RenderError> {
        let _ = self.flush()?;
        self.stdout = Sanitizer::new(Policy::Raw, Attributes::default());
        self.passes = true;
        Ok(())
    }

    /// A program has the terminal from here on, until [`Console::end_program`]: standard output is what its own terminal gives, and
    /// passes unfiltered. The position of the cursor is followed.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn begin_program(&mut self) -> Result<Flow, RenderError> {
        self.forget_displays();
        let flow = self.flush()?;
        self.has_program = true;
        Ok(flow)
    }

    /// Resets what the program has left switched on.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn end_program(&mut self) -> Result<Flow, RenderError> {
        self.has_program = false;
        let mut pen = self.scratch_pen();
        self.stdout.finish(&mut self.cursor, &mut pen, &mut Vec::new());
        let resets = reset_sequences(&std::mem::take(&mut self.passed));
        self.out.buffer.extend_from_slice(resets.as_bytes());
        self.flush()
    }

    /// A pen for text that is not written.
    fn scratch_pen(&self) -> Pen {
        Pen::new(ColorDepth::None, self.options.screen.dumb)
    }

    /// Writes a piece of what the terminal of a program gives.
    fn pass(&mut self, piece: &[u8]) -> Result<Flow, RenderError> {
        self.out.buffer.extend_from_slice(piece);
        self.passed.note(piece);
        let (mut pen, mut shown) = (self.scratch_pen(), Vec::new());
        self.stdout.push(piece, &mut self.cursor, &mut pen, &mut shown);
        self.stdout.began_full_screen();
        self.tail.note(&shown, Attributes::default());
        self.out.write_if_full().map_err(RenderError::Output)
    }

    /// The modes that output may have changed that has passed unfiltered.
    pub fn passed(&self) -> &PassthroughTracker {
        &self.passed
    }

    /// Whether the earlier text of standard error does not affect the style of its next line.
    pub(super) fn stderr_is_plain(&self) -> bool {
        self.stderr.is_plain()
    }

    /// Writes text to a terminal, made harmless.
    pub(super) fn terminal_text(&mut self, stream: Stream, text: &str) -> Result<Flow, RenderError> {
        self.terminal_bytes(stream, text.as_bytes())
    }

    fn terminal_bytes(&mut self, stream: Stream, bytes: &[u8]) -> Result<Flow, RenderError> {
        if !bytes.is_empty() {
            self.clear_if_due();
        }
        if stream == Stream::Stderr && !self.options.repl {
            // It is written past the output that is kept.
            self.forget_displays();
        }
        for piece in bytes.chunks(PIECE) {
            if self.sanitized(stream, piece)? == Flow::Closed {
                return Ok(Flow::Closed);
            }
        }
        Ok(self.flow(stream))
    }

    /// Ends a batch: resets the colours and writes the buffer.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn flush(&mut self) -> Result<Flow, RenderError> {
        self.drop_unreachable();
        self.end_change();
        self.write_batch()
    }

    /// Resets the colours and writes the buffer.
    pub(super) fn write_batch(&mut self) -> Result<Flow, RenderError> {
        self.reset_pen();
        let out = self.write_out(Stream::Stdout)?;
        let _ = self.write_out(Stream::Stderr)?;
        Ok(out)
    }

    /// Starts a cell: the cursor is at the start of a line, and the lines above do not belong to the cell.
    pub fn begin_cell(&mut self) {
        self.cursor.restart();
        self.tail.clear();
        self.told_full_screen = false;
        self.begin_live();
    }

    /// Ends a cell: resets what the cell left unfinished or switched on, and writes the buffer. Reports an unfinished
    /// string sequence that has swallowed text.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn end_cell(&mut self) -> Result<Flow, RenderError> {
        let mut hidden = 0;
        for stream in [Stream::Stdout, Stream::Stderr] {
            if self.on_terminal(stream) {
                let (sanitizer, buffer) = match (stream, self.options.repl) {
                    (Stream::Stdout, _) => (&mut self.stdout, &mut self.out.buffer),
                    (Stream::Stderr, true) => (&mut self.stderr, &mut self.out.buffer),
                    (Stream::Stderr, false) => (&mut self.stderr, &mut self.err.buffer),
                };
                hidden += sanitizer.finish(&mut self.cursor, &mut self.pen, buffer);
            }
        }
        if let Some(stream) = self.terminal_stream() {
            let resets = reset_sequences(&std::mem::take(&mut self.passed));
            self.buffer(stream).extend_from_slice(resets.as_bytes());
        }
        if hidden > 0 {
            let _ = self.note(&format!("[{hidden} bytes of an unfinished escape sequence are not shown]"))?;
        }
        self.show_late()?;
        self.begin_live();
        self.flush()
    }

    /// Sets the size of the window.
    pub fn resize(&mut self, size: Size) {
        if self.options.size != size {
            self.options.size = size;
            self.cursor.resize(size.cols, size.rows);
        }
    }

    /// Whether text of `stream` goes to a terminal, where it must be harmless.
    pub(super) fn on_terminal(&self, stream: Stream) -> bool {
        match stream {
            _ if self.options.repl => true,
            Stream::Stdout => self.options.screen.stdout_tty,
            Stream::Stderr => self.options.screen.stderr_tty,
        }
    }

    /// The stream that is connected to the terminal, if any.
    pub(super) fn terminal_stream(&self) -> Option<Stream> {
        [Stream::Stdout, Stream::Stderr].into_iter().find(|stream| self.on_terminal(*stream))
    }

    /// Resets the colours, so that the next writer gets the terminal's own.
    pub(super) fn reset_pen(&mut self) {
        let to_err = self.terminal_stream() == Some(Stream::Stderr) && !self.options.repl;
        let buffer = if to_err { &mut self.err.buffer } else { &mut self.out.buffer };
        let (from, before) = (buffer.len(), self.pen.attributes());
        self.pen.reset(buffer);
        self.tail.note(buffer.get(from..).unwrap_or_default(), before);
    }

    pub(super) fn buffer(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stderr if !self.options.repl => &mut self.err.buffer,
            _ => &mut self.out.buffer,
        }
    }

    /// Whether somebody reads a stream of the program.
    pub fn flow(&self, stream: Stream) -> Flow {
        match stream {
            Stream::Stderr if !self.options.repl => self.err.flow(),
            _ => self.out.flow(),
        }
    }

    /// Writes no more to this stream, as if its reader had gone.
    pub fn close(&mut self, stream: Stream) {
        match stream {
            Stream::Stdout => self.out.close(),
            Stream::Stderr => self.err.close(),
        }
    }

    pub(super) fn write_out(&mut self, stream: Stream) -> Result<Flow, RenderError> {
        match stream {
            Stream::Stdout => self.out.write_out().map_err(RenderError::Output),
            Stream::Stderr => self.err.write_out().map_err(RenderError::Error),
        }
    }

    /// Writes one piece of text to the terminal, sanitized.
    fn sanitized(&mut self, stream: Stream, piece: &[u8]) -> Result<Flow, RenderError> {
        if self.has_program && stream == Stream::Stdout {
            return self.pass(piece);
        }
        let to_err = stream == Stream::Stderr && !self.options.repl;
        if to_err {
            let _ = self.write_out(Stream::Stdout)?;
        } else if !self.err.buffer.is_empty() {
            let _ = self.write_out(Stream::Stderr)?;
        }
        let sanitizer = if stream == Stream::Stdout { &mut self.stdout } else { &mut self.stderr };
        let buffer = if to_err { &mut self.err.buffer } else { &mut self.out.buffer };
        let (from, before) = (buffer.len(), self.pen.attributes());
        sanitizer.push(piece, &mut self.cursor, &mut self.pen, buffer);
        let is_full_screen = sanitizer.began_full_screen();
        self.tail.note(buffer.get(from..).unwrap_or_default(), before);
        if self.passes && (stream == Stream::Stdout || self.options.raw) {
            self.passed.note(piece);
        }
        if is_full_screen && !std::mem::replace(&mut self.told_full_screen, true) {
            let _ = self.note(if self.options.repl { FULL_SCREEN } else { FULL_SCREEN_IN_SCRIPT })?;
        }
        if to_err {
            self.err.write_if_full().map_err(RenderError::Error)
        } else {
            self.out.write_if_full().map_err(RenderError::Output)
        }
    }
}

#[cfg(test)]
mod tests;
