//! Lines in the console: where one begins, lines of this program, and the unfinished line of a program that asks.

use std::io::Write;
use std::sync::Arc;

use super::console::{Console, Flow, RenderError, Stream};
use super::partial::PartialLine;
use crate::theme::Role;

impl<O: Write, E: Write> Console<O, E> {
    /// Whether the cursor is not at the start of a line, so that a prompt or a footer needs a new line.
    pub fn needs_newline(&self) -> bool {
        self.cursor.column() > 0
    }

    /// Starts a new line if the cursor is not at the start of one, and flushes.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn fresh_line(&mut self) -> Result<Flow, RenderError> {
        let _ = self.start_line()?;
        self.flush()
    }

    /// Starts a new line if the cursor is not at the start of one, and writes the buffer.
    pub(super) fn start_line(&mut self) -> Result<Flow, RenderError> {
        if self.needs_newline()
            && let Some(stream) = self.terminal_stream()
        {
            self.reset_pen();
            self.buffer(stream).push(b'\n');
            self.cursor.pass_rows(1);
            self.tail.clear();
        }
        self.write_batch()
    }

    /// Writes lines of this program on lines of their own, to the terminal. They are harmless except for our own sequences.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn our_lines(&mut self, text: &str) -> Result<Flow, RenderError> {
        let _ = self.start_line()?;
        self.out.buffer.extend_from_slice(text.as_bytes());
        self.follow(text.as_bytes());
        self.cursor.leave_own_lines();
        self.tail.clear();
        self.write_batch()
    }

    /// Removes the unfinished line from the screen, so that an editor can show it as its prompt. The result is empty if
    /// there is no such line, or if it cannot be removed because it is too long or cursor moves have mixed it up. Then
    /// the editor starts at the cursor. After the answer call [`Console::begin_cell`] or [`Console::line_was_read`].
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn take_partial_line(&mut self) -> Result<PartialLine, RenderError> {
        let mut line = PartialLine::default();
        if self.needs_newline()
            && self.terminal_stream() == Some(Stream::Stdout)
            && !self.options.screen.dumb
            && !self.options.raw
            && let Some(found) = self.tail.line()
            && let Some(up) = self.cursor.rewind_line()
        {
            self.reset_pen();
            self.out.buffer.push(b'\r');
            if up > 0 {
                self.out.buffer.extend_from_slice(format!("\x1b[{up}A").as_bytes());
            }
            self.out.buffer.extend_from_slice(b"\x1b[J");
            line = found;
        }
        self.tail.clear();
        let _ = self.flush()?;
        Ok(line)
    }

    /// Records that an editor or a spinner has used the terminal and left the cursor at the start of a line.
    pub fn line_was_read(&mut self) {
        self.cursor.restart();
        self.tail.clear();
    }

    /// Shows a note of this program on lines of its own: on the terminal in the theme's style, in scripts on standard
    /// error. `text` must be harmless.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn note(&mut self, text: &str) -> Result<Flow, RenderError> {
        let stream = if self.options.repl { Stream::Stdout } else { Stream::Stderr };
        let terminal = self.on_terminal(stream);
        let _ = if terminal { self.start_line()? } else { self.write_out(Stream::Stdout)? };
        let depth = self.options.screen.colors;
        let theme = Arc::clone(&self.options.theme);
        if terminal && !self.options.repl {
            // It is written past the output that is kept.
            self.forget_displays();
        }
        let mut lines = String::new();
        for line in text.lines() {
            let painted = match terminal && !self.options.screen.dumb {
                true => theme.paint(Role::Note, depth, line),
                false => line.to_owned(),
            };
            lines.push_str(&painted);
            lines.push('\n');
        }
        self.buffer(stream).extend_from_slice(lines.as_bytes());
        if terminal {
            self.follow(lines.as_bytes());
            self.cursor.leave_own_lines();
            self.tail.clear();
        }
        self.write_out(if self.options.repl { Stream::Stdout } else { Stream::Stderr })
    }
}
