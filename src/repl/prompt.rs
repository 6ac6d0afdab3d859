//! The loop of the prompt: read a line, see whose it is, run it; and the session that stands behind it, which is opened
//! while the first line is typed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::banner;
use super::cell::{self, CellEnd, CellOptions};
use super::commands;
use super::completion::{Completer, CompletionSource};
use super::delegated::DelegatedCommands;
use super::editor::{CellRead, Editor, EditorParts, Notifier};
use super::language::Language;
use super::options::{NextSession, OnLeave, ReplExit, ReplOptions};
use super::paint::Paint;
use super::printable::printable;
use super::session::{OpenProgress, PromptSession, SessionError, SessionOpener};
use super::terminal::{PromptTerminal, TerminalError, WaitOutcome};
use super::terminal_pane::{TerminalPane, VisitPane};
use crate::terminal::RunMode;
use crate::theme::Library;
use bai_client::Cell;

/// How long a session may take to end when a signal ends us.
const LAST_WILL_LIMIT: Duration = Duration::from_secs(3);

/// How long leaving waits for a session that no server has confirmed to have heard of.
const UNASKED_LIMIT: Duration = Duration::from_secs(1);

/// So many pieces of news from the terminal inside the session wait for the next prompt; more are not worth reading.
const MAX_NOTICES: usize = 8;

/// The session, or what became of it.
enum SessionPhase {
    Opening {
        done: oneshot::Receiver<Result<Arc<PromptSession>, SessionError>>,
        status: watch::Receiver<String>,
        give_up: CancellationToken,
    },
    Open(Arc<PromptSession>),
    Failed(SessionError),
    Destroyed,
}

/// A cell that was run.
#[derive(Debug, Clone)]
pub(super) struct RanCell {
    pub(super) code: String,
    /// It ended with an error, or was stopped: running it again would only do that again.
    pub(super) failed: bool,
}

/// What the loop does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoopAction {
    Continue,
    Quit,
}

/// The prompt.
pub(super) struct Repl {
    pub(super) runtime: tokio::runtime::Handle,
    pub(super) terminal: PromptTerminal,
    pub(super) editor: Editor,
    pub(super) language: Arc<dyn Language>,
    pub(super) quiet: bool,
    pub(super) outlives: bool,
    pub(super) themes: Library,
    completer: Arc<Completer>,
    opener: SessionOpener,
    pub(super) delegated: Arc<dyn DelegatedCommands>,
    leave: OnLeave,
    phase: SessionPhase,
    /// Whether the editor has the keyboard, so that news can be shown above the line.
    at_prompt: Arc<AtomicBool>,
    /// The cells that were run in this session, for `:save` and `:replay`.
    pub(super) cells: Vec<RanCell>,
    /// What the next prompt begins with.
    pub(super) initial: String,
    left_running: bool,
    /// The session that the user goes to next.
    pub(super) next: Option<NextSession>,
    /// Who ends the session when a signal ends us.
    fatal_signals: Option<tokio::task::JoinHandle<()>>,
    /// A cell was lost, and the session may take no other.
    pub(super) lost: bool,
    /// A remark about the session that could not be shown when it was opened.
    untold: Arc<Mutex<Option<String>>>,
    /// The session, for whoever must end it when a signal ends us.
    last_will: Arc<Mutex<Option<Arc<PromptSession>>>>,
    /// What happened in the terminal inside the session and was not told yet.
    pane_notices: Arc<Mutex<Vec<String>>>,
}

