//! Shows the events of a run: its text, which may be folded or held back, its pictures, and notes about it.

use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::{CellEnd, PauseReason, RunningCell};
use crate::render::Stream;
use crate::repl::hints::FrontEnd;
use crate::repl::run_warnings::{ANSWER_LOST, output_lost, step_failed};
use crate::repl::spinner::{TICK, since};
use crate::repl::terminal::{TerminalError, open};
use bai_client::{RunEvent, SessionState};
use bai_protocol::record::ConsoleRecord;

/// How long output is collected before it is shown, while more arrives.
const FLUSH_INTERVAL: Duration = Duration::from_millis(8);
/// Size of the pieces of text between which Ctrl-C is checked.
const PIECE_BYTES: usize = 64 * 1024;

impl RunningCell<'_> {
    /// Shows an event and those that have already arrived. Collected output is flushed every few milliseconds.
    pub(super) async fn show(
        &mut self,
        first: Option<RunEvent>,
    ) -> Result<Option<PauseReason>, TerminalError> {
        let (mut last_flush, mut event) = (Instant::now(), first);
        let pause = loop {
            if !is_text(event.as_ref()) {
                self.end_flood()?;
            }
            self.clear_fold(event.as_ref())?;
            if !keeps_fold(event.as_ref()) {
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
    pub(super) fn end_flood(&mut self) -> Result<(), TerminalError> {
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
    pub(super) fn spin_folding(&mut self) -> Result<(), TerminalError> {
        self.last_spin = Instant::now();
        open(self.terminal.console.flush()?)?;
        let label = format!("{} more lines; :output shows them when the cell has ended", self.fold.lines());
        self.terminal.spin(since(self.start), &label)
    }

    /// Shows the end of what was held back, if the rest comes slowly.
    pub(super) fn end_slow_fold(&mut self) -> Result<(), TerminalError> {
        if self.fold.has_slowed(Instant::now()) { self.end_fold() } else { Ok(()) }
    }

    /// Shows the end of a long output that was held back.
    pub(super) fn end_fold(&mut self) -> Result<(), TerminalError> {
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

    /// Forgets the lines that are held back, if they were cleared. What was cleared counts no more for the folding.
    fn clear_fold(&mut self, event: Option<&RunEvent>) -> Result<(), TerminalError> {
        let Some(RunEvent::Console(record)) = event else { return Ok(()) };
        let clears_now = match record {
            ConsoleRecord::Clear { wait } => {
                self.clears = *wait;
                !wait
            }
            ConsoleRecord::Display(display) if display.update => false,
            _ => std::mem::take(&mut self.clears),
        };
        if clears_now {
            self.terminal.clear_spinner()?;
            self.fold.clear();
        }
        Ok(())
    }

    /// Shows one event. Returns why following the run must be interrupted, if it must.
    pub(super) async fn event(
        &mut self,
        event: Option<RunEvent>,
    ) -> Result<Option<PauseReason>, TerminalError> {
        self.silent_since_interrupt &= !matches!(event, Some(RunEvent::Console(_)));
        if !self.silent_since_interrupt {
            self.delayed_question = None;
        }
        Ok(match event {
            Some(RunEvent::Console(ConsoleRecord::Stdout(text))) => self.text(Stream::Stdout, &text)?,
            Some(RunEvent::Console(ConsoleRecord::Stderr(text))) => self.text(Stream::Stderr, &text)?,
            Some(RunEvent::Console(ConsoleRecord::NextInput { text, replace })) => {
                self.requests.next_input(&text, replace);
                None
            }
            Some(RunEvent::Console(ConsoleRecord::Leave)) => {
                self.requests.leaves = true;
                None
            }
            Some(RunEvent::Console(ConsoleRecord::Terminal(change))) => {
                self.program.change(change).then_some(PauseReason::Program)
            }
            Some(RunEvent::Console(record)) => self.record(&record).await?,
            Some(RunEvent::WaitingInput { .. }) if self.program.is_asked_for_keys() => {
                Some(PauseReason::Program)
            }
            Some(RunEvent::WaitingInput { is_password }) if self.silent_since_interrupt => {
                self.delayed_question = Some((is_password, Instant::now()));
                None
            }
            Some(RunEvent::WaitingInput { is_password }) => Some(PauseReason::Question { is_password }),
            Some(RunEvent::QuestionWithdrawn) => {
                self.delayed_question = None;
                None
            }
            Some(RunEvent::NotStarted { waited, activity, interrupted_alone }) => {
                let warning = activity.delay(waited);
                let once = if interrupted_alone { "withdraws this cell" } else { "also stops other code" };
                self.terminal.note(&format!("{warning}; Ctrl-C {once}, Ctrl-C twice opens a menu"))?;
                None
            }
            Some(RunEvent::OutputLost(error)) => {
                self.terminal.error(&output_lost(&error, FrontEnd::Prompt))?;
                None
            }
            Some(RunEvent::StepFinished { step, exit_code }) => {
                if let Some(code) = exit_code.filter(|code| *code != 0) {
                    self.terminal.note(&step_failed(step, code))?;
                }
                None
            }
            Some(RunEvent::Resumed) => {
                self.terminal.note("the connection was lost and is restored; no output is missing")?;
                None
            }
            Some(RunEvent::AnswerLost) => {
                self.terminal.note(ANSWER_LOST)?;
                None
            }
            Some(RunEvent::Finished { exit_code }) => Some(PauseReason::End(CellEnd::Finished(exit_code))),
            Some(RunEvent::Lost(lost)) => {
                self.terminal.error(&lost.error.into())?;
                Some(PauseReason::End(CellEnd::Lost(lost.session)))
            }
            // Other events are not shown at the prompt.
            Some(_) => None,
            None => Some(PauseReason::End(CellEnd::Lost(SessionState::Usable))),
        })
    }

    /// Shows a record that is not text. A picture is rendered on another thread, so that Ctrl-C is still received.
    async fn record(&mut self, record: &ConsoleRecord) -> Result<Option<PauseReason>, TerminalError> {
        // Every picture is saved if the user wants that.
        if self.terminal.console.options().media_dir.is_none()
            && self.run.as_mut().is_some_and(|run| run.is_superseded(record))
        {
            return Ok(None);
        }
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
            self.end_slow_fold()?;
            // Lines that are held back are few on the screen already, and their order stays.
            if !self.fold.is_folding() && !self.flood.admits(stream, piece) {
                self.fold.keep(piece);
            } else if let shown = self.fold.admit(stream, piece, Instant::now())
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
}

/// Whether an event is text that the program printed.
fn is_text(event: Option<&RunEvent>) -> bool {
    matches!(event, Some(RunEvent::Console(ConsoleRecord::Stdout(_) | ConsoleRecord::Stderr(_))))
}

/// Whether lines that are held back stay so at this event: it is text, or changes earlier output.
pub(super) fn keeps_fold(event: Option<&RunEvent>) -> bool {
    let Some(RunEvent::Console(record)) = event else { return false };
    match record {
        ConsoleRecord::Clear { .. }
        | ConsoleRecord::NextInput { .. }
        | ConsoleRecord::Leave
        | ConsoleRecord::AskSecret { .. }
        | ConsoleRecord::Terminal(_) => true,
        ConsoleRecord::Display(display) => display.update,
        _ => is_text(event),
    }
}
