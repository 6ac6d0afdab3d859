//! A picture on its own: in the whole window, animated, in a part of a view, or saved as a file.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use super::console::Console;
use super::media::{
    Canvas, DrawError, DrawingSurface, EncodedPicture, Picture, PictureError, Place, flatten, run_with_limit,
};
use super::show::MAX_TIME;
use crate::terminal::{ColorDepth, Graphics, Size};
use crate::theme::Rgb;

/// How many pictures are prepared before they are shown.
const AHEAD: usize = 2;

/// How a terminal draws pictures.
#[derive(Clone, Copy, Debug)]
pub struct GraphicsCapabilities {
    /// The protocol.
    pub graphics: Graphics,
    /// The colours that the terminal supports.
    pub colors: ColorDepth,
    /// The background colour, if it is known. It shows through transparent parts.
    pub background: Option<Rgb>,
    /// The size of a character cell in pixels, if the terminal reported it.
    pub cell: Option<(u16, u16)>,
    /// Whether the terminal supports marks for the start and the end of a picture.
    pub synchronized: bool,
}

impl GraphicsCapabilities {
    /// The capabilities of a terminal that cannot draw pictures.
    pub fn none() -> Self {
        let graphics = Graphics::None;
        Self { graphics, colors: ColorDepth::None, background: None, cell: None, synchronized: false }
    }
}

/// A picture and the terminal that shows it.
#[derive(Clone, Debug)]
pub struct ImageViewer {
    picture: Picture,
    capabilities: GraphicsCapabilities,
}

/// A part of the window, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first column.
    pub column: u16,
    /// The first row.
    pub row: u16,
    /// The number of columns.
    pub columns: u16,
    /// The number of rows.
    pub rows: u16,
}

/// A picture that the terminal draws over a part of the window. Clones share the data.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// The bytes that draw it.
    pub bytes: std::sync::Arc<[u8]>,
    /// The bytes that remove it, if clearing the window does not.
    pub clear: &'static str,
    /// The size of the original in pixels.
    pub original: (u32, u32),
}

impl PartialEq for Overlay {
    fn eq(&self, other: &Self) -> bool {
        std::sync::Arc::ptr_eq(&self.bytes, &other.bytes)
    }
}

/// A picture as half blocks: each cell shows two pixels, one above the other.
pub struct Blocks {
    pixels: image::RgbaImage,
    /// The size of the original in pixels.
    pub original: (u32, u32),
}

/// One frame, ready to be drawn.
pub struct Slide {
    drawn: EncodedPicture,
    place: Place,
    /// How long it is shown; `None` for a still picture.
    pub delay: Option<Duration>,
    /// The size of the original in pixels.
    pub original: (u32, u32),
}

/// The frames of a picture, made on a separate thread. The thread ends when this value is dropped.
pub struct Slides(mpsc::Receiver<Result<Slide, String>>);

impl<O: Write, E: Write> Console<O, E> {
    /// Returns a viewer for the last picture, if there is one.
    pub fn image_viewer(&self) -> Option<ImageViewer> {
        Some(ImageViewer { picture: self.last_picture.clone()?, capabilities: self.graphics_capabilities() })
    }

    /// Returns how the terminal draws pictures.
    pub fn graphics_capabilities(&self) -> GraphicsCapabilities {
        let options = &self.options;
        GraphicsCapabilities {
            graphics: options.graphics,
            colors: options.screen.colors,
            background: options.background,
            cell: options.cell,
            synchronized: options.synchronized,
        }
    }
}

impl ImageViewer {
    /// Returns a viewer for a file if its content is a picture. The file's name does not matter.
    pub fn of_file(bytes: &[u8], capabilities: GraphicsCapabilities) -> Option<Self> {
        Some(Self { picture: Picture::of_file(bytes)?, capabilities })
    }

    /// Whether the terminal can draw the picture.
    pub fn can_be_drawn(&self) -> bool {
        self.capabilities.graphics != Graphics::None
    }

    /// Whether the terminal supports marks for the start and the end of a picture.
    pub fn is_synchronized(&self) -> bool {
        self.capabilities.synchronized
    }

    /// The picture in the terminal's own protocol, in the middle of a part of the window. The bytes must be written
    /// unchanged. `None` if the terminal supports half blocks only. Blocks for some seconds at most.
    ///
    /// # Errors
    /// The reason, as part of a sentence.
    pub fn overlay(&self, part: Part) -> Option<Result<Overlay, String>> {
        if matches!(self.capabilities.graphics, Graphics::None | Graphics::Blocks) {
            return None;
        }
        let (picture, clear) = (self.picture.clone(), self.clear());
        let surface = self.surface(Canvas::part(part.columns, part.rows, self.capabilities.cell));
        let job = move || {
            let still = picture.still(&surface.canvas).map_err(|error| error.to_string())?;
            let drawn = EncodedPicture::new(still.pixels, &surface).map_err(|error| error.to_string())?;
            let middle = surface.canvas.middle(drawn.cells);
            let place = Place { col: part.column + middle.col, row: part.row + middle.row };
            let mut bytes = Vec::new();
            drawn.at(place, &mut bytes).map_err(|error| error.to_string())?;
            Ok(Overlay { bytes: bytes.into(), clear, original: still.original })
        };
        Some(
            run_with_limit(MAX_TIME, job)
                .unwrap_or_else(|undone| Err(PictureError::from(undone).to_string())),
        )
    }

