//! A picture to be looked at by itself: on the whole window, in motion if it moves, in a part of a view, or as a file.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use super::console::Console;
use super::media::{
    Canvas, DrawError, DrawingSurface, Drawn, Picture, PictureError, Place, flatten, run_with_limit,
};
use super::show::MAX_TIME;
use crate::terminal::{ColorDepth, Graphics, Size};
use crate::theme::Rgb;

/// Pictures that are made before they are shown.
const AHEAD: usize = 2;

/// How pictures are drawn on a terminal.
#[derive(Clone, Copy, Debug)]
pub struct GraphicsCapabilities {
    /// The protocol.
    pub graphics: Graphics,
    /// The colours that there are.
    pub colors: ColorDepth,
    /// What shows through, if it is known.
    pub background: Option<Rgb>,
    /// The size of a character cell in pixels, if the terminal told it.
    pub cell: Option<(u16, u16)>,
    /// Whether the terminal can be told where a picture begins and ends.
    pub synchronized: bool,
}

impl GraphicsCapabilities {
    /// None.
    pub fn none() -> Self {
        let graphics = Graphics::None;
        Self { graphics, colors: ColorDepth::None, background: None, cell: None, synchronized: false }
    }
}

/// A picture and the terminal that it is for.
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
    /// How many columns.
    pub columns: u16,
    /// How many rows.
    pub rows: u16,
}

/// A picture that the terminal draws over a part of the window. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// What draws it.
    pub bytes: std::sync::Arc<[u8]>,
    /// What takes it away, where clearing the window does not.
    pub clear: &'static str,
    /// The size of the original in pixels.
    pub original: (u32, u32),
}

impl PartialEq for Overlay {
    fn eq(&self, other: &Self) -> bool {
        std::sync::Arc::ptr_eq(&self.bytes, &other.bytes)
    }
}

/// A picture as half blocks: two pixels above each other for every cell.
pub struct Blocks {
    pixels: image::RgbaImage,
    /// The size of the original in pixels.
    pub original: (u32, u32),
}

/// One picture of a show, ready to be drawn.
pub struct Slide {
    drawn: Drawn,
    place: Place,
    /// How long it is shown; `None` for one that stays.
    pub delay: Option<Duration>,
    /// The size of the original in pixels.
    pub original: (u32, u32),
}

/// Pictures as they are made, on a thread of its own that ends when this is dropped.
pub struct Slides(mpsc::Receiver<Result<Slide, String>>);

impl<O: Write, E: Write> Console<O, E> {
    /// The last picture, if there was one.
    pub fn image_viewer(&self) -> Option<ImageViewer> {
        Some(ImageViewer { picture: self.last_picture.clone()?, capabilities: self.graphics_capabilities() })
    }

    /// How pictures are drawn here.
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
    /// A picture from a file, if it is one: told by its content, whatever it is called.
    pub fn of_file(bytes: &[u8], capabilities: GraphicsCapabilities) -> Option<Self> {
        Some(Self { picture: Picture::of_file(bytes)?, capabilities })
    }

    /// True when there is a way to draw it here.
    pub fn can_be_drawn(&self) -> bool {
        self.capabilities.graphics != Graphics::None
    }

    /// Whether the terminal can be told where a picture begins and ends.
    pub fn is_synchronized(&self) -> bool {
        self.capabilities.synchronized
    }

    /// The picture in the terminal's own protocol, in the middle of a part of the window: to be written as it is. Nothing
    /// where there are only half blocks. Blocks for some seconds at most.
    ///
    /// # Errors
    /// Why it cannot be, as part of a sentence.
    pub fn overlay(&self, part: Part) -> Option<Result<Overlay, String>> {
        if matches!(self.capabilities.graphics, Graphics::None | Graphics::Blocks) {
            return None;
        }
        let (picture, clear) = (self.picture.clone(), self.clear());
        let surface = self.surface(Canvas::part(part.columns, part.rows, self.capabilities.cell));
        let job = move || {
            let still = picture.still(&surface.canvas).map_err(|error| error.to_string())?;
            let drawn = Drawn::new(still.pixels, &surface).map_err(|error| error.to_string())?;
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

    /// The picture as half blocks that fit into so many cells. Blocks for some seconds at most.
    ///
    /// # Errors
    /// Why it cannot be, as part of a sentence.
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

    /// What takes away all that is drawn in the window.
    pub fn clear(&self) -> &'static str {
        if self.capabilities.graphics == Graphics::Kitty { Drawn::CLEAR_KITTY } else { "" }
    }

    /// Begins to make pictures for a window, as large as fits with a line below, over and over if it moves. `made` is
    /// called on another thread after each.
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
        // Without a thread the channel is closed, which is an end without pictures.
        let _ = std::thread::Builder::new().name("slides".to_owned()).stack_size(16 << 20).spawn(show);
        Slides(receiver)
    }

    fn surface(&self, canvas: Canvas) -> DrawingSurface {
        let GraphicsCapabilities { graphics, colors, background, .. } = self.capabilities;
        DrawingSurface { canvas, graphics, colors, background }
    }

    /// The picture as a file with this extension: as it came where that is its format, else as PNG.
    ///
    /// # Errors
    /// Why it cannot be, as part of a sentence.
    pub fn file(&self, extension: &str) -> Result<Vec<u8>, String> {
        let extension = extension.to_ascii_lowercase();
        if let Some(bytes) = self.picture.as_it_came()
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

    /// The extension of files of its format.
    pub fn extension(&self) -> &'static str {
        self.picture.extension()
    }
}

impl Blocks {
    /// How many columns it covers.
    pub fn columns(&self) -> u16 {
        u16::try_from(self.pixels.width()).unwrap_or(u16::MAX)
    }

    /// How many rows.
    pub fn rows(&self) -> u16 {
        u16::try_from(self.pixels.height().div_ceil(2)).unwrap_or(u16::MAX)
    }

    /// The upper and the lower half of a cell; `None` where the picture is transparent.
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
    /// The next one, if it is made.
    pub fn next(&self) -> Option<Result<Slide, String>> {
        self.0.try_recv().ok()
    }
}

impl Slide {
    /// Draws it. What `out` has is written first.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn draw(self, out: &mut impl Write) -> std::io::Result<()> {
        match self.drawn.at(self.place, out) {
            Ok(()) => Ok(()),
            Err(DrawError::Io(error)) => Err(error),
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

/// Sends pictures for as long as somebody takes them.
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
            // What is broken in the middle is shown up to there, again and again.
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

/// In the middle of the window.
fn slide(
    pixels: image::RgbaImage,
    surface: &DrawingSurface,
    delay: Option<Duration>,
    original: (u32, u32),
) -> Result<Slide, String> {
    let drawn = Drawn::new(pixels, surface).map_err(|error| error.to_string())?;
    let place = surface.canvas.middle(drawn.cells);
    Ok(Slide { drawn, place, delay, original })
}
