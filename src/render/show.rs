//! What the console does with media: pictures are drawn, text is shown, and all else is told in a line that says what it
//! is and how to keep it.

use std::io::{self, Write};
use std::time::Duration;

use super::console::{Console, Flow, RenderError, Stream};
use super::media::{
    Canvas, DRAWING, DrawError, DrawingSurface, Drawn, GIT_GRAPH, Medium, Picture, PictureError, essence,
    git_graph, run_with_limit, save,
};
use super::sanitize;
use crate::terminal::Graphics;
use crate::theme::Signs;
use bai_protocol::record::ConsoleRecord;

/// Most characters of a MIME type that are shown.
const MIME_WIDTH: usize = 60;

/// Longest time for one picture. A plot takes some ten milliseconds.
pub(super) const MAX_TIME: Duration = Duration::from_secs(5);

/// A picture that is to be shown: the work, to be done by whoever has the time for it.
#[must_use]
pub struct PictureJob {
    medium: Medium,
    picture: Result<Picture, PictureError>,
    surface: DrawingSurface,
}

/// The work done.
#[must_use]
pub struct PictureResult {
    medium: Medium,
    source: Option<Picture>,
    /// The picture, and the size of its original in pixels.
    outcome: Result<(Drawn, (u32, u32)), Problem>,
}

/// Why there is nothing to be seen.
enum Problem {
    Picture(PictureError),
    Draw(DrawError),
}

impl PictureJob {
    /// Does the work, on a thread of its own and within limits of time and size. Blocks until it is done.
    pub fn paint(self) -> PictureResult {
        let Self { medium, picture, surface } = self;
        let source = picture.as_ref().ok().cloned();
        let job = move || {
            let still =
                picture.and_then(|picture| picture.still(&surface.canvas)).map_err(Problem::Picture)?;
            let drawn = Drawn::new(still.pixels, &surface).map_err(Problem::Draw)?;
            Ok((drawn, still.original))
        };
        let outcome =
            run_with_limit(MAX_TIME, job).unwrap_or_else(|undone| Err(Problem::Picture(undone.into())));
        PictureResult { medium, source, outcome }
    }
}

impl<O: Write, E: Write> Console<O, E> {
    /// The last medium that came: to be shown again or saved.
    pub fn last_medium(&self) -> Option<&Medium> {
        self.last.as_ref()
    }

    /// The work that a record needs before it can be shown, if it needs any: it may take long, and is to be given back
    /// through [`Console::show_painted`]. Whoever has nothing else to do leaves it to [`Console::record`].
    pub fn painting(&mut self, record: &ConsoleRecord) -> Option<PictureJob> {
        let ConsoleRecord::Media { mime, data } = record else { return None };
        let medium = Medium::decode(mime, data).ok()?;
        self.paint(medium).ok()
    }

    /// The work that a medium needs; the medium itself when it shows nothing. A drawing is drawn on its canvas.
    fn paint(&mut self, medium: Medium) -> Result<PictureJob, Medium> {
        let picture = if essence(&medium.mime) == DRAWING {
            self.canvases.draw(&medium.bytes).map(Picture::Drawing)
        } else {
            match Picture::of(&medium) {
                Some(picture) => Ok(picture),
                None => return Err(medium),
            }
        };
        Ok(PictureJob { medium, picture, surface: self.surface() })
    }

    /// Shows what has been painted.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn show_painted(&mut self, painted: PictureResult) -> Result<Flow, RenderError> {
        let PictureResult { medium, source, outcome } = painted;
        let saved = self.keep(&medium, source.as_ref());
        if outcome.is_ok() {
            self.last_picture = source;
        }
        let flow = match outcome {
            Ok((drawn, original)) => self.put(&medium, drawn, original, saved),
            Err(Problem::Picture(problem)) => self.describe(&medium, &format!(", {problem}"), saved),
            Err(Problem::Draw(problem)) => self.describe(&medium, &format!(", {problem}"), saved),
        };
        self.last = Some(medium);
        flow
    }

    pub(super) fn media(&mut self, mime: &str, data: &str) -> Result<Flow, RenderError> {
        let medium = match Medium::decode(mime, data) {
            Ok(medium) => medium,
            Err(problem) => {
                let mime = sanitize::line(mime, MIME_WIDTH);
                return self.note(&format!("[{mime}, {}: {problem}]", bytes(data.len())));
            }
        };
        let medium = match self.paint(medium) {
            Ok(painting) => return self.show_painted(painting.paint()),
            Err(medium) => medium,
        };
        let flow = self.show(&medium);
        self.last = Some(medium);
        flow
    }

    /// What pictures are drawn on.
    fn surface(&self) -> DrawingSurface {
        let options = &self.options;
        DrawingSurface {
            canvas: Canvas::new(options.size, options.cell, options.max_rows),
            graphics: if self.on_terminal(Stream::Stdout) { options.graphics } else { Graphics::None },
            colors: options.screen.colors,
            background: options.background,
        }
    }

    fn show(&mut self, medium: &Medium) -> Result<Flow, RenderError> {
        let saved = self.keep(medium, None);
        let mime = essence(&medium.mime);
        match mime.as_str() {
            _ if mime.starts_with("text/") || mime == "application/json" => {
                let text = String::from_utf8_lossy(&medium.bytes).into_owned();
                let flow = self.rich_text(&mime, &text)?;
                self.remark(saved).unwrap_or(Ok(flow))
            }
            GIT_GRAPH => {
                match git_graph(&String::from_utf8_lossy(&medium.bytes), self.options.screen.unicode) {
                    Some(graph) => {
                        if self.on_terminal(Stream::Stdout) {
                            let _ = self.fresh_line()?;
                        }
                        let flow = self.text(Stream::Stdout, &graph)?;
                        self.remark(saved).unwrap_or(Ok(flow))
                    }
                    None => self.describe(medium, ", no list of commits", saved),
                }
            }
            _ => self.describe(medium, "", saved),
        }
    }

    /// Draws a picture where the cursor is, on lines of its own.
    fn put(
        &mut self,
        medium: &Medium,
        drawn: Drawn,
        (width, height): (u32, u32),
        saved: Option<String>,
    ) -> Result<Flow, RenderError> {
        if self.surface().graphics == Graphics::None {
            let times = Signs::new(self.options.screen.unicode).times;
            return self.describe(medium, &format!(", {width}{times}{height} pixels"), saved);
        }
        if self.fresh_line()? == Flow::Closed {
            return Ok(Flow::Closed);
        }
        match drawn.inline(&mut self.out) {
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
    fn keep(&self, medium: &Medium, picture: Option<&Picture>) -> Option<String> {
        let folder = self.options.media_dir.as_ref()?;
        // Nobody else reads drawings, and a record is only a part of one.
        let drawn = match picture {
            Some(picture @ Picture::Drawing(_)) => {
                let png = picture.still(&Canvas::natural()).and_then(|still| still.to_png());
                png.ok().map(|png| Medium { mime: "image/png".to_owned(), bytes: png.into() })
            }
            _ => None,
        };
        Some(match save(drawn.as_ref().unwrap_or(medium), folder) {
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
