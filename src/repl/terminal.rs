//! The only writer to the terminal between two lines of the editor: it shows the program's output through the console, our own
//! messages, and the spinner. It also receives Ctrl-C and changes of the window size.

use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::output_fold::Transcript;
use super::paint::Paint;
use super::session::SessionError;
use super::spinner::{QUIET, Spinner, TICK, since};
use super::terminal_pane::TerminalPane;
use super::wrap;
use crate::panes::Appearance;
use crate::render::{Console, ConsoleOptions, Flow, RenderError, sanitize};
use crate::terminal::{Out, RunMode, Screen, size};
use crate::theme::{Role, Theme};
use bai_protocol::record::ConsoleRecord;

/// Why the terminal cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum TerminalError {
    /// The terminal was closed.
    #[error("the terminal is gone")]
    Closed,
    /// The system refused a write.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The system refused something else.
    #[error("cannot use the terminal: {0}")]
    Io(#[from] io::Error),
}

/// How a wait ended.
#[derive(Debug)]
pub(super) enum WaitOutcome<T> {
    Done(T),
    Interrupted,
}

/// The terminal, between two lines of the editor.
pub(super) struct PromptTerminal {
    pub(super) console: Console<Out, Out>,
    pub(super) paint: Paint,
    pub(super) spinner: Spinner,
    pub(super) screen: Screen,
    pub(super) interrupts: Interrupts,
    pub(super) window: Signal,
    /// The terminal inside the session.
    pub(super) pane: Arc<TerminalPane>,
    pub(super) pane_key: PaneKey,
    /// What the last cell has printed.
    pub(super) output: Transcript,
    out: Out,
}

/// The Ctrl-Cs that arrive as signals. All clones share one counter: each Ctrl-C is received once.
#[derive(Debug, Clone)]
pub(super) struct Interrupts {
    count: watch::Receiver<u64>,
    received: Arc<AtomicU64>,
}

impl Interrupts {
    /// Starts to listen. To be called once, before the first line is read.
    fn listen(runtime: &Handle) -> io::Result<Self> {
        let _inside = runtime.enter();
        let mut signals = signal(SignalKind::interrupt())?;
        let (counter, count) = watch::channel(0);
        runtime.spawn(async move {
            while signals.recv().await.is_some() {
                counter.send_modify(|count| *count += 1);
            }
        });
        Ok(Interrupts { count, received: Arc::default() })
    }

