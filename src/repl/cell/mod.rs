//! The life of one cell, from its submission to its footer: output as it comes, questions answered in place, Ctrl-C in
//! three steps, and what to say at the end.

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
use super::interrupted_output::{self, InterruptedOutput};
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

/// A second Ctrl-C within this time asks what to do.
const AGAIN: Duration = Duration::from_secs(2);
/// How long output is collected before it is shown, while more keeps coming.
const BATCH: Duration = Duration::from_millis(8);
/// How long a question is held back that was on its way when Ctrl-C was pressed: most likely the program has ended.
const DOUBT: Duration = Duration::from_secs(1);
/// How much text is given to the terminal between two looks at Ctrl-C.
const PIECE: usize = 64 * 1024;

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CellEnd {
    /// With an exit code, when the server knows it.
    Finished(Option<i32>),
    /// It was never begun, or its end will never be known.
    Lost {
        /// The session takes another cell.
        usable: bool,
    },
    /// The kernel was started anew under it.
    Restarted,
    /// The user wants a new kernel, and the server cannot start one in this session.
    Unrestartable,
    /// The session was destroyed under it.
    Destroyed,
    /// It runs on; the user leaves.
    LeftRunning,
}

/// How a cell is run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CellOptions {
    /// Tell the time also of a quick success.
    pub(super) timed: bool,
    /// The session outlives this program, so that a cell can be left running.
    pub(super) outlives: bool,
    /// The code is from this program: it does not count as a cell of the user.
    pub(super) ours: bool,
}

/// Why following a run stopped.
enum PauseReason {
    End(CellEnd),
    Question { is_password: bool },
    Menu,
    Pane,
}

/// What is typed or pasted for later.
#[derive(Debug, Default)]
pub(super) struct TypedAhead {
    /// Lines for questions to come; the last may be unfinished.
    answers: Option<String>,
    /// Keys that were pressed before a menu was shown.
    pub(super) keys: String,
}

/// Runs one cell to its end. Blocks the thread that owns the keyboard.
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
        doubtful: None,
        flood: InterruptedOutput::default(),
        fold: OutputFold::new(max_lines),
        spun: start,
        typed: TypedAhead::default(),
        end_of_file_said: false,
        options,
    };
    let end = running.run_to_end()?;
    let start = running.start;
    let mut typed = std::mem::take(&mut running.typed);
    // What was pasted for questions that never came is not thrown away.
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
    /// Gone when the run was left or taken from us.
    run: Option<BufferedRun>,
    start: Instant,
    /// When Ctrl-C was pressed last.
    interrupted: Option<Instant>,
    /// A program that printed since may have caught the interrupt and gone on, which is its right.
    silent_since_interrupt: bool,
    /// A question that Ctrl-C may have ended before it was put, and when it came.
    doubtful: Option<(bool, Instant)>,
    flood: InterruptedOutput,
    fold: OutputFold,
    /// When the spinner was last shown while output is held back.
    spun: Instant,
    typed: TypedAhead,
    end_of_file_said: bool,
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
                    // The keyboard is given up only to the system's own line editing: until somebody else has it,
                    // typed keys must not be echoed.
                    let by_the_system = !is_password && self.editor.is_plain();
                    if by_the_system {
                        drop(mode.take());
                    }
                    let asked = Instant::now();
                    let pause = self.answer(is_password)?;
                    // The time that the user takes to answer does not count.
                    self.start += since(asked);
                    if by_the_system {
                        mode = self.terminal.hold_keys()?;
                    }
                    self.terminal.keep_pastes_whole()?;
                    pause
                }
            };
        }
    }

    /// Shows what comes until something is to be done about it.
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
                    if let Some((is_password, _)) = self.doubtful.take_if(|(_, came)| since(*came) >= DOUBT) {
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
            // Output that is held back leaves the line that says so.
            if !(self.fold.is_folding() && is_text(event.as_ref())) {
                self.terminal.clear_spinner()?;
            }
            if let Some(pause) = self.show(event).await? {
                return Ok(pause);
            }
            quiet_since = Instant::now();
        }
    }

    /// Shows an event and those that are here already; what is collected is written every few milliseconds.
    async fn show(&mut self, first: Option<RunEvent>) -> Result<Option<PauseReason>, TerminalError> {
        let (mut begun, mut event) = (Instant::now(), first);
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
            if since(begun) >= BATCH {
                if self.fold.is_folding() && since(self.spun) >= TICK {
                    self.spin_folding()?;
                }
                open(self.terminal.console.flush()?)?;
                begun = Instant::now();
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
                .note(&format!("[{} of output are not shown]", interrupted_output::bytes(rest.skipped)))?;
        }
        for (stream, text) in rest.tail {
            open(self.terminal.console.text(stream, &text)?)?;
        }
        Ok(())
    }

    /// Says how much is held back because there is so much.
    fn spin_folding(&mut self) -> Result<(), TerminalError> {
        self.spun = Instant::now();
        open(self.terminal.console.flush()?)?;
        let label = format!("{} more lines; :output shows them when it is over", self.fold.lines());
        self.terminal.spin(since(self.start), &label)
    }

    /// Shows the end of what was held back because there was so much.
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
            self.doubtful = None;
        }
        Ok(match event {
            Some(RunEvent::Console(ConsoleRecord::Stdout(text))) => self.text(Stream::Stdout, &text)?,
            Some(RunEvent::Console(ConsoleRecord::Stderr(text))) => self.text(Stream::Stderr, &text)?,
            Some(RunEvent::Console(record)) => self.record(&record).await?,
            Some(RunEvent::WaitingInput { is_password }) if self.silent_since_interrupt => {
                self.doubtful = Some((is_password, Instant::now()));
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
                self.terminal.note("the connection was lost and is back; nothing is missing")?;
                None
            }
            Some(RunEvent::Finished { exit_code }) => Some(PauseReason::End(CellEnd::Finished(exit_code))),
            Some(RunEvent::Lost(lost)) => {
                self.terminal.error(&lost.error.into())?;
                Some(PauseReason::End(CellEnd::Lost { usable: lost.session == SessionState::Usable }))
            }
            // An event of a later client: it is not for this prompt.
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

    /// Text in pieces, so that Ctrl-C is heard however much it is.
    fn text(&mut self, stream: Stream, text: &str) -> Result<Option<PauseReason>, TerminalError> {
        let mut rest = text;
        let mut menu = None;
        while !rest.is_empty() {
            let mut end = PIECE.min(rest.len());
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

    /// Ctrl-C was pressed: interrupts the program. True when the interrupt menu should open.
    fn interrupt(&mut self) -> bool {
        let again = self.interrupted.is_some_and(|last| since(last) < AGAIN || self.silent_since_interrupt);
        self.interrupted = Some(Instant::now());
        self.flood.interrupted();
        self.silent_since_interrupt = true;
        if let Some(run) = &self.run {
            run.interrupt();
        }
        again
    }
}

/// Whether an event is text of the program.
fn is_text(event: Option<&RunEvent>) -> bool {
    matches!(event, Some(RunEvent::Console(ConsoleRecord::Stdout(_) | ConsoleRecord::Stderr(_))))
}
