//! A full-screen picture, animated if it has several frames, until the user presses a key.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, MoveTo};
use crossterm::queue;
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use tokio::runtime::Handle;

use super::input::{Decoder, Input, WaitFor, read_some, wait};
use super::wake_pipe::WakePipe;
use crate::render::{ImageViewer, Slide, Slides, sanitize};
use crate::terminal::{FullScreen, Out, Size, ViewSignal, ViewSignals, size};

/// The bytes of an escape sequence arrive at once; after this time a single ESC is the Escape key.
const ESCAPE: Duration = Duration::from_millis(25);

/// Events for the view from other threads.
struct ImageEvents {
    wake: WakePipe,
    /// Whether the window must be redrawn: its size may have changed.
    redraw: AtomicBool,
    /// Whether a signal asks the program to end.
    terminated: AtomicBool,
}

/// Shows a picture until the user presses a key; `editor_waits` as for [`FullScreen`]. Blocks the thread that owns the
/// keyboard.
///
/// # Errors
/// When the terminal cannot be used.
pub fn show(runtime: &Handle, image_viewer: &ImageViewer, editor_waits: bool) -> io::Result<()> {
    let events = Arc::new(ImageEvents {
        wake: WakePipe::new()?,
        redraw: AtomicBool::new(false),
        terminated: AtomicBool::new(false),
    });
    let watcher = watch_signals(runtime, &events)?;
    let full = FullScreen::enter(editor_waits)?;
    let result = ImageView::new(image_viewer, &events).run();
    // Remove the picture before leaving its screen.
    let cleared = Out::stdout().write_all(image_viewer.clear().as_bytes());
    drop(full);
    watcher.abort();
    result.and(cleared)
}

fn watch_signals(runtime: &Handle, events: &Arc<ImageEvents>) -> io::Result<tokio::task::AbortHandle> {
    let _context = runtime.enter();
    let mut signals = ViewSignals::listen()?;
    let events = Arc::clone(events);
    let task = runtime.spawn(async move {
        loop {
            match signals.recv().await {
                ViewSignal::Resized | ViewSignal::Continued => events.redraw.store(true, Ordering::Release),
                ViewSignal::Closing => events.terminated.store(true, Ordering::Release),
            }
            events.wake.ring();
        }
    });
    Ok(task.abort_handle())
}

struct ImageView<'a> {
    image_viewer: &'a ImageViewer,
    events: &'a Arc<ImageEvents>,
    decoder: Decoder,
    slides: Option<Slides>,
    window: Size,
    /// Time of the next frame.
    due: Option<Instant>,
    /// Time of the last byte of an incomplete key.
    last_byte: Instant,
    /// Whether the window is still empty.
    empty: bool,
}

impl<'a> ImageView<'a> {
    fn new(image_viewer: &'a ImageViewer, events: &'a Arc<ImageEvents>) -> Self {
        Self {
            image_viewer,
            events,
            decoder: Decoder::default(),
            slides: None,
            window: size(),
            due: None,
            last_byte: Instant::now(),
            empty: true,
        }
    }

    fn run(&mut self) -> io::Result<()> {
        self.start()?;
        loop {
            let waiting = self.decoder.is_waiting().then(|| self.last_byte + ESCAPE);
            let until = [self.due, waiting].into_iter().flatten().min();
            let ready = wait(WaitFor { keys: true, wake: Some(self.events.wake.fd()), room: false, until })?;
            if self.events.terminated.load(Ordering::Acquire) || (ready.keys && self.key_pressed()?) {
                return Ok(());
            }
            if !ready.keys && waiting.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(());
            }
            if ready.woken {
                self.events.wake.take();
            }
            if self.events.redraw.swap(false, Ordering::AcqRel) {
                self.start()?;
            }
            self.draw()?;
        }
    }

    /// Whether a key was pressed; mouse movements do not count. Bytes after the key stay for the next reader.
    fn key_pressed(&mut self) -> io::Result<bool> {
        let mut byte = [0];
        if read_some(&mut byte)? == 0 {
            return Ok(true);
        }
        self.last_byte = Instant::now();
        let [byte] = byte;
        Ok(matches!(
            self.decoder.push(byte),
            Some(Input::Bytes(_) | Input::Key(_) | Input::Control(_) | Input::PasteEnd)
        ))
    }

    /// Starts the picture again at the current size of the window.
    fn start(&mut self) -> io::Result<()> {
        self.window = size();
        let events = Arc::clone(self.events);
        self.slides = Some(self.image_viewer.play(self.window, move || events.wake.ring()));
        self.due = None;
        self.empty = true;
        self.status("…")
    }

    /// Draws the next frame if it is ready and due.
    fn draw(&mut self) -> io::Result<()> {
        if self.due.is_some_and(|due| due > Instant::now()) {
            return Ok(());
        }
        match self.slides.as_ref().and_then(Slides::next) {
            Some(Ok(slide)) => self.put(slide),
            Some(Err(problem)) => {
                self.status(&format!("the picture cannot be shown: {}", sanitize::line(&problem, 100)))
            }
            None => {
                // The next frame will wake the view.
                self.due = None;
                Ok(())
            }
        }
    }

    fn put(&mut self, slide: Slide) -> io::Result<()> {
        self.due = slide.delay.map(|delay| Instant::now() + delay);
        let (width, height) = slide.original;
        let mut frame = BufWriter::new(Out::stdout());
        if self.image_viewer.is_synchronized() {
            queue!(frame, BeginSynchronizedUpdate)?;
        }
        frame.write_all(self.image_viewer.clear().as_bytes())?;
        slide.draw(&mut frame)?;
        if self.image_viewer.is_synchronized() {
            queue!(frame, EndSynchronizedUpdate)?;
        }
        frame.flush()?;
        if std::mem::take(&mut self.empty) {
            return self.status(&format!("{width}×{height} pixels · any key leaves"));
        }
        Ok(())
    }

    /// Writes the line below the picture; clears the window first if there is no picture yet.
    fn status(&self, text: &str) -> io::Result<()> {
        let mut out = BufWriter::new(Out::stdout());
        if self.empty {
            queue!(out, SetAttribute(Attribute::Reset), Clear(ClearType::All))?;
        }
        let text: String = text.chars().take(usize::from(self.window.cols)).collect();
        let last_row = self.window.rows.saturating_sub(1);
        queue!(out, MoveTo(0, last_row), SetAttribute(Attribute::Dim), Print(text))?;
        queue!(out, SetAttribute(Attribute::Reset), Clear(ClearType::UntilNewLine), Hide)?;
        out.flush()
    }
}