    /// The picture as half blocks that fit into this many cells. Blocks for some seconds at most.
    ///
    /// # Errors
    /// The reason, as part of a sentence.
    pub fn blocks(&self, columns: u16, rows: u16) -> Result<Blocks, String> {
        let (picture, canvas) = (self.picture.clone(), Canvas::of_blocks(columns, rows));
        let still = run_with_limit(MAX_TIME, move || picture.still(&canvas))
            .unwrap_or_else(|undone| Err(undone.into()));
        let mut still = still.map_err(|error| error.to_string())?;
        if let Some(Rgb { r, g, b }) = self.capabilities.background {
            flatten(&mut still.pixels, [r, g, b]);
        }
        Ok(Blocks { pixels: still.pixels, original: still.original })
    }

    /// The sequence that removes all pictures from the window.
    pub fn clear(&self) -> &'static str {
        if self.capabilities.graphics == Graphics::Kitty { EncodedPicture::CLEAR_KITTY } else { "" }
    }

    /// Starts to make frames for a window, as large as fits above one free line. An animation repeats. `made` is called
    /// on another thread after each frame.
    pub fn play(&self, window: Size, made: impl Fn() + Send + 'static) -> Slides {
        let (sender, receiver) = mpsc::sync_channel(AHEAD);
        let (picture, surface) =
            (self.picture.clone(), self.surface(Canvas::whole(window, self.capabilities.cell)));
        let show = move || {
            let send = |slide: Result<Slide, String>| {
                let sent = sender.send(slide).is_ok();
                made();
                sent
            };
            play(&picture, surface, &send);
        };
        // If the thread cannot start, the channel is closed and there are no pictures.
        let _ = std::thread::Builder::new().name("slides".to_owned()).stack_size(16 << 20).spawn(show);
        Slides(receiver)
    }

    fn surface(&self, canvas: Canvas) -> DrawingSurface {
        let GraphicsCapabilities { graphics, colors, background, .. } = self.capabilities;
        DrawingSurface { canvas, graphics, colors, background }
    }

    /// The picture as a file with this extension: the original bytes if they have this format, else PNG.
    ///
    /// # Errors
    /// The reason, as part of a sentence.
    pub fn file(&self, extension: &str) -> Result<Vec<u8>, String> {
        let extension = extension.to_ascii_lowercase();
        if let Some(bytes) = self.picture.original_bytes()
            && (extension != "png" || self.extension() == "png")
        {
            return Ok(bytes.to_vec());
        }
        let picture = self.picture.clone();
        let job = move || picture.still(&Canvas::natural()).and_then(|still| still.to_png());
        run_with_limit(MAX_TIME, job)
            .unwrap_or_else(|undone| Err(undone.into()))
            .map_err(|error| error.to_string())
    }

    /// The file extension of its format.
    pub fn extension(&self) -> &'static str {
        self.picture.extension()
    }
}

impl Blocks {
    /// The number of columns.
    pub fn columns(&self) -> u16 {
        u16::try_from(self.pixels.width()).unwrap_or(u16::MAX)
    }

    /// The number of rows.
    pub fn rows(&self) -> u16 {
        u16::try_from(self.pixels.height().div_ceil(2)).unwrap_or(u16::MAX)
    }

    /// The upper and the lower half of a cell; `None` if the picture is transparent there.
    pub fn at(&self, column: u16, row: u16) -> (Option<Rgb>, Option<Rgb>) {
        let pixel = |y: u32| match self.pixels.get_pixel_checked(column.into(), y)?.0 {
            [r, g, b, alpha] if alpha >= 128 => Some(Rgb { r, g, b }),
            _ => None,
        };
        let upper = u32::from(row) * 2;
        (pixel(upper), pixel(upper + 1))
    }
}

impl Slides {
    /// Returns the next frame, if it is ready.
    pub fn next(&self) -> Option<Result<Slide, String>> {
        self.0.try_recv().ok()
    }
}

impl Slide {
    /// Draws the frame, after the bytes that `out` has buffered.
    ///
    /// # Errors
    /// Returns an error if the terminal cannot be written.
    pub fn draw(self, out: &mut impl Write) -> std::io::Result<()> {
        match self.drawn.at(self.place, out) {
            Ok(()) => Ok(()),
            Err(DrawError::Io(error)) => Err(error),
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

/// Sends frames until the receiver is dropped.
fn play(picture: &Picture, surface: DrawingSurface, send: &impl Fn(Result<Slide, String>) -> bool) {
    let Some(mut frames) = picture.frames(surface.canvas) else {
        let shown = {
            let picture = picture.clone();
            run_with_limit(MAX_TIME, move || picture.still(&surface.canvas))
                .unwrap_or_else(|undone| Err(undone.into()))
        };
        let made = shown
            .map_err(|error| error.to_string())
            .and_then(|still| slide(still.pixels, &surface, None, still.original));
        send(made);
        return;
    };
    loop {
        let mut shown = 0;
        for frame in frames {
            // An animation that is damaged in the middle repeats up to that frame.
            let Ok(frame) = frame else { break };
            let original = (frame.pixels.width(), frame.pixels.height());
            if !send(slide(frame.pixels, &surface, Some(frame.delay), original)) {
                return;
            }
            shown += 1;
        }
        match picture.frames(surface.canvas) {
            Some(again) if shown > 0 => frames = again,
            _ => {
                send(Err("it has no picture that can be read".to_owned()));
                return;
            }
        }
    }
}

/// Centres a still picture or a frame in the window.
fn slide(
    pixels: image::RgbaImage,
    surface: &DrawingSurface,
    delay: Option<Duration>,
    original: (u32, u32),
) -> Result<Slide, String> {
    let drawn = EncodedPicture::new(pixels, surface).map_err(|error| error.to_string())?;
    let place = surface.canvas.middle(drawn.cells);
    Ok(Slide { drawn, place, delay, original })
}
