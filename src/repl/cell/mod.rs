//! The life of one cell, from its start to its footer: its output, its questions to the user, Ctrl-C in three steps, and its
//! end.

mod event_buffer;
mod footer;
mod interrupt_menu;
mod output;
mod pane_visit;
mod program;
mod question_watch;
mod questions;

use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::editor::Editor;
use super::idle_output::IdleOutput;
use super::interrupted_output::InterruptedOutput;
use super::keyboard;
use super::output_fold::OutputFold;
use super::printable::printable;
use super::session::PromptSession;
use super::spinner::{QUIET, TICK, since};
use super::terminal::{PromptTerminal, TerminalError, WaitOutcome, open};
use bai_client::{Cell, Occupation, RunId, SessionState};
use event_buffer::BufferedRun;
use footer::footer;
use output::keeps_fold;
use program::{ProgramTerminal, asks_for_terminal};

/// A second Ctrl-C within this time opens the interrupt menu.
const SECOND_INTERRUPT_LIMIT: Duration = Duration::from_secs(2);
/// How long a question is held back that arrives after Ctrl-C: probably the program is about to end.
const QUESTION_DELAY: Duration = Duration::from_secs(1);
/// How long the end of a kernel is waited for.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(5);

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CellEnd {
    /// It has ended; the exit code, if the server knows it.
    Finished(Option<i32>),
    /// It did not start, or its end will not be known. The state of its session.
    Lost(SessionState),
    /// The kernel was restarted.
    Restarted,
    /// The user wants to restart the kernel, but the server cannot.
    Unrestartable,
    /// The session was destroyed.
    Destroyed,
    /// It goes on running, and the user leaves. The state of its session after it.
    LeftRunning(SessionState),
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
    /// It is the end of the kernel. Nobody has to wait for it: Ctrl-C leaves it alone, and so does this program after a while.
    pub(super) is_end: bool,
}

/// What is run, or followed.
#[derive(Debug)]
pub(super) enum Work {
    /// A cell, or the steps of a batch.
    Cell(Cell),
    /// A run that another client has begun.
    Left(Occupation),
}

impl From<Cell> for Work {
    fn from(cell: Cell) -> Self {
        Work::Cell(cell)
    }
}

/// Why following a run was interrupted.
enum PauseReason {
    End(CellEnd),
    Question {
        is_password: bool,
    },
    Menu,
    Pane,
    /// A program of the cell has the terminal.
    Program,
}

/// Text that the user typed or pasted in advance. Keys that nothing has read wait in the terminal's queue, and run at the next
/// prompt; this text does not run by itself.
#[derive(Debug, Default)]
pub(super) struct TypedAhead {
    /// Lines for future questions; the last one may be incomplete.
    answers: Option<String>,
    /// Keys that were pressed before a menu was shown.
    pub(super) keys: String,
    /// What was typed at a program that had the terminal and has not read it.
    pub(super) unread: String,
}

/// What the program asked of the prompt.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Text for the next prompt.
    pub(super) next_input: String,
    /// The text takes the place of this cell.
    pub(super) replaces: bool,
    /// The prompt is to end.
    pub(super) leaves: bool,
}

impl Requests {
    /// Adds text for the next prompt below the one that there is, or replaces that.
    fn next_input(&mut self, text: &str, replace: bool) {
        if replace {
            self.next_input.clear();
            self.replaces = true;
        }
        if !self.next_input.is_empty() {
            self.next_input.push('\n');
        }
        self.next_input.push_str(printable(&text.replace("\r\n", "\n")).trim_end_matches('\n'));
    }
}

/// How a cell ended, and what it leaves for the prompt.
#[derive(Debug)]
pub(super) struct EndedCell {
    pub(super) end: CellEnd,
    pub(super) typed: TypedAhead,
    pub(super) requests: Requests,
}

impl EndedCell {
    /// A cell that did not run.
    fn not_run(state: SessionState) -> Self {
        let (typed, requests) = (TypedAhead::default(), Requests::default());
        EndedCell { end: CellEnd::Lost(state), typed, requests }
    }
}

