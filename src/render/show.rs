//! Media in the console: pictures are drawn, text is shown, and any other medium becomes one line that says what it is
//! and how to save it.

use std::io::{self, Write};
use std::time::Duration;

use super::console::{Console, Flow, RenderError, Stream};
use super::media::{
    Canvas, DRAWING, DrawError, DrawingSurface, EncodedPicture, GIT_GRAPH, Medium, Picture, PictureError,
    essence, git_graph, run_with_limit, save,
};
use super::sanitize;
use crate::format;
use crate::terminal::Graphics;
use crate::theme::Signs;
use bai_protocol::record::{ConsoleRecord, Display, PictureSize};

/// The most characters of a MIME type that are shown.
const MIME_WIDTH: usize = 60;

/// The time limit for one picture. A plot takes about ten milliseconds.
pub(super) const MAX_TIME: Duration = Duration::from_secs(5);

/// The work of preparing a picture. The caller chooses when and where to do it.
#[must_use]
pub struct PictureJob {
    medium: Medium,
    /// The display that it belongs to, for one with an id.
    display: Option<Display>,
    picture: Result<Picture, PictureError>,
    surface: DrawingSurface,
}

/// The result of a [`PictureJob`].
#[must_use]
pub struct PictureResult {
    medium: Medium,
    display: Option<Display>,
    source: Option<Picture>,
    /// The picture, and the size of the original in pixels.
    outcome: Result<(EncodedPicture, (u32, u32)), Problem>,
}

/// Why a picture cannot be shown.
enum Problem {
    Picture(PictureError),
    Draw(DrawError),
}

impl PictureJob {
    /// Does the work on a separate thread, within limits of time and size. Blocks until it is done.
    pub fn paint(self) -> PictureResult {
        let Self { medium, display, picture, surface } = self;
        let source = picture.as_ref().ok().cloned();
        let job = move || {
            let still =
                picture.and_then(|picture| picture.still(&surface.canvas)).map_err(Problem::Picture)?;
            let drawn = EncodedPicture::new(still.pixels, &surface).map_err(Problem::Draw)?;
            Ok((drawn, still.original))
        };
        let outcome =
            run_with_limit(MAX_TIME, job).unwrap_or_else(|undone| Err(Problem::Picture(undone.into())));
        PictureResult { medium, display, source, outcome }
    }
}

impl<O: Write, E: Write> Console<O, E> {
    /// Returns the last medium, to be shown again or saved.
    pub fn last_medium(&self) -> Option<&Medium> {
        self.last.as_ref()
    }

    /// Returns the work that a record needs before it can be shown, if any. It may take long; pass its result to
    /// [`Console::show_picture`]. A caller that can block uses [`Console::record`] instead.
    pub fn picture_job(&mut self, record: &ConsoleRecord) -> Option<PictureJob> {
        let (record, display) = match record {
            ConsoleRecord::Display(display) => (&*display.record, Some(display)),
            record => (record, None),
        };
        let ConsoleRecord::Media { mime, data } = record else { return None };
        if let Some(Display { id: Some(id), update: true, .. }) = display
            && !self.updates_now(id)
        {
            return None;
        }
        let size = display.map(|display| display.size).unwrap_or_default();
        let job = self.paint(Medium::decode(mime, data).ok()?, size).ok()?;
        Some(PictureJob { display: display.filter(|display| display.id.is_some()).cloned(), ..job })
    }

    /// Returns the work that a medium needs, or the medium itself if it is not a picture. A drawing is drawn on its
    /// canvas.
    fn paint(&mut self, medium: Medium, size: PictureSize) -> Result<PictureJob, Medium> {
        let picture = if essence(&medium.mime) == DRAWING {
            self.canvases.draw(&medium.bytes).map(Picture::Drawing)
        } else {
            match Picture::of(&medium) {
                Some(picture) => Ok(picture),
                None => return Err(medium),
            }
        };
        let mut surface = self.surface();
        surface.canvas.asked = size;
        Ok(PictureJob { medium, display: None, picture, surface })
    }

