//! The life of one cell, from its start to its footer: its output, its questions to the user, Ctrl-C in three steps, and its
//! end.

mod event_buffer;
mod footer;
mod interrupt_menu;
mod pane_visit;
mod questions;

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;

use super::editor::Editor;
use super::hints::FrontEnd;
use super::interrupted_output::InterruptedOutput;
use super::output_fold::OutputFold;
use super::run_warnings::{not_started, output_lost};
use super::session::PromptSession;
use super::spinner::{QUIET, TICK, since};
use super::terminal::{PromptTerminal, TerminalError, WaitOutcome, open};
use crate::render::Stream;
use bai_client::{Cell, RunEvent, SessionState, Step};
use bai_protocol::record::ConsoleRecord;
use event_buffer::BufferedRun;
use footer::footer;

/// A second Ctrl-C within this time opens the interrupt menu.
const SECOND_INTERRUPT_LIMIT: Duration = Duration::from_secs(2);
/// How long output is collected before it is shown, while more arrives.
const FLUSH_INTERVAL: Duration = Duration::from_millis(8);
/// How long a question is held back that arrives after Ctrl-C: probably the program is about to end.
const QUESTION_DELAY: Duration = Duration::from_secs(1);
/// Size of the pieces of text between which Ctrl-C is checked.
const PIECE_BYTES: usize = 64 * 1024;

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CellEnd {
    /// It has ended; the exit code, if the server knows it.
    Finished(Option<i32>),
    /// It did not start, or its end will not be known.
    Lost {
        /// The session can run another cell.
        usable: bool,
    },
    /// The kernel was restarted.
    Restarted,
    /// The user wants to restart the kernel, but the server cannot.
    Unrestartable,
    /// The session was destroyed.
    Destroyed,
    /// It goes on running, and the user leaves.
    LeftRunning,
}

/// How a cell is run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CellOptions {
    /// The duration is shown even for a quick success.
    pub(super) timed: bool,
    /// The session outlives this program, so that a cell can be left running.
    pub(super) outlives: bool,
    /// The code is from this program, not from the user.
    pub(super) ours: bool,
}

/// Why following a run was interrupted.
enum PauseReason {
    End(CellEnd),
    Question { is_password: bool },
    Menu,
    Pane,
}

/// Text that the user typed or pasted in advance.
#[derive(Debug, Default)]
pub(super) struct TypedAhead {
    /// Lines for future questions; the last one may be incomplete.
    answers: Option<String>,
    /// Keys that were pressed before a menu was shown.
    pub(super) keys: String,
}

/// Runs one cell until it ends. Blocks the thread that owns the keyboard.
pub(super) fn run(
    runtime: &Handle,
    terminal: &mut PromptTerminal,
    editor: &mut Editor,
    session: &PromptSession,
    cell: Cell,
    options: CellOptions,
) -> Result<(CellEnd, TypedAhead), TerminalError> {
    let start = Instant::now();
    terminal.console.begin_cell();
    let begun = runtime.block_on(terminal.wait(String::new, session.execute(cell)))?;
    let run = match begun {
        WaitOutcome::Done(Ok(run)) => run,
        WaitOutcome::Done(Err(error)) => {
            terminal.error(&error)?;
            return Ok((CellEnd::Lost { usable: true }, TypedAhead::default()));
        }
        WaitOutcome::Interrupted => {
            terminal.note("not run")?;
            return Ok((CellEnd::Lost { usable: true }, TypedAhead::default()));
        }
    };
    let max_lines = terminal.console.max_lines();
    let mut running = RunningCell {
        runtime,
        terminal,
        editor,
        session,
        run: Some(BufferedRun::new(run)),
        start,
        interrupted: None,
        silent_since_interrupt: false,
        delayed_question: None,
        flood: InterruptedOutput::default(),
        fold: OutputFold::new(max_lines),
        last_spin: start,
        typed: TypedAhead::default(),
        end_of_file_reported: false,
        options,
    };
    let end = running.run_to_end()?;
    let start = running.start;
    let mut typed = std::mem::take(&mut running.typed);
    // Text that was pasted for questions is kept, even if there were no questions.
    typed.keys.push_str(&typed.answers.take().unwrap_or_default());
    let interrupted = running.interrupted.is_some();
    let transcript = std::mem::take(&mut running.fold.transcript);
    if !options.ours {
        terminal.output = transcript;
    }
    footer(terminal, &end, since(start), options.timed, interrupted)?;
    Ok((end, typed))
}

struct RunningCell<'a> {
    runtime: &'a Handle,
    terminal: &'a mut PromptTerminal,
    editor: &'a mut Editor,
    session: &'a PromptSession,
    /// `None` after the run was left.
    run: Option<BufferedRun>,
    start: Instant,
    /// The time of the last Ctrl-C.
    interrupted: Option<Instant>,
    /// No output has arrived since. A program that prints may have caught the interrupt, which is allowed.
    silent_since_interrupt: bool,
    /// A question that is held back after Ctrl-C, and the time when it arrived.
    delayed_question: Option<(bool, Instant)>,
    flood: InterruptedOutput,
    fold: OutputFold,
    /// The time when the spinner was last shown while output is held back.
    last_spin: Instant,
    typed: TypedAhead,
    end_of_file_reported: bool,
    options: CellOptions,
}