/// Runs one cell, or follows a run, until it ends. Blocks the thread that owns the keyboard.
pub(super) fn run(
    runtime: &Handle,
    terminal: &mut PromptTerminal,
    editor: &mut Editor,
    session: &PromptSession,
    idle: &IdleOutput,
    work: Work,
    options: CellOptions,
) -> Result<EndedCell, TerminalError> {
    let began = began(&work);
    let is_left = matches!(work, Work::Left(_));
    let now = Instant::now();
    terminal.console.begin_cell();
    let window = terminal.console.options().window();
    let takes_terminal = matches!(&work, Work::Cell(cell) if asks_for_terminal(cell));
    let program = ProgramTerminal::of(takes_terminal && window.is_some() && terminal.screen.stdin_tty);
    let beginning = async {
        match work {
            Work::Cell(cell) => session.execute(cell, window, program.kind()).await,
            Work::Left(occupation) => session.follow_left(&occupation).await,
        }
    };
    let label = || session.waits_for().unwrap_or_default().to_owned();
    let begun = runtime.block_on(terminal.wait(label, beginning))?;
    let run = match begun {
        WaitOutcome::Done(Ok(run)) => run,
        WaitOutcome::Done(Err(error)) => {
            terminal.error(&error)?;
            let state = if error.session_is_gone { SessionState::Gone } else { SessionState::Usable };
            return Ok(EndedCell::not_run(state));
        }
        WaitOutcome::Interrupted => {
            terminal.note("not run")?;
            return Ok(EndedCell::not_run(SessionState::Usable));
        }
    };
    let max_lines = terminal.console.max_lines();
    let earlier = Some((idle, run.id().clone()));
    let mut running = RunningCell {
        runtime,
        terminal,
        editor,
        session,
        run: Some(BufferedRun::new(run)),
        earlier,
        start: began.unwrap_or(now),
        interrupted: None,
        silent_since_interrupt: false,
        delayed_question: None,
        flood: InterruptedOutput::default(),
        fold: OutputFold::new(max_lines, now),
        program,
        last_spin: now,
        typed: TypedAhead::default(),
        requests: Requests::default(),
        clears: false,
        end_of_file_reported: false,
        options,
    };
    let ended = running.run_to_end();
    if ended.is_err() {
        running.part();
    }
    let end = ended?;
    let time = began.map(|_| since(running.start));
    let mut typed = std::mem::take(&mut running.typed);
    let requests = std::mem::take(&mut running.requests);
    // Text that was pasted for questions is kept, even if there were no questions.
    typed.keys.push_str(&typed.answers.take().unwrap_or_default());
    if !typed.keys.is_empty() {
        // Keys that came later are the end of this text.
        typed.keys.push_str(&keyboard::drain());
    }
    // After a whole line, what is typed next is another one.
    let ends_line = typed.keys.ends_with('\n');
    typed.keys.truncate(typed.keys.trim_end_matches('\n').len());
    if ends_line && !typed.keys.is_empty() {
        typed.keys.push('\n');
    }
    let interrupted = running.interrupted.is_some();
    typed.unread = running.program.take_unread();
    if interrupted {
        typed.keys.insert_str(0, &std::mem::take(&mut typed.unread));
    }
    let transcript = std::mem::take(&mut running.fold.transcript);
    if is_left {
        // Several may be followed one after the other, before the first cell.
        terminal.output.push(&transcript.text());
    } else if !options.ours {
        terminal.output = transcript;
    }
    if options.is_end {
        terminal.fresh_line()?;
    } else {
        footer(terminal, &end, time, options.timed, interrupted)?;
    }
    Ok(EndedCell { end, typed, requests })
}

/// When the work began, if that is known.
fn began(work: &Work) -> Option<Instant> {
    let now = Instant::now();
    match work {
        Work::Cell(_) => Some(now),
        Work::Left(occupation) => occupation.since.and_then(|since| now.checked_sub(since.elapsed().ok()?)),
    }
}

