//! What the console does with records that are not plain text: pictures are drawn, HTML becomes text, and all else is
//! told in a line that says what it is and how to keep it.

use std::io::{self, Write};

use super::console::{Console, Flow, RenderError, Stream};
use super::media::{Canvas, DrawError, Medium, draw, essence, html_to_text, is_raster, picture, save};
use super::sanitize;
use crate::terminal::Graphics;
use crate::theme::Signs;

/// Most characters of a MIME type that are shown.
const MIME_WIDTH: usize = 60;

impl<O: Write, E: Write> Console<O, E> {
    /// The last medium that came: to be shown again or saved.
    pub fn last_medium(&self) -> Option<&Medium> {
        self.last.as_ref()
    }

    /// HTML as text, on the program's standard output.
    pub(super) fn html(&mut self, html: &str) -> Result<Flow, RenderError> {
        let text = html_to_text(html, usize::from(self.options.size.cols), self.options.screen.unicode);
        if self.on_terminal(Stream::Stdout) {
            let _ = self.fresh_line()?;
        }
        self.text(Stream::Stdout, &text)
    }

    pub(super) fn media(&mut self, mime: &str, data: &str) -> Result<Flow, RenderError> {
        let medium = match Medium::decode(mime, data) {
            Ok(medium) => medium,
            Err(problem) => {
                let mime = sanitize::line(mime, MIME_WIDTH);
                return self.note(&format!("[{mime}, {}: {problem}]", bytes(data.len())));
            }
        };
        let flow = self.show(&medium);
        self.last = Some(medium);
        flow
    }

    fn show(&mut self, medium: &Medium) -> Result<Flow, RenderError> {
        let saved = self.keep(medium);
        let mime = essence(&medium.mime);
        if is_raster(&mime) {
            return self.picture(medium, saved);
        }
        match mime.as_str() {
            "text/html" => {
                let text = String::from_utf8_lossy(&medium.bytes).into_owned();
                let flow = self.html(&text)?;
                self.remark(saved).unwrap_or(Ok(flow))
            }
            _ if mime.starts_with("text/") || mime == "application/json" => {
                let mut text = sanitize::text(&String::from_utf8_lossy(&medium.bytes));
                if !text.ends_with('\n') {
                    text.push('\n');
                }
                if self.on_terminal(Stream::Stdout) {
                    let _ = self.fresh_line()?;
                }
                let flow = self.text(Stream::Stdout, &text)?;
                self.remark(saved).unwrap_or(Ok(flow))
            }
            _ => self.describe(medium, "", saved),
        }
    }

    fn picture(&mut self, medium: &Medium, saved: Option<String>) -> Result<Flow, RenderError> {
        let canvas = Canvas::new(self.options.size, self.options.cell, self.options.max_rows);
        let picture = match picture(&medium.bytes, canvas) {
            Ok(picture) => picture,
            Err(problem) => return self.describe(medium, &format!(", {problem}"), saved),
        };
        if !self.on_terminal(Stream::Stdout) || self.options.graphics == Graphics::None {
            let times = Signs::new(self.options.screen.unicode).times;
            let (width, height) = picture.original;
            return self.describe(medium, &format!(", {width}{times}{height} pixels"), saved);
        }
        // Everything that was printed before must be on the screen: some pictures take another way there.
        if self.fresh_line()? == Flow::Closed {
            return Ok(Flow::Closed);
        }
        let (graphics, colors) = (self.options.graphics, self.options.screen.colors);
        match draw(picture.pixels, canvas, graphics, colors, &mut self.out.buffer) {
            Ok(()) => {}
            Err(DrawError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(Flow::Closed);
            }
            Err(DrawError::Io(error)) => return Err(RenderError::Output(error)),
            Err(problem) => return self.describe(medium, &format!(", {problem}"), saved),
        }
        self.line_was_read();
        let flow = self.flush()?;
        self.remark(saved).unwrap_or(Ok(flow))
    }

    /// Saves a medium if the user wants all of them kept. What came of it, as part of a sentence.
    fn keep(&self, medium: &Medium) -> Option<String> {
        let folder = self.options.media_dir.as_ref()?;
        Some(match save(medium, folder) {
            Ok(path) => format!("saved to {}", sanitize::line(&path.display().to_string(), 300)),
            Err(error) => {
                format!("cannot save it in {}: {error}", sanitize::line(&folder.display().to_string(), 300))
            }
        })
    }

    /// Tells what became of saving, if anything was saved.
    fn remark(&mut self, saved: Option<String>) -> Option<Result<Flow, RenderError>> {
        saved.map(|saved| self.note(&format!("[{saved}]")))
    }

    /// One line in the place of what cannot be shown.
    fn describe(
        &mut self,
        medium: &Medium,
        details: &str,
        saved: Option<String>,
    ) -> Result<Flow, RenderError> {
        let mime = sanitize::line(&medium.mime, MIME_WIDTH);
        let mime = if mime.is_empty() { "medium of no type".to_owned() } else { mime };
        let saved = saved.unwrap_or_else(|| "--media-dir DIR saves it".to_owned());
        self.note(&format!("[{mime}{details}, {}; {saved}]", bytes(medium.bytes.len())))
    }
}

/// A number of bytes as people read it.
fn bytes(count: usize) -> String {
    match count {
        0..1_000 => format!("{count} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}