impl Repl {
    pub(super) fn new(options: ReplOptions) -> Result<Self, TerminalError> {
        let ReplOptions { runtime, open, banner, language, console, keymap, typed, pane_notices, .. } =
            options;
        let screen = console.screen;
        let paint = Paint::new(&console.theme, screen.colors, screen.unicode);
        let pane = options.pane;
        let mut terminal = PromptTerminal::new(&runtime, console, paint.clone(), Arc::clone(&pane))?;
        let completer = Arc::new(Completer::new(runtime.clone(), Arc::clone(&language)));
        let interrupts = terminal.interrupts.clone();
        let (editor, notice) = Editor::new(EditorParts {
            language: Arc::clone(&language),
            completer: Arc::clone(&completer),
            paint,
            screen,
            keymap,
            history: options.history_dir,
            interrupted: Arc::new(move || interrupts.came()),
            pane: (pane.key(), door(&runtime, pane)),
        })?;
        if !options.quiet {
            banner::show(&banner, &mut terminal)?;
        }
        if let Some(notice) = notice {
            terminal.note(&notice)?;
        }
        let mut repl = Repl {
            runtime,
            terminal,
            editor,
            language,
            quiet: options.quiet,
            outlives: options.outlives,
            themes: options.themes,
            completer,
            opener: open,
            delegated: options.delegated,
            leave: options.leave,
            phase: SessionPhase::Destroyed,
            at_prompt: Arc::default(),
            cells: Vec::new(),
            initial: printable(&typed.replace('\r', "\n")),
            left_running: false,
            next: None,
            fatal_signals: None,
            lost: false,
            untold: Arc::default(),
            last_will: Arc::default(),
            pane_notices: Arc::default(),
        };
        if options.leave == OnLeave::Destroy {
            repl.obey_fatal_signals()?;
        }
        repl.tell_of_pane(pane_notices);
        repl.open();
        Ok(repl)
    }

    /// Shows what happens in the terminal inside the session while it is not shown: at once at the prompt, else when
    /// the next prompt comes.
    fn tell_of_pane(&self, mut sentences: mpsc::Receiver<String>) {
        let (at_prompt, notifier) = (Arc::clone(&self.at_prompt), self.editor.notifier());
        let later = Arc::clone(&self.pane_notices);
        self.runtime.spawn(async move {
            while let Some(sentence) = sentences.recv().await {
                if !(at_prompt.load(Ordering::Relaxed) && notifier.show(&sentence)) {
                    let mut later = later.lock().unwrap_or_else(PoisonError::into_inner);
                    if later.len() < MAX_NOTICES {
                        later.push(sentence);
                    }
                }
            }
        });
    }

    /// Shows notices that the editor could not show, and opens the pane if its key was pressed meanwhile.
    fn before_prompt(&mut self) -> Result<(), TerminalError> {
        let news = std::mem::take(&mut *self.pane_notices.lock().unwrap_or_else(PoisonError::into_inner));
        for sentence in news {
            self.terminal.note(&sentence)?;
        }
        if self.terminal.pane_key.take() { self.visit_pane() } else { Ok(()) }
    }

    /// Shows the terminal inside the session until the user comes back.
    pub(super) fn visit_pane(&mut self) -> Result<(), TerminalError> {
        let pane = Arc::clone(&self.terminal.pane);
        match self.runtime.block_on(pane.visit()) {
            Ok(visit) => {
                self.initial.push_str(&printable(&visit.typed.replace('\r', "\n")));
                self.terminal.resized();
                visit.remark.map_or(Ok(()), |remark| self.terminal.note(&remark))
            }
            Err(error) => self.terminal.error(&error),
        }
    }

    /// Destroys the session before a signal such as SIGHUP ends us: it is temporary and would be left behind.
    fn obey_fatal_signals(&mut self) -> Result<(), TerminalError> {
        let _inside = self.runtime.enter();
        let mut signals = crate::terminal::listen_fatal()?;
        let last_will = Arc::clone(&self.last_will);
        self.fatal_signals = Some(self.runtime.spawn(async move {
            let signal = signals.recv().await;
            let session = last_will.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(session) = session {
                // It may fail, and it must not take long: the machine may be shutting down.
                let _ = tokio::time::timeout(LAST_WILL_LIMIT, session.destroy()).await;
            }
            signal.die();
        }));
        Ok(())
    }