impl RunningCell<'_> {
    fn run_to_end(&mut self) -> Result<CellEnd, TerminalError> {
        let mut mode = self.terminal.hold_keys()?;
        let mut next = None;
        loop {
            let pause = match next.take() {
                Some(pause) => pause,
                None => self.runtime.clone().block_on(self.follow())?,
            };
            next = match pause {
                PauseReason::End(end) => {
                    self.terminal.clear_spinner()?;
                    open(self.terminal.console.end_cell()?)?;
                    return Ok(end);
                }
                PauseReason::Menu => self.runtime.clone().block_on(self.menu())?,
                PauseReason::Pane => {
                    self.runtime.clone().block_on(self.visit_pane())?;
                    None
                }
                PauseReason::Question { is_password } => {
                    // Only the line editing of the system needs the keyboard in its normal mode. Otherwise keys must
                    // not be echoed before the editor reads them.
                    let by_system = !is_password && self.editor.is_plain();
                    if by_system {
                        drop(mode.take());
                    }
                    let asked = Instant::now();
                    let pause = self.answer(is_password)?;
                    // The time that the user takes to answer does not count.
                    self.start += since(asked);
                    if by_system {
                        mode = self.terminal.hold_keys()?;
                    }
                    self.terminal.keep_pastes_whole()?;
                    pause
                }
            };
        }
    }

    /// Shows events until one of them needs an action.
    async fn follow(&mut self) -> Result<PauseReason, TerminalError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut quiet_since = Instant::now();
        loop {
            let Some(run) = &mut self.run else {
                return Ok(PauseReason::End(CellEnd::Lost { usable: true }));
            };
            let event = tokio::select! {
                biased;
                () = self.terminal.interrupts.next() => {
                    if self.interrupt() {
                        return Ok(PauseReason::Menu);
                    }
                    continue;
                }
                () = self.terminal.pane_key.next() => return Ok(PauseReason::Pane),
                _ = self.terminal.window.recv() => {
                    self.terminal.resized();
                    continue;
                }
                event = run.next() => event,
                _ = tick.tick() => {
                    if let Some((is_password, _)) = self.delayed_question.take_if(|(_, came)| since(*came) >= QUESTION_DELAY) {
                        return Ok(PauseReason::Question { is_password });
                    }
                    if self.fold.is_folding() {
                        self.spin_folding()?;
                    } else if since(quiet_since) >= QUIET {
                        let label = if self.interrupted.is_some() { "interrupted; Ctrl-C again for more" } else { "" };
                        self.terminal.spin(since(self.start), label)?;
                    }
                    continue;
                }
            };
            // While output is held back, the spinner's line says so and stays.
            if !(self.fold.is_folding() && is_text(event.as_ref())) {
                self.terminal.clear_spinner()?;
            }
            if let Some(pause) = self.show(event).await? {
                return Ok(pause);
            }
            quiet_since = Instant::now();
        }
    }

    /// Shows an event and those that have already arrived. Collected output is flushed every few milliseconds.
    async fn show(&mut self, first: Option<RunEvent>) -> Result<Option<PauseReason>, TerminalError> {
        let (mut last_flush, mut event) = (Instant::now(), first);
        let pause = loop {
            if !is_text(event.as_ref()) {
                self.end_flood()?;
                self.end_fold()?;
            }
            if let Some(pause) = self.event(event).await? {
                break Some(pause);
            }
            if self.terminal.pane_key.is_pressed() {
                break None;
            }
            let Some(next) = self.run.as_mut().and_then(|run| run.next().now_or_never()) else { break None };
            event = next;
            if since(last_flush) >= FLUSH_INTERVAL {
                if self.fold.is_folding() && since(self.last_spin) >= TICK {
                    self.spin_folding()?;
                }
                open(self.terminal.console.flush()?)?;
                last_flush = Instant::now();
                if self.terminal.interrupts.came() && self.interrupt() {
                    break Some(self.event(event).await?.unwrap_or(PauseReason::Menu));
                }
            }
        };
        self.end_flood()?;
        open(self.terminal.console.flush()?)?;
        Ok(pause)
    }

    /// Shows the end of what was held back after an interrupt.
    fn end_flood(&mut self) -> Result<(), TerminalError> {
        let Some(rest) = self.flood.rest() else { return Ok(()) };
        if rest.skipped > 0 {
            self.terminal
                .note(&format!("[{} of output are not shown]", crate::format::size(rest.skipped as u64)))?;
        }
        for (stream, text) in rest.tail {
            open(self.terminal.console.text(stream, &text)?)?;
        }
        Ok(())
    }

    /// Shows how many lines of a long output are held back.
    fn spin_folding(&mut self) -> Result<(), TerminalError> {
        self.last_spin = Instant::now();
        open(self.terminal.console.flush()?)?;
        let label = format!("{} more lines; :output shows them when the cell has ended", self.fold.lines());
        self.terminal.spin(since(self.start), &label)
    }

    /// Shows the end of a long output that was held back.
    fn end_fold(&mut self) -> Result<(), TerminalError> {
        let Some(folded) = self.fold.unfold() else { return Ok(()) };
        self.terminal.clear_spinner()?;
        if folded.lines > 0 {
            self.terminal.note(&format!("[{} lines are not shown here; :output shows all]", folded.lines))?;
        }
        for (stream, text) in folded.end {
            open(self.terminal.console.text(stream, &text)?)?;
        }
        Ok(())
    }

    async fn event(&mut self, event: Option<RunEvent>) -> Result<Option<PauseReason>, TerminalError> {
        self.silent_since_interrupt &= !matches!(event, Some(RunEvent::Console(_)));
        if !self.silent_since_interrupt {
            self.delayed_question = None;
        }
        Ok(match event {
            Some(RunEvent::Console(ConsoleRecord::Stdout(text))) => self.text(Stream::Stdout, &text)?,
            Some(RunEvent::Console(ConsoleRecord::Stderr(text))) => self.text(Stream::Stderr, &text)?,
            Some(RunEvent::Console(record)) => self.record(&record).await?,
            Some(RunEvent::WaitingInput { is_password }) if self.silent_since_interrupt => {
                self.delayed_question = Some((is_password, Instant::now()));
                None
            }
            Some(RunEvent::WaitingInput { is_password }) => Some(PauseReason::Question { is_password }),
            Some(RunEvent::NotStarted { waited }) => {
                let warning = not_started(waited);
                self.terminal
                    .note(&format!("{warning}; Ctrl-C also stops other code, Ctrl-C twice opens a menu"))?;
                None
            }
            Some(RunEvent::OutputLost(error)) => {
                self.terminal.error(&output_lost(&error, FrontEnd::Prompt))?;
                None
            }
            Some(RunEvent::StepFinished { step, exit_code }) => {
                if let Some(code) = exit_code.filter(|code| *code != 0) {
                    let step = match step {
                        Step::Clean => "clean",
                        Step::Build => "build",
                    };
                    self.terminal.note(&format!("the step {step} ended with exit code {code}"))?;
                }
                None
            }
            Some(RunEvent::Resumed) => {
                self.terminal.note("the connection was lost and is restored; no output is missing")?;
                None
            }
            Some(RunEvent::Finished { exit_code }) => Some(PauseReason::End(CellEnd::Finished(exit_code))),
            Some(RunEvent::Lost(lost)) => {
                self.terminal.error(&lost.error.into())?;
                Some(PauseReason::End(CellEnd::Lost { usable: lost.session == SessionState::Usable }))
            }
            // Other events are not shown at the prompt.
            Some(_) => None,
            None => Some(PauseReason::End(CellEnd::Lost { usable: true })),
        })
    }

    /// Shows a record that is not text. A picture is rendered on another thread, so that Ctrl-C is still received.
    async fn record(&mut self, record: &ConsoleRecord) -> Result<Option<PauseReason>, TerminalError> {
        let Some(job) = self.terminal.console.picture_job(record) else {
            open(self.terminal.console.record(record)?)?;
            return Ok(None);
        };
        let mut task = tokio::task::spawn_blocking(move || job.paint());
        loop {
            tokio::select! {
                biased;
                () = self.terminal.interrupts.next() => if self.interrupt() {
                    self.terminal.note("[a picture is not shown]")?;
                    return Ok(Some(PauseReason::Menu));
                },
                result = &mut task => {
                    if let Ok(result) = result {
                        open(self.terminal.console.show_picture(result)?)?;
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Shows text in pieces, so that Ctrl-C is handled even during a long text.
    fn text(&mut self, stream: Stream, text: &str) -> Result<Option<PauseReason>, TerminalError> {
        let mut rest = text;
        let mut menu = None;
        while !rest.is_empty() {
            let mut end = PIECE_BYTES.min(rest.len());
            while !rest.is_char_boundary(end) {
                end += 1;
            }
            let Some((piece, tail)) = rest.split_at_checked(end) else { break };
            if !self.flood.admits(stream, piece) {
                self.fold.keep(piece);
            } else if let shown = self.fold.admit(stream, piece)
                && !shown.is_empty()
            {
                open(self.terminal.console.text(stream, shown)?)?;
            }
            rest = tail;
            if self.terminal.interrupts.came() && self.interrupt() {
                menu = Some(PauseReason::Menu);
            }
        }
        Ok(menu)
    }

    /// Interrupts the program after Ctrl-C. True if the interrupt menu should open.
    fn interrupt(&mut self) -> bool {
        let again = self
            .interrupted
            .is_some_and(|last| since(last) < SECOND_INTERRUPT_LIMIT || self.silent_since_interrupt);
        self.interrupted = Some(Instant::now());
        self.flood.interrupted();
        self.silent_since_interrupt = true;
        if let Some(run) = &self.run {
            run.interrupt();
        }
        again
    }
}

/// Whether an event is text that the program printed.
fn is_text(event: Option<&RunEvent>) -> bool {
    matches!(event, Some(RunEvent::Console(ConsoleRecord::Stdout(_) | ConsoleRecord::Stderr(_))))
}
