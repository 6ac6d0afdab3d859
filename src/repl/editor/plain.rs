//! Lines from a dumb terminal (`TERM=dumb`), or from standard input that is not a terminal. The system echoes and edits them.

use super::CellRead;
use crate::repl::commands;
use crate::repl::language::{Completeness, Language};
use crate::repl::paint::Paint;
use crate::repl::printable::{named, printable};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use unicode_width::UnicodeWidthStr;

/// How often Ctrl-C is checked. It arrives as a signal on any thread, which does not end a read on this one.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Why no line was read.
#[derive(Debug)]
pub(super) enum ReadStop {
    Interrupted,
    End,
    Failed(io::Error),
}

/// A reader of lines, which buffers the input after the line.
#[derive(Debug, Default)]
pub(super) struct PlainReader {
    buffer: Vec<u8>,
    ended: bool,
}

impl PlainReader {
    /// Shows `prompt` and reads one line, without its end. `interrupted` is true, once, after Ctrl-C was pressed.
    pub(super) fn line(&mut self, prompt: &str, interrupted: &dyn Fn() -> bool) -> Result<String, ReadStop> {
        let mut out = io::stdout();
        out.write_all(prompt.as_bytes()).and_then(|()| out.flush()).map_err(ReadStop::Failed)?;
        loop {
            if let Some(end) = self.buffer.iter().position(|b| matches!(b, b'\n' | b'\r')) {
                let rest = self.buffer.split_off(end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                let is_raw = line.last() == Some(&b'\r');
                let line = text(&line);
                if is_raw {
                    // It was typed while a cell ran: the system has not translated Enter and not echoed the line.
                    out.write_all(named(&line).as_bytes())
                        .and_then(|()| out.write_all(b"\n"))
                        .map_err(ReadStop::Failed)?;
                }
                return Ok(line);
            }
            if self.ended && self.buffer.is_empty() {
                return Err(new_line(ReadStop::End));
            }
            if self.ended {
                return Ok(text(&std::mem::take(&mut self.buffer)));
            }
            self.read(interrupted)?;
        }
    }

    /// Text for the next lines.
    pub(super) fn type_again(&mut self, text: &str) {
        self.buffer.extend_from_slice(text.replace('\n', "\r").as_bytes());
    }

    fn read(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), ReadStop> {
        let stdin = io::stdin();
        let interval = PollTimeout::try_from(CHECK_INTERVAL).unwrap_or(PollTimeout::ZERO);
        loop {
            if interrupted() {
                self.buffer.clear();
                return Err(new_line(ReadStop::Interrupted));
            }
            match poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], interval) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => break,
                Err(error) => return Err(ReadStop::Failed(error.into())),
            }
        }
        let mut bytes = [0; 4096];
        match nix::unistd::read(stdin.as_fd(), &mut bytes) {
            Ok(0) => self.ended = true,
            Ok(count) => self.buffer.extend_from_slice(bytes.get(..count).unwrap_or_default()),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            // The terminal is gone.
            Err(Errno::EIO) => self.ended = true,
            Err(error) => return Err(ReadStop::Failed(error.into())),
        }
        Ok(())
    }
}

/// Reads lines until the cell is complete.
pub(super) fn plain_cell(
    reader: &mut PlainReader,
    language: &dyn Language,
    paint: &Paint,
    prompt: &str,
    interrupted: &dyn Fn() -> bool,
) -> CellRead {
    let sign = paint.signs().continuation;
    let further = format!("{}{sign} ", " ".repeat(prompt.width().saturating_sub(sign.width() + 1)));
    let mut cell = String::new();
    loop {
        let shown = if cell.is_empty() { prompt } else { &further };
        match reader.line(shown, interrupted) {
            Ok(line) => cell.push_str(&line),
            Err(ReadStop::Interrupted) => return CellRead::Cancelled,
            Err(ReadStop::End) if cell.trim().is_empty() => return CellRead::End,
            Err(ReadStop::End) => return CellRead::Cell(cell),
            Err(ReadStop::Failed(error)) => return CellRead::Failed(error),
        }
        let code = commands::code_in(&cell, language);
        match language.completeness(code) {
            Completeness::Incomplete { .. } => cell.push('\n'),
            Completeness::Complete if language.may_continue(code) => cell.push('\n'),
            Completeness::Complete | Completeness::Invalid => return CellRead::Cell(cell),
        }
    }
}

/// Ends the line of the prompt, because the user has not pressed Enter.
fn new_line(stop: ReadStop) -> ReadStop {
    match io::stdout().write_all(b"\n") {
        Ok(()) => stop,
        Err(error) => ReadStop::Failed(error),
    }
}

fn text(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    printable(line.trim_end_matches(['\n', '\r']))
}