    /// Reads and runs until the user leaves.
    pub(super) fn run(&mut self) -> Result<ReplExit, TerminalError> {
        // The modes from which the editor begins and to which it returns: between two lines no key is echoed or
        // translated, not even for a moment; the pane's key waits for the editor like any other.
        let _keys = if self.editor.is_plain() { None } else { RunMode::enter(None)? };
        loop {
            self.before_prompt()?;
            let initial = std::mem::take(&mut self.initial);
            self.at_prompt.store(true, Ordering::Relaxed);
            let read = self.editor.read_cell(&initial);
            self.at_prompt.store(false, Ordering::Relaxed);
            self.terminal.console.line_was_read();
            self.terminal.resized();
            let then = match read {
                CellRead::Cell(line) => self.line(&line)?,
                CellRead::Cancelled => LoopAction::Continue,
                CellRead::End => LoopAction::Quit,
                CellRead::Failed(error) => return Err(error.into()),
            };
            if then == LoopAction::Quit {
                return self.leave();
            }
        }
    }

    fn line(&mut self, line: &str) -> Result<LoopAction, TerminalError> {
        let line = line.trim_end();
        if line.trim().is_empty() {
            return Ok(LoopAction::Continue);
        }
        if let Some(notice) = self.editor.remember(line) {
            self.terminal.note(&notice)?;
        }
        match commands::parse(line) {
            Some(Ok(command)) => self.command(command),
            Some(Err(usage)) => self.terminal.note(&usage).map(|()| LoopAction::Continue),
            None => {
                if let Some((name, detailed)) = self.asked_about(line)
                    && self.describe(&name, detailed)?
                {
                    return Ok(LoopAction::Continue);
                }
                self.cell(line, CellOptions::default())
            }
        }
    }

    /// Runs a cell, and does what its end asks for.
    pub(super) fn cell(&mut self, code: &str, options: CellOptions) -> Result<LoopAction, TerminalError> {
        let options = CellOptions { outlives: self.outlives, ..options };
        self.run_cell(code, options).map(|(_, then)| then)
    }

    /// The same, telling also whether the cell went well.
    pub(super) fn run_cell(
        &mut self,
        code: &str,
        options: CellOptions,
    ) -> Result<(bool, LoopAction), TerminalError> {
        self.run_work(Cell::Query(code.to_owned()), options)
    }

    /// Runs a cell, or the steps of a batch, and does what the end asks for.
    pub(super) fn run_work(
        &mut self,
        work: Cell,
        options: CellOptions,
    ) -> Result<(bool, LoopAction), TerminalError> {
        let Some(session) = self.session()? else {
            // The typed code is not lost: it is in the history.
            return Ok((false, LoopAction::Continue));
        };
        let code = if let Cell::Query(code) = &work { code.clone() } else { String::new() };
        let (end, typed) =
            cell::run(&self.runtime, &mut self.terminal, &mut self.editor, &session, work, options)?;
        self.initial = typed.keys;
        self.completer.cell_ran(&code);
        if !options.ours {
            // A cell that took the session with it would do so again in a replay.
            let failed = !matches!(end, CellEnd::Finished(Some(0) | None) | CellEnd::Lost { usable: true });
            self.cells.push(RanCell { code, failed });
        }
        Ok(match end {
            CellEnd::Finished(code) => {
                // Exit codes of programs that a signal has ended, other than Ctrl-C's.
                if code.is_some_and(|code| code > 128 && code != 130)
                    && self.cells.iter().any(|cell| !cell.failed)
                {
                    self.terminal.note("if the kernel is new: :replay runs the session's cells again")?;
                }
                (code.unwrap_or(0) == 0, LoopAction::Continue)
            }
            CellEnd::Lost { usable } => {
                if !usable {
                    self.lost = true;
                    self.terminal.note(
                        ":restart starts the kernel anew, :replay also runs the session's other cells again; \
                         :new replaces the session",
                    )?;
                }
                (false, LoopAction::Continue)
            }
            CellEnd::Restarted => (false, LoopAction::Continue),
            CellEnd::Unrestartable => {
                self.lost = true;
                self.recreate()?;
                (false, LoopAction::Continue)
            }
            CellEnd::Destroyed => {
                self.forget_session();
                (false, LoopAction::Continue)
            }
            CellEnd::LeftRunning => {
                self.left_running = true;
                (false, LoopAction::Quit)
            }
        })
    }

