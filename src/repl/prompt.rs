//! The loop of the prompt: it reads a line, decides whether it is a command or a cell, and runs it. The life of the session
//! is in `session_lifecycle`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::banner;
use super::cell::{self, CellEnd, CellOptions, Work};
use super::commands;
use super::completion::Completer;
use super::editor::{CellRead, Editor, EditorParts};
use super::idle_output::IdleOutput;
use super::options::{ReplExit, ReplOptions};
use super::paint::Paint;
use super::printable::printable;
use super::state::{LoopAction, RanCell, Repl, SessionPhase};
use super::terminal::{PromptTerminal, TerminalError};
use super::terminal_pane::{TerminalPane, VisitPane};
use crate::terminal::{Continuations, PromptGuard, RunMode};
use bai_client::{Cell, SessionState};

/// Maximum number of notices from the terminal inside the session that wait for the next prompt; later ones are dropped.
const MAX_NOTICES: usize = 8;

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
            pane: (pane.key(), visit_from_thread(&runtime, pane)),
        })?;
        if !options.quiet {
            banner::show(&banner, &mut terminal)?;
        }
        if let Some(notice) = notice {
            terminal.note(&notice)?;
        }
        let idle = IdleOutput::new(editor.notifier());
        let mut repl = Repl {
            runtime,
            idle,
            listening: Arc::default(),
            freeing: None,
            terminal,
            editor,
            language,
            quiet: options.quiet,
            outlives: options.outlives,
            themes: options.themes,
            completer,
            opener: open,
            delegated: options.delegated,
            on_leave: options.leave,
            phase: SessionPhase::Destroyed,
            occupation: options.occupation,
            at_prompt: Arc::default(),
            cells: Vec::new(),
            initial: printable(&typed.replace('\r', "\n")),
            left_running: None,
            next: None,
            fatal_signals: None,
            lost: false,
            pending_note: Arc::default(),
            parting: Arc::default(),
            pane_notices: Arc::default(),
        };
        repl.part_on_fatal_signals()?;
        repl.show_pane_notices(pane_notices);
        repl.draw_again_after_suspensions()?;
        repl.start_opening();
        Ok(repl)
    }

    /// Draws the edited line again after a suspension, when the shell has written below it.
    fn draw_again_after_suspensions(&self) -> Result<(), TerminalError> {
        let _inside = self.runtime.enter();
        let (mut continuations, notifier) = (Continuations::listen()?, self.editor.notifier());
        self.runtime.spawn(async move {
            loop {
                continuations.next().await;
                notifier.draw_again();
            }
        });
        Ok(())
    }

    /// Shows notices from the terminal inside the session while it is in the background: at once at the prompt, otherwise at
    /// the next prompt.
    fn show_pane_notices(&self, mut sentences: mpsc::Receiver<String>) {
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

    /// Shows notices that the editor could not show, and opens the pane if its key was pressed in the meantime.
    fn before_prompt(&mut self) -> Result<LoopAction, TerminalError> {
        let notices = std::mem::take(&mut *self.pane_notices.lock().unwrap_or_else(PoisonError::into_inner));
        for sentence in notices {
            self.terminal.note(&sentence)?;
        }
        let then = match self.terminal.pane_key.take() {
            true => self.visit_pane("")?,
            false => LoopAction::Continue,
        };
        let waiting = self.idle.take();
        self.terminal.show_whole(&waiting).map(|()| then)
    }

    /// Reads a line; what the session prints meanwhile appears above it.
    fn read_line(&mut self) -> Result<CellRead, TerminalError> {
        let initial = std::mem::take(&mut self.initial);
        self.at_prompt.store(true, Ordering::Relaxed);
        self.idle.line_begins(self.terminal.console.options().clone());
        let read = self.editor.read_cell(&initial);
        self.at_prompt.store(false, Ordering::Relaxed);
        self.idle.line_ends();
        self.terminal.console.line_was_read();
        self.terminal.resized();
        self.terminal.raw(&self.editor.take_above())?;
        Ok(read)
    }

    /// Shows the terminal inside the session until the user leaves it.
    pub(super) fn visit_pane(&mut self, command: &str) -> Result<LoopAction, TerminalError> {
        let pane = Arc::clone(&self.terminal.pane);
        match self.runtime.block_on(pane.visit(command)) {
            Ok(visit) => {
                self.initial.push_str(&printable(&visit.typed.replace('\r', "\n")));
                self.terminal.resized();
                visit.remark.map_or(Ok(()), |remark| self.terminal.note(&remark))?;
                Ok(if visit.detaches { LoopAction::Quit } else { LoopAction::Continue })
            }
            Err(error) => self.terminal.error(&error).map(|()| LoopAction::Continue),
        }
    }

    /// Reads and runs lines until the user leaves.
    pub(super) fn run(&mut self) -> Result<ReplExit, TerminalError> {
        // The editor starts from these terminal modes and returns to them: between two lines no key is echoed or
        // translated, and the pane's key waits for the editor like any other key.
        let _keys = if self.editor.is_plain() { None } else { RunMode::enter(None)? };
        let _modes = (!self.editor.is_plain()).then(PromptGuard::enter);
        if self.tell_occupation()? == LoopAction::Quit {
            return self.leave();
        }
        loop {
            if self.before_prompt()? == LoopAction::Quit {
                return self.leave();
            }
            let then = match self.read_line()? {
                CellRead::Cell(line) => self.line(&line)?,
                CellRead::Cancelled => self.free_session(),
                CellRead::End => LoopAction::Quit,
                CellRead::Failed(error) => return Err(error.into()),
            };
            if then == LoopAction::Quit {
                return self.leave();
            }
        }
    }

    /// Ctrl-C was pressed at the prompt: ends what holds the session, if something does.
    fn free_session(&mut self) -> LoopAction {
        if self.freeing.as_ref().is_none_or(JoinHandle::is_finished)
            && let Some(session) = self.open_session()
        {
            self.freeing = Some(self.runtime.spawn(async move { session.interrupt_idle().await }));
        }
        LoopAction::Continue
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
            None if self.language.leaves(line) => Ok(LoopAction::Quit),
            None => {
                if let Some(word) = commands::unknown_command(line, &*self.language) {
                    return self.fail_unknown(word);
                }
                if let Some((name, detailed)) = self.question_about(line)
                    && self.describe(&name, detailed)?
                {
                    return Ok(LoopAction::Continue);
                }
                self.cell(line, CellOptions::default())
            }
        }
    }

    /// Runs a cell, and handles its end.
    pub(super) fn cell(&mut self, code: &str, options: CellOptions) -> Result<LoopAction, TerminalError> {
        let options = CellOptions { outlives: self.outlives, ..options };
        self.run_cell(code, options).map(|(_, then)| then)
    }

    /// Runs a cell, and handles its end. Also returns whether the cell succeeded.
    pub(super) fn run_cell(
        &mut self,
        code: &str,
        options: CellOptions,
    ) -> Result<(bool, LoopAction), TerminalError> {
        self.run_work(Cell::Query(code.to_owned()).into(), options)
    }

    /// Runs a cell or the steps of a batch, or follows a run of another client, and handles the end. Also returns whether it succeeded.
    pub(super) fn run_work(
        &mut self,
        work: Work,
        options: CellOptions,
    ) -> Result<(bool, LoopAction), TerminalError> {
        let Some(session) = self.session()? else {
            // The typed code is not lost: it is in the history.
            return Ok((false, LoopAction::Continue));
        };
        let is_query = matches!(work, Work::Cell(Cell::Query(_)));
        let code = if let Work::Cell(Cell::Query(code)) = &work { code.clone() } else { String::new() };
        let cell::EndedCell { end, typed, requests } = cell::run(
            &self.runtime,
            &mut self.terminal,
            &mut self.editor,
            &session,
            &self.idle,
            work,
            options,
        )?;
        self.initial = requests.next_input + &typed.keys;
        self.editor.type_again(&typed.unread);
        self.completer.cell_ran(&code);
        if !options.ours && !requests.replaces {
            // A cell that ended the session would end it again in a replay.
            let failed =
                !matches!(end, CellEnd::Finished(Some(0) | None) | CellEnd::Lost(SessionState::Usable));
            self.cells.push(RanCell { code, failed });
        }
        Ok(match end {
            CellEnd::Finished(code) => {
                // These are exit codes of programs that a signal has ended, except Ctrl-C. Steps of a batch do not end the kernel.
                if is_query
                    && code.is_some_and(|code| code > 128 && code != 130)
                    && self.cells.iter().any(|cell| !cell.failed)
                {
                    self.terminal.note("if the kernel is new: :replay runs the session's cells again")?;
                }
                let then = if requests.leaves { LoopAction::Quit } else { LoopAction::Continue };
                (code.unwrap_or(0) == 0, then)
            }
            CellEnd::Lost(state) => {
                match state {
                    SessionState::Usable => {}
                    SessionState::Gone => self.session_is_gone()?,
                    _ => {
                        self.lost = true;
                        self.terminal.note(
                            ":restart starts anew, and asks first if that takes a new session; :replay also runs the \
                             session's other cells again",
                        )?;
                    }
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
            CellEnd::LeftRunning(state) => {
                self.left_running = Some(state);
                (false, LoopAction::Quit)
            }
        })
    }
}

/// A function that visits the pane from a thread outside of the runtime.
fn visit_from_thread(runtime: &tokio::runtime::Handle, pane: Arc<TerminalPane>) -> VisitPane {
    let runtime = runtime.clone();
    Arc::new(move || runtime.block_on(pane.visit("")))
}