    /// Waits for the next one. Cancel-safe.
    pub(super) async fn next(&mut self) {
        let received = self.received.load(Ordering::Relaxed);
        let count = self.count.wait_for(|count| *count > received).await.map(|count| *count);
        match count {
            Ok(count) => self.received.store(count, Ordering::Relaxed),
            // The runtime is shutting down, so this future is about to be dropped.
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether one arrived since the last check.
    pub(super) fn came(&self) -> bool {
        let count = *self.count.borrow();
        self.received.swap(count, Ordering::Relaxed) < count
    }
}

/// The key that opens the pane. While no editor reads keys, it arrives as a signal.
#[derive(Debug)]
pub(super) struct PaneKey {
    signal: Signal,
    pressed: bool,
}

impl PaneKey {
    /// Another listener to the same key. It also knows of a key that is not handled yet.
    ///
    /// # Errors
    /// When the system cannot tell of signals.
    pub(super) fn again(&mut self, runtime: &Handle) -> io::Result<PaneKey> {
        let _inside = runtime.enter();
        let signal = signal(SignalKind::quit())?;
        Ok(PaneKey { signal, pressed: self.is_pressed() })
    }

    /// Whether it was pressed and is not handled yet.
    pub(super) fn is_pressed(&mut self) -> bool {
        self.pressed |= self.signal.recv().now_or_never().is_some();
        self.pressed
    }

    /// Whether it was pressed; it is handled then.
    pub(super) fn take(&mut self) -> bool {
        self.is_pressed();
        std::mem::take(&mut self.pressed)
    }

    /// Waits until it is pressed; it is handled then. Cancel-safe.
    pub(super) async fn next(&mut self) {
        if !std::mem::take(&mut self.pressed) {
            self.signal.recv().await;
        }
    }
}

impl PromptTerminal {
    /// The terminal on this process's terminal.
    pub(super) fn new(
        runtime: &Handle,
        options: ConsoleOptions,
        paint: Paint,
        pane: Arc<TerminalPane>,
    ) -> io::Result<Self> {
        let screen = options.screen;
        let interrupts = Interrupts::listen(runtime)?;
        let _inside = runtime.enter();
        let window = signal(SignalKind::window_change())?;
        crate::terminal::remember_listeners();
        Ok(PromptTerminal {
            console: Console::new(Out::stdout(), Out::stderr(), options),
            paint,
            spinner: Spinner::new(screen.stdout_tty && !screen.dumb),
            screen,
            interrupts,
            window,
            pane,
            pane_key: PaneKey { signal: signal(SignalKind::quit())?, pressed: false },
            output: Transcript::default(),
            out: if screen.stdout_tty { Out::stdout() } else { Out::stderr() },
        })
    }

    /// The appearance of views.
    pub(super) fn appearance(&self) -> Appearance {
        Appearance::new(
            Arc::clone(self.console.theme()),
            self.screen.colors,
            self.console.graphics_capabilities(),
        )
    }

    /// Uses another theme from now on.
    pub(super) fn set_theme(&mut self, theme: Arc<Theme>) {
        self.paint = Paint::new(&theme, self.screen.colors, self.screen.unicode);
        self.console.set_theme(theme);
    }

    /// Shows a line in a style, broken between words where the window ends. Control characters are removed from the text.
    pub(super) fn line(&mut self, role: Option<Role>, text: &str) -> Result<(), TerminalError> {
        self.fresh_line()?;
        let mut painted = String::new();
        let mut text = sanitize::sentences(text.trim_end_matches('\n'));
        if self.screen.stdout_tty {
            text = wrap::at_words(&text, usize::from(size().cols));
        }
        for line in text.split('\n') {
            self.paint.push(&mut painted, role, line);
            painted.push('\n');
        }
        if self.screen.stdout_tty {
            return open(self.console.our_lines(&painted)?);
        }
        self.out.write_all(painted.as_bytes())?;
        self.console.line_was_read();
        Ok(())
    }

    /// Shows a note.
    pub(super) fn note(&mut self, text: &str) -> Result<(), TerminalError> {
        self.line(Some(Role::Note), text)
    }

    /// Shows an error and its hint.
    pub(super) fn error(&mut self, error: &SessionError) -> Result<(), TerminalError> {
        self.line(Some(Role::Error), &error.sentence)?;
        match &error.hint {
            Some(hint) => self.note(hint),
            None => Ok(()),
        }
    }

    /// Removes the spinner and goes to the start of a line.
    pub(super) fn fresh_line(&mut self) -> Result<(), TerminalError> {
        self.spinner.hide(&mut self.out)?;
        open(self.console.fresh_line()?)
    }

    /// Removes the spinner, before output of the program.
    pub(super) fn clear_spinner(&mut self) -> Result<(), TerminalError> {
        Ok(self.spinner.hide(&mut self.out)?)
    }

    /// Shows the spinner, unless the cursor is after an unfinished line.
    pub(super) fn spin(&mut self, elapsed: Duration, label: &str) -> Result<(), TerminalError> {
        if !self.console.needs_newline() {
            self.spinner.show(&mut self.out, &self.paint, elapsed, label)?;
        }
        Ok(())
    }

    /// Reads the size of the window, which may have changed.
    pub(super) fn resized(&mut self) {
        self.console.resize(crate::terminal::size());
    }

    /// Shows records that no cell owns, as whole lines.
    pub(super) fn show_whole(&mut self, records: &[ConsoleRecord]) -> Result<(), TerminalError> {
        if records.is_empty() {
            return Ok(());
        }
        self.show_beginning(records)?;
        open(self.console.end_cell()?)?;
        open(self.console.fresh_line()?)
    }

    /// Shows records from before a cell began. Its output may go on with their last line.
    pub(super) fn show_beginning(&mut self, records: &[ConsoleRecord]) -> Result<(), TerminalError> {
        if records.is_empty() {
            return Ok(());
        }
        self.fresh_line()?;
        for record in records {
            open(self.console.record(record)?)?;
        }
        Ok(())
    }

    /// Writes our own bytes, with escape sequences.
    pub(super) fn raw(&mut self, bytes: &str) -> Result<(), TerminalError> {
        open(self.console.flush()?)?;
        Ok(self.out.write_all(bytes.as_bytes())?)
    }

    /// Holds keys back for the next line while the guard exists; Ctrl-C is a signal. Pastes keep their brackets, so that they stay
    /// whole.
    pub(super) fn hold_keys(&mut self) -> Result<Option<RunMode>, TerminalError> {
        let mode = RunMode::enter(Some(self.pane.key()))?;
        if mode.is_some() {
            self.keep_pastes_whole()?;
        }
        Ok(mode)
    }

    /// Turns on bracketed paste, which the editor turns off at the end of a line.
    pub(super) fn keep_pastes_whole(&mut self) -> Result<(), TerminalError> {
        if self.screen.stdout_tty && !self.screen.dumb { self.raw("\x1b[?2004h") } else { Ok(()) }
    }

    /// Gives a program the screen. It sets its modes itself.
    pub(super) fn begin_program(&mut self) -> Result<(), TerminalError> {
        if !self.screen.dumb {
            self.raw("\x1b[?2004l")?;
        }
        open(self.console.begin_program()?)
    }

    /// Takes the screen back.
    pub(super) fn end_program(&mut self) -> Result<(), TerminalError> {
        open(self.console.end_program()?)?;
        self.keep_pastes_whole()
    }

    /// Waits for a future that is not a cell, with a spinner and a label. Ctrl-C ends the wait.
    pub(super) async fn wait<T>(
        &mut self,
        label: impl Fn() -> String,
        future: impl Future<Output = T>,
    ) -> Result<WaitOutcome<T>, TerminalError> {
        tokio::pin!(future);
        // What needs no wait leaves the terminal as it is.
        if let Some(done) = future.as_mut().now_or_never() {
            return Ok(WaitOutcome::Done(done));
        }
        let _mode = self.hold_keys()?;
        let start = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        let waited = loop {
            tokio::select! {
                biased;
                () = self.interrupts.next() => break WaitOutcome::Interrupted,
                done = &mut future => break WaitOutcome::Done(done),
                _ = self.window.recv() => self.resized(),
                _ = tick.tick() => {
                    if since(start) >= QUIET / 2 {
                        self.spin(since(start), &label())?;
                    }
                }
            }
        };
        self.clear_spinner()?;
        Ok(waited)
    }
}

/// An error if the terminal was closed.
pub(super) fn open(flow: Flow) -> Result<(), TerminalError> {
    if flow == Flow::Closed { Err(TerminalError::Closed) } else { Ok(()) }
}
