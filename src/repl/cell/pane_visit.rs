//! A visit to the terminal inside the session while a cell runs in the background.

use std::pin::pin;
use std::sync::Arc;

use super::event_buffer::HeldEvent;
use super::{CellEnd, PauseReason, RunningCell, since};
use crate::repl::keyboard;
use crate::repl::printable::printable;
use crate::repl::terminal::{TerminalError, open};
use bai_client::SessionState;

impl RunningCell<'_> {
    /// Shows the pane until the user leaves it. Events of the cell are held back in the meantime, and shown afterwards. Returns the end of the
    /// cell here if the user leaves it running.
    pub(super) async fn visit_pane(&mut self) -> Result<Option<PauseReason>, TerminalError> {
        self.terminal.clear_spinner()?;
        open(self.terminal.console.flush()?)?;
        // Text that was typed before the key is for the prompt. The shell must not run it.
        self.typed.keys.push_str(&keyboard::drain());
        let pane = Arc::clone(&self.terminal.pane);
        let mut visit = pin!(pane.visit(""));
        let left = loop {
            let Some(run) = &mut self.run else { break visit.await };
            tokio::select! {
                biased;
                left = &mut visit => break left,
                held = run.hold_next() => match held {
                    HeldEvent::Output => {}
                    HeldEvent::Question => pane.remark("the cell asks for input"),
                    HeldEvent::End => pane.remark("the cell has ended"),
                }
            }
        };
        // The time that the user spent in the pane after the end of the cell does not count.
        if let Some(over) = self.run.as_ref().and_then(|run| run.over_since()) {
            self.start += since(over);
        }
        self.resized();
        match left {
            Ok(visit) => {
                self.typed.keys.push_str(&printable(&visit.typed.replace('\r', "\n")));
                visit.remark.map_or(Ok(()), |remark| self.terminal.note(&remark))?;
                if visit.detaches { self.detach() } else { Ok(None) }
            }
            Err(error) => self.terminal.error(&error).map(|()| None),
        }
    }

    /// Leaves the cell running, where the next client can go on with it. Returns its end here.
    pub(super) fn detach(&mut self) -> Result<Option<PauseReason>, TerminalError> {
        let outlives = self.options.outlives;
        match self.run.take_if(|run| outlives && run.state_after_leave() == SessionState::Usable) {
            Some(run) => Ok(Some(PauseReason::End(CellEnd::LeftRunning(run.leave())))),
            None if self.run.is_none() => Ok(None),
            None => {
                let why = match outlives {
                    true => "the session would take no more code",
                    false => "its session has no name and ends with the prompt",
                };
                self.terminal.note(&format!("this cell cannot be left running: {why}")).map(|()| None)
            }
        }
    }
}
