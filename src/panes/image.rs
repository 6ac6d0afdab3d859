//! A picture on the whole window, in motion if it moves, until a key is pressed.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, MoveTo};
use crossterm::queue;
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use tokio::runtime::Handle;

use super::input::{Decoder, Input, Waited, read_some, wait};
use super::wake_pipe::WakePipe;
use crate::render::{ImageViewer, Slide, Slides, sanitize};
use crate::terminal::{FullScreen, Out, Size, ViewSignal, ViewSignals, size};

/// An escape sequence of a key arrives at once; after this it is the Escape key.
const ESCAPE: Duration = Duration::from_millis(25);

/// What happened meanwhile.
struct ImageEvents {
    wake: WakePipe,
    /// The window may have another size, or show something else.
    redraw: AtomicBool,
    /// The program is to end.
    over: AtomicBool,
}

/// Shows it until a key is pressed; `editor_waits` as for [`FullScreen`]. Blocks the thread that owns the keyboard.
///
/// # Errors
/// When the terminal cannot be used.
pub fn show(runtime: &Handle, image_viewer: &ImageViewer, editor_waits: bool) -> io::Result<()> {
    let bell = Arc::new(ImageEvents {
        wake: WakePipe::new()?,
        redraw: AtomicBool::new(false),
        over: AtomicBool::new(false),
    });
    let watcher = watch_signals(runtime, &bell)?;
    let full = FullScreen::enter(editor_waits)?;
    let result = View::new(image_viewer, &bell).live();
    // The picture goes before the screen does that it is on.
    let cleared = Out::stdout().write_all(image_viewer.clear().as_bytes());
    drop(full);
    watcher.abort();
    result.and(cleared)
}

fn watch_signals(runtime: &Handle, bell: &Arc<ImageEvents>) -> io::Result<tokio::task::AbortHandle> {
    let _context = runtime.enter();
    let mut signals = ViewSignals::listen()?;
    let bell = Arc::clone(bell);
    let task = runtime.spawn(async move {
        loop {
            match signals.recv().await {
                ViewSignal::Resized | ViewSignal::Continued => bell.redraw.store(true, Ordering::Release),
                ViewSignal::Closing => bell.over.store(true, Ordering::Release),
            }
            bell.wake.ring();
        }
    });
    Ok(task.abort_handle())
}

struct View<'a> {
    image_viewer: &'a ImageViewer,
    bell: &'a Arc<ImageEvents>,
    decoder: Decoder,
    slides: Option<Slides>,
    window: Size,
    /// When the next picture is due.
    due: Option<Instant>,
    /// When the last byte of a key came that has begun.
    begun: Instant,
    /// Nothing has been drawn in this window yet.
    empty: bool,
}

impl<'a> View<'a> {
    fn new(image_viewer: &'a ImageViewer, bell: &'a Arc<ImageEvents>) -> Self {
        Self {
            image_viewer,
            bell,
            decoder: Decoder::default(),
            slides: None,
            window: size(),
            due: None,
            begun: Instant::now(),
            empty: true,
        }
    }

    fn live(&mut self) -> io::Result<()> {
        self.begin()?;
        loop {
            let waiting = self.decoder.is_waiting().then(|| self.begun + ESCAPE);
            let until = [self.due, waiting].into_iter().flatten().min();
            let ready = wait(Waited { keys: true, wake: Some(self.bell.wake.fd()), room: false, until })?;
            if self.bell.over.load(Ordering::Acquire) || (ready.keys && self.leaves()?) {
                return Ok(());
            }
            if !ready.keys && waiting.is_some_and(|at| at <= Instant::now()) {
                return Ok(());
            }
            if ready.woken {
                self.bell.wake.take();
            }
            if self.bell.redraw.swap(false, Ordering::AcqRel) {
                self.begin()?;
            }
            self.draw()?;
        }
    }

    /// True when a key was pressed. A mouse movement does not count. What follows the key is left for the next reader.
    fn leaves(&mut self) -> io::Result<bool> {
        let mut byte = [0];
        if read_some(&mut byte)? == 0 {
            return Ok(true);
        }
        self.begun = Instant::now();
        let [byte] = byte;
        Ok(matches!(
            self.decoder.push(byte),
            Some(Input::Bytes(_) | Input::Key(_) | Input::Control(_) | Input::PasteEnd)
        ))
    }

    /// Begins anew, in the window as it is now.
    fn begin(&mut self) -> io::Result<()> {
        self.window = size();
        let bell = Arc::clone(self.bell);
        self.slides = Some(self.image_viewer.play(self.window, move || bell.wake.ring()));
        self.due = None;
        self.empty = true;
        self.status("…")
    }

    /// Draws the next picture if it is made and due.
    fn draw(&mut self) -> io::Result<()> {
        if self.due.is_some_and(|due| due > Instant::now()) {
            return Ok(());
        }
        match self.slides.as_ref().and_then(Slides::next) {
            Some(Ok(slide)) => self.put(slide),
            Some(Err(problem)) => self.status(&format!("it is not shown: {}", sanitize::line(&problem, 100))),
            None => {
                // It will ring.
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

    /// Writes the line below the picture; what was in an empty window goes.
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