struct RunningCell<'a> {
    runtime: &'a Handle,
    terminal: &'a mut PromptTerminal,
    editor: &'a mut Editor,
    session: &'a PromptSession,
    /// `None` after the run was left.
    run: Option<BufferedRun>,
    /// What the session has printed before the run began, until it is shown.
    earlier: Option<(&'a IdleOutput, RunId)>,
    start: Instant,
    /// The time of the last Ctrl-C.
    interrupted: Option<Instant>,
    /// No output has arrived since. A program that prints may have caught the interrupt, which is allowed.
    silent_since_interrupt: bool,
    /// A question that is held back after Ctrl-C, and the time when it arrived.
    delayed_question: Option<(bool, Instant)>,
    flood: InterruptedOutput,
    fold: OutputFold,
    /// The programs of the cell that have the terminal.
    program: ProgramTerminal,
    /// The time when the spinner was last shown while output is held back.
    last_spin: Instant,
    typed: TypedAhead,
    requests: Requests,
    /// The output is to be cleared when more comes.
    clears: bool,
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
                PauseReason::Program => self.runtime.clone().block_on(self.give_terminal())?,
                PauseReason::Pane => self.runtime.clone().block_on(self.visit_pane())?,
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

    /// The terminal has gone. The next client goes on with a run that can be left; another one is interrupted.
    fn part(&mut self) {
        if self.options.outlives
            && let Some(run) = self.run.take_if(|run| run.state_after_leave() == SessionState::Usable)
        {
            run.leave();
        }
    }

    /// Shows events until one of them needs an action.
    async fn follow(&mut self) -> Result<PauseReason, TerminalError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut quiet_since = Instant::now();
        loop {
            let Some(run) = &mut self.run else {
                return Ok(PauseReason::End(CellEnd::Lost(SessionState::Usable)));
            };
            let event = tokio::select! {
                biased;
                () = self.terminal.interrupts.next() => {
                    if self.options.is_end {
                        return Ok(PauseReason::End(CellEnd::LeftRunning(SessionState::Unknown)));
                    }
                    if self.interrupt() {
                        return Ok(PauseReason::Menu);
                    }
                    continue;
                }
                () = self.terminal.pane_key.next() => return Ok(PauseReason::Pane),
                _ = self.terminal.window.recv() => {
                    self.resized();
                    continue;
                }
                event = run.next() => event,
                _ = tick.tick() => {
                    if let Some((is_password, _)) = self.delayed_question.take_if(|(_, came)| since(*came) >= QUESTION_DELAY) {
                        return Ok(PauseReason::Question { is_password });
                    }
                    if self.options.is_end && since(self.start) >= LAST_WORDS_LIMIT {
                        return Ok(PauseReason::End(CellEnd::LeftRunning(SessionState::Unknown)));
                    }
                    self.end_slow_fold()?;
                    if self.fold.is_folding() {
                        self.spin_folding()?;
                    } else if since(quiet_since) >= QUIET {
                        let label = match (self.options.is_end, self.interrupted) {
                            (true, _) => "the kernel ends; Ctrl-C does not wait for it",
                            (false, Some(_)) => "interrupted; Ctrl-C again for more",
                            (false, None) => "",
                        };
                        self.terminal.spin(since(self.start), label)?;
                    }
                    continue;
                }
            };
            // While output is held back, the spinner's line says so and stays.
            if !(self.fold.is_folding() && keeps_fold(event.as_ref())) {
                self.terminal.clear_spinner()?;
            }
            if let Some((idle, id)) = self.earlier.take() {
                self.terminal.show_beginning(&idle.take_before(&id).await)?;
            }
            if let Some(pause) = self.show(event).await? {
                return Ok(pause);
            }
            quiet_since = Instant::now();
        }
    }

    /// Reads the size of the window, which may have changed, and tells the program.
    fn resized(&mut self) {
        self.terminal.resized();
        if let (Some(run), Some(window)) = (&self.run, self.terminal.console.options().window()) {
            run.resize(window);
        }
    }

    /// Interrupts the program after Ctrl-C. True if the interrupt menu should open.
    fn interrupt(&mut self) -> bool {
        let again = self
            .interrupted
            .is_some_and(|last| since(last) < SECOND_INTERRUPT_LIMIT || self.silent_since_interrupt);
        self.interrupted = Some(Instant::now());
        self.flood.interrupted();
        self.silent_since_interrupt = true;
        // What was typed in advance does not run after Ctrl-C. It waits in the next prompt.
        self.typed.keys.push_str(&keyboard::drain());
        if let Some(run) = &self.run {
            run.interrupt();
        }
        again
    }
}
