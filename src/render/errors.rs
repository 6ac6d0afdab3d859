//! Standard error at the prompt: the console highlights the message and the location in each line, and turns the names
//! of local files into links.

use std::io::Write;

use super::console::{Console, Flow, RenderError, Stream};
use super::traceback::{self, Part};

impl<O: Write, E: Write> Console<O, E> {
    /// Writes text of standard error, which may be cut anywhere. Only lines that are complete in `text` are
    /// highlighted.
    pub(super) fn error_text(&mut self, text: &str) -> Result<Flow, RenderError> {
        let mut flow = Flow::Open;
        let mut plain_from = 0;
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let (from, to) = (at, at + line.len());
            at = to;
            let Some(content) = line.strip_suffix('\n') else { continue };
            let parts = traceback::parts(content);
            // The start of a line is known only when the text before it has been written.
            let begins = from > 0 || !self.needs_newline();
            if parts.is_empty() || !begins {
                continue;
            }
            if let Some(before) = text.get(plain_from..from).filter(|before| !before.is_empty()) {
                flow = self.terminal_text(Stream::Stderr, before)?;
            }
            if !self.stderr_is_plain() {
                plain_from = from;
                continue;
            }
            flow = self.error_line(content, &parts)?;
            plain_from = to;
        }
        match text.get(plain_from..).filter(|rest| !rest.is_empty()) {
            Some(rest) => self.terminal_text(Stream::Stderr, rest),
            None => Ok(flow),
        }
    }

    fn error_line(&mut self, line: &str, parts: &[Part]) -> Result<Flow, RenderError> {
        let mut at = 0;
        for part in parts {
            let before = line.get(at..part.range.start).unwrap_or_default();
            let text = line.get(part.range.clone()).unwrap_or_default();
            at = part.range.end;
            let style = self.options.theme.style(part.role).sgr_parameters(self.options.screen.colors);
            let link = part.file.as_ref().and_then(|(file, line)| self.link_to(file, *line));
            let _ = self.terminal_text(Stream::Stderr, before)?;
            if let Some(url) = &link {
                self.out.buffer.extend_from_slice(format!("\x1b]8;;{url}\x1b\\").as_bytes());
            }
            let styled =
                if style.is_empty() { text.to_owned() } else { format!("\x1b[{style}m{text}\x1b[0m") };
            let _ = self.terminal_text(Stream::Stderr, &styled)?;
            if link.is_some() {
                self.out.buffer.extend_from_slice(b"\x1b]8;;\x1b\\");
            }
        }
        self.terminal_text(Stream::Stderr, &format!("{}\n", line.get(at..).unwrap_or_default()))
    }

    /// The address of a link to a local file. `None` if the terminal does not support links or the file does not exist.
    fn link_to(&self, file: &str, line: u32) -> Option<String> {
        let path = std::path::Path::new(file);
        if !self.options.links || !self.options.local || !path.is_absolute() {
            return None;
        }
        std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        // With the host name, a terminal at the far end of ssh knows that the file is on another machine.
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
            .remove(b'/')
            .remove(b'.')
            .remove(b'-')
            .remove(b'_')
            .remove(b'~');
        let path = percent_encoding::utf8_percent_encode(file, KEPT);
        Some(format!("file://{host}{path}#{line}"))
    }
}
