//! The one writer to the terminal between two lines of the editor: the program's output through the console, our own
//! sentences, the spinner. It also hears Ctrl-C and changes of the window.

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
use crate::panes::Appearance;
use crate::render::{Console, ConsoleOptions, Flow, RenderError, sanitize};
use crate::terminal::{Out, RunMode, Screen};
use crate::theme::{Role, Theme};

/// LeaveReason the terminal cannot be used any more.
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

/// The Ctrl-Cs that came as signals. All clones are one listener: what one has heard, none hears again.
#[derive(Debug, Clone)]
pub(super) struct Interrupts {
    count: watch::Receiver<u64>,
    heard: Arc<AtomicU64>,
}

impl Interrupts {
    /// Begins to listen; to be called once, before the first line is read.
    fn listen(runtime: &Handle) -> io::Result<Self> {
        let _inside = runtime.enter();
        let mut signals = signal(SignalKind::interrupt())?;
        let (counter, count) = watch::channel(0);
        runtime.spawn(async move {
            while signals.recv().await.is_some() {
                counter.send_modify(|count| *count += 1);
            }
        });
        Ok(Interrupts { count, heard: Arc::default() })
    }

    /// Waits for the next one. Cancel-safe.
    pub(super) async fn next(&mut self) {
        let heard = self.heard.load(Ordering::Relaxed);
        match self.count.wait_for(|count| *count > heard).await {
            Ok(count) => self.heard.store(*count, Ordering::Relaxed),
            // The runtime is shutting down; whoever waits is about to be dropped.
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether one came since the last look.
    pub(super) fn came(&self) -> bool {
        let count = *self.count.borrow();
        self.heard.swap(count, Ordering::Relaxed) < count
    }
}

/// The key that opens the pane, while no editor reads keys: it comes as a signal.
#[derive(Debug)]
pub(super) struct PaneKey {
    signal: Signal,
    pressed: bool,
}

impl PaneKey {
    /// Whether it was pressed and not handled yet.
    pub(super) fn is_pressed(&mut self) -> bool {
        self.pressed |= self.signal.recv().now_or_never().is_some();
        self.pressed
    }

    /// Takes it, if it was pressed.
    pub(super) fn take(&mut self) -> bool {
        self.is_pressed();
        std::mem::take(&mut self.pressed)
    }

    /// Waits for it and takes it. Cancel-safe.
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
        Ok(PromptTerminal {
            console: Console::new(Out::stdout(), Out::stderr(), options),
            paint,
            spinner: Spinner::new(screen.stdout_tty && !screen.dumb),
            screen,
            interrupts,
            window: signal(SignalKind::window_change())?,
            pane,
            pane_key: PaneKey { signal: signal(SignalKind::quit())?, pressed: false },
            output: Transcript::default(),
            out: if screen.stdout_tty { Out::stdout() } else { Out::stderr() },
        })
    }

    /// How views look.
    pub(super) fn look(&self) -> Appearance {
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

    /// A line of ours in a style of its own. The text may be anything: it is made harmless.
    pub(super) fn line(&mut self, role: Option<Role>, text: &str) -> Result<(), TerminalError> {
        self.fresh_line()?;
        let mut painted = String::new();
        for line in sanitize::text(text.trim_end_matches('\n')).split('\n') {
            self.paint.push(&mut painted, role, line);
            painted.push('\n');
        }
        self.out.write_all(painted.as_bytes())?;
        self.console.line_was_read();
        Ok(())
    }

    /// A remark of ours.
    pub(super) fn note(&mut self, text: &str) -> Result<(), TerminalError> {
        self.line(Some(Role::Note), text)
    }

    /// What failed, and what to do.
    pub(super) fn error(&mut self, error: &SessionError) -> Result<(), TerminalError> {
        self.line(Some(Role::Error), &error.sentence)?;
        match &error.hint {
            Some(hint) => self.note(hint),
            None => Ok(()),
        }
    }

    /// Takes the spinner away and goes to the start of a line.
    pub(super) fn fresh_line(&mut self) -> Result<(), TerminalError> {
        self.spinner.hide(&mut self.out)?;
        open(self.console.fresh_line()?)
    }

    /// Makes room for the program's output.
    pub(super) fn clear_spinner(&mut self) -> Result<(), TerminalError> {
        Ok(self.spinner.hide(&mut self.out)?)
    }

    /// Shows the spinner where there is room for it: not behind an unfinished line.
    pub(super) fn spin(&mut self, elapsed: Duration, label: &str) -> Result<(), TerminalError> {
        if !self.console.needs_newline() {
            self.spinner.show(&mut self.out, &self.paint, elapsed, label)?;
        }
        Ok(())
    }

    /// The window may have another size.
    pub(super) fn resized(&mut self) {
        self.console.resize(crate::terminal::size());
    }

    /// Writes bytes that are ours, as they are.
    pub(super) fn raw(&mut self, bytes: &str) -> Result<(), TerminalError> {
        open(self.console.flush()?)?;
        Ok(self.out.write_all(bytes.as_bytes())?)
    }

    /// Takes the keyboard for as long as the guard lives: keys wait for the next line, Ctrl-C is a signal. Pastes keep
    /// their brackets, so that they stay whole until then.
    pub(super) fn hold_keys(&mut self) -> Result<Option<RunMode>, TerminalError> {
        let mode = RunMode::enter(Some(self.pane.key()))?;
        if mode.is_some() {
            self.keep_pastes_whole()?;
        }
        Ok(mode)
    }

    /// Asks the terminal for brackets around pastes; the editor has switched them off when it gave the keyboard back.
    pub(super) fn keep_pastes_whole(&mut self) -> Result<(), TerminalError> {
        if self.screen.stdout_tty && !self.screen.dumb { self.raw("\x1b[?2004h") } else { Ok(()) }
    }

    /// Waits for something that is not a cell, with a spinner and what `label` says. Ctrl-C ends the wait.
    pub(super) async fn wait<T>(
        &mut self,
        label: impl Fn() -> String,
        future: impl Future<Output = T>,
    ) -> Result<WaitOutcome<T>, TerminalError> {
        let _mode = self.hold_keys()?;
        let start = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        tokio::pin!(future);
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

/// An error when the terminal was closed.
pub(super) fn open(flow: Flow) -> Result<(), TerminalError> {
    if flow == Flow::Closed { Err(TerminalError::Closed) } else { Ok(()) }
}