    /// Shows a prepared picture.
    ///
    /// # Errors
    /// As [`Console::record`].
    pub fn show_picture(&mut self, mut result: PictureResult) -> Result<Flow, RenderError> {
        if let Some(display) = result.display.take() {
            return self.place(&display, |console| console.show_picture(result));
        }
        self.clear_if_due();
        let PictureResult { medium, source, outcome, .. } = result;
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

    pub(super) fn media(&mut self, mime: &str, data: &str, size: PictureSize) -> Result<Flow, RenderError> {
        self.clear_if_due();
        let medium = match Medium::decode(mime, data) {
            Ok(medium) => medium,
            Err(problem) => {
                let mime = sanitize::line(mime, MIME_WIDTH);
                return self.note(&format!("[{mime}, {}: {problem}]", format::size(data.len() as u64)));
            }
        };
        let medium = match self.paint(medium, size) {
            Ok(job) => return self.show_picture(job.paint()),
            Err(medium) => medium,
        };
        let flow = self.show(&medium);
        self.last = Some(medium);
        flow
    }

    /// The surface that pictures are drawn on.
    fn surface(&self) -> DrawingSurface {
        let options = &self.options;
        DrawingSurface {
            canvas: Canvas::new(options.size, options.cell, options.max_rows),
            graphics: if self.on_terminal(Stream::Stdout) { options.graphics } else { Graphics::None },
            colors: options.screen.colors,
            background: options.background,
        }
    }

    pub(super) fn show(&mut self, medium: &Medium) -> Result<Flow, RenderError> {
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
                            let _ = self.start_line()?;
                        }
                        let flow = self.text(Stream::Stdout, &graph)?;
                        self.remark(saved).unwrap_or(Ok(flow))
                    }
                    None => self.describe(medium, ", not a list of commits", saved),
                }
            }
            _ => self.describe(medium, "", saved),
        }
    }

    /// Draws a picture at the cursor, on lines of its own.
    fn put(
        &mut self,
        medium: &Medium,
        drawn: EncodedPicture,
        (width, height): (u32, u32),
        saved: Option<String>,
    ) -> Result<Flow, RenderError> {
        if self.surface().graphics == Graphics::None {
            let times = Signs::new(self.options.screen.unicode).times;
            return self.describe(medium, &format!(", {width}{times}{height} pixels"), saved);
        }
        if self.start_line()? == Flow::Closed {
            return Ok(Flow::Closed);
        }
        match self.ink(drawn) {
            Ok(()) => {}
            Err(DrawError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(Flow::Closed);
            }
            Err(DrawError::Io(error)) => return Err(RenderError::Output(error)),
            Err(problem) => return self.describe(medium, &format!(", {problem}"), saved),
        }
        let flow = self.write_batch()?;
        self.remark(saved).unwrap_or(Ok(flow))
    }

    /// Saves a medium if the user wants all media saved. Returns the outcome as part of a sentence.
    pub(super) fn keep(&self, medium: &Medium, picture: Option<&Picture>) -> Option<String> {
        let folder = self.options.media_dir.as_ref()?;
        // Drawings are saved as PNG: other programs cannot read them, and a record is only a part of a drawing.
        let drawn = match picture {
            Some(picture @ Picture::Drawing(_)) => {
                let png = picture.still(&Canvas::natural()).and_then(|still| still.to_png());
                png.ok().map(|png| Medium { mime: "image/png".to_owned(), bytes: png.into() })
            }
            _ => None,
        };
        Some(match save(drawn.as_ref().unwrap_or(medium), folder) {
            Ok(path) => format!("saved to {}", sanitize::name(&path.display().to_string(), 300)),
            Err(error) => {
                format!("cannot save it in {}: {error}", sanitize::name(&folder.display().to_string(), 300))
            }
        })
    }

    /// Shows the outcome of saving, if a medium was saved.
    fn remark(&mut self, saved: Option<String>) -> Option<Result<Flow, RenderError>> {
        saved.map(|saved| self.note(&format!("[{saved}]")))
    }

    /// Shows one line in place of a medium that cannot be shown.
    pub(super) fn describe(
        &mut self,
        medium: &Medium,
        details: &str,
        saved: Option<String>,
    ) -> Result<Flow, RenderError> {
        let mime = sanitize::line(&medium.mime, MIME_WIDTH);
        let mime = if mime.is_empty() { "medium without a type".to_owned() } else { mime };
        let saved = saved.unwrap_or_else(|| "--media-dir DIR saves it".to_owned());
        self.note(&format!("[{mime}{details}, {}; {saved}]", format::size(medium.bytes.len() as u64)))
    }
}