    /// Begins to open the session, behind the prompt.
    pub(super) fn open(&mut self) {
        let (progress, status, give_up) = OpenProgress::new();
        let (sender, done) = oneshot::channel();
        let opening = (self.opener)(progress);
        let completer = Arc::clone(&self.completer);
        let at_prompt = Arc::clone(&self.at_prompt);
        let notifier = self.editor.notifier();
        let last_will = Arc::clone(&self.last_will);
        let untold = Arc::clone(&self.untold);
        self.runtime.spawn(async move {
            let opened = opening.await;
            match &opened {
                Ok(session) => {
                    let source: Arc<dyn CompletionSource> = Arc::<PromptSession>::clone(session);
                    completer.set_source(Some(source));
                    tokio::spawn(show_error(session.prepare(), Arc::clone(&at_prompt), notifier.clone()));
                    match session.note().map(str::to_owned) {
                        Some(note) if at_prompt.load(Ordering::Relaxed) && notifier.show(&note) => {}
                        note => *untold.lock().unwrap_or_else(PoisonError::into_inner) = note,
                    }
                    *last_will.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(session));
                }
                Err(error) if at_prompt.load(Ordering::Relaxed) => {
                    let hint = error.hint.as_ref().map(|hint| format!("{hint}\n")).unwrap_or_default();
                    // Where it cannot be shown it is told at the next cell.
                    let _ = notifier.show(&format!("{error}\n{hint}:new tries again, :quit leaves"));
                }
                Err(_) => {}
            }
            // The prompt may have ended already.
            let _ = sender.send(opened);
        });
        self.phase = SessionPhase::Opening { done, status, give_up };
    }

    /// The session when it is open; waits for it, and says why when there is none.
    pub(super) fn session(&mut self) -> Result<Option<Arc<PromptSession>>, TerminalError> {
        if let SessionPhase::Opening { done, status, .. } = &mut self.phase {
            let label = || match status.borrow().as_str() {
                "" => "opening the session".to_owned(),
                status => format!("opening the session: {status}"),
            };
            let waited = self.runtime.block_on(self.terminal.wait(label, done))?;
            self.phase = match waited {
                WaitOutcome::Done(Ok(Ok(session))) => SessionPhase::Open(session),
                WaitOutcome::Done(Ok(Err(error))) => SessionPhase::Failed(error),
                WaitOutcome::Done(Err(_)) => SessionPhase::Failed(SessionError {
                    sentence: "the session could not be opened: the attempt broke off".to_owned(),
                    hint: None,
                }),
                WaitOutcome::Interrupted => {
                    self.terminal.note("not run; the session is still being opened")?;
                    return Ok(None);
                }
            };
        }
        let untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(note) = untold {
            self.terminal.note(&note)?;
        }
        match &self.phase {
            SessionPhase::Open(session) => return Ok(Some(Arc::clone(session))),
            SessionPhase::Failed(error) => {
                let error = error.clone();
                self.terminal.error(&error)?;
                self.terminal.note("there is no session: :new tries again, :quit leaves")?;
            }
            SessionPhase::Destroyed => {
                self.terminal.note("there is no session: :new opens one, :quit leaves")?
            }
            SessionPhase::Opening { .. } => {}
        }
        Ok(None)
    }

    /// The session if it is open now.
    pub(super) fn open_session(&mut self) -> Option<Arc<PromptSession>> {
        if let SessionPhase::Opening { done, .. } = &mut self.phase
            && let Ok(opened) = done.try_recv()
        {
            self.phase = opened.map_or_else(SessionPhase::Failed, SessionPhase::Open);
        }
        match &self.phase {
            SessionPhase::Open(session) => Some(Arc::clone(session)),
            _ => None,
        }
    }

    /// Whether leaving ends the session.
    pub(super) fn leave_ends_it(&self) -> bool {
        self.leave == OnLeave::Destroy && !self.left_running
    }

    /// The session is gone; its cells stay, to be run again in the next one.
    pub(super) fn forget_session(&mut self) {
        self.phase = SessionPhase::Destroyed;
        *self.last_will.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.completer.set_source(None);
        self.lost = false;
    }

    /// Waits, while the session is being opened, until it can be destroyed. It need not run for that.
    fn await_opening(&mut self) -> Result<(), TerminalError> {
        let SessionPhase::Opening { done, status, give_up } = &mut self.phase else { return Ok(()) };
        let asked_for = !status.borrow().is_empty();
        let limit = if asked_for { Duration::MAX } else { UNASKED_LIMIT };
        if asked_for {
            give_up.cancel();
        }
        let label = || "waiting for the session, to destroy it; Ctrl-C leaves it".to_owned();
        // A timer needs the runtime that it is made on.
        let opened = async move { tokio::time::timeout(limit, done).await };
        match self.runtime.block_on(self.terminal.wait(label, opened))? {
            WaitOutcome::Done(Ok(Ok(Ok(session)))) => self.phase = SessionPhase::Open(session),
            WaitOutcome::Done(_) => {}
            WaitOutcome::Interrupted => self.terminal.note("the session may come to be all the same")?,
        }
        Ok(())
    }

    /// Ends the session or keeps it, and says which.
    fn leave(&mut self) -> Result<ReplExit, TerminalError> {
        let session = self.part_with_session()?;
        if let Some(listening) = self.fatal_signals.take() {
            listening.abort();
            // The next prompt listens only when this one has ended.
            let _ = self.runtime.block_on(listening);
        }
        Ok(ReplExit { next: self.next.take(), session })
    }

    fn part_with_session(&mut self) -> Result<Option<String>, TerminalError> {
        if self.leave == OnLeave::Destroy {
            self.await_opening()?;
        }
        let Some(session) = self.open_session() else { return Ok(None) };
        let name = session.name().to_owned();
        if self.leave == OnLeave::Keep && !self.left_running {
            let label = || "waiting for the kernel".to_owned();
            self.runtime.block_on(self.terminal.wait(label, session.settle()))?;
        }
        if self.leave == OnLeave::Keep || self.left_running {
            if !self.quiet {
                let program = if self.left_running { " and its program run on" } else { " stays" };
                self.terminal
                    .note(&format!("session {name}{program}; bai-repl attach {name} continues with it"))?;
            }
            return Ok(Some(name));
        }
        let label = || format!("destroying session {name}");
        match self.runtime.block_on(self.terminal.wait(label, session.destroy()))? {
            WaitOutcome::Done(Ok(())) if self.quiet => {}
            WaitOutcome::Done(Ok(())) => self.terminal.note(&format!("session {name} is destroyed"))?,
            WaitOutcome::Done(Err(error)) => self.terminal.error(&error)?,
            WaitOutcome::Interrupted => self.terminal.note(&format!("session {name} may still be there"))?,
        }
        Ok(None)
    }
}

/// The way into the pane from a thread that is not the runtime's.
fn door(runtime: &tokio::runtime::Handle, pane: Arc<TerminalPane>) -> VisitPane {
    let runtime = runtime.clone();
    Arc::new(move || runtime.block_on(pane.visit()))
}

/// Shows above the line that is typed that a new session does not answer. A cell that waits gets the same message.
async fn show_error(
    preparing: BoxFuture<'static, Option<SessionError>>,
    at_prompt: Arc<AtomicBool>,
    notifier: Notifier,
) {
    if let Some(error) = preparing.await
        && at_prompt.load(Ordering::Relaxed)
    {
        let hint = error.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
        let _ = notifier.show(&format!("{error}{hint}"));
    }
}
