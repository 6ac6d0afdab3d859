//! A visit to the terminal inside the session while a cell runs in the background.

use std::pin::pin;
use std::sync::Arc;

use super::event_buffer::HeldEvent;
use super::{RunningCell, since};
use crate::repl::keyboard;
use crate::repl::printable::printable;
use crate::repl::terminal::{TerminalError, open};

impl RunningCell<'_> {
    /// Shows the pane until the user leaves it. Events of the cell are held back in the meantime, and shown afterwards.
    pub(super) async fn visit_pane(&mut self) -> Result<(), TerminalError> {
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
                visit.remark.map_or(Ok(()), |remark| self.terminal.note(&remark))
            }
            Err(error) => self.terminal.error(&error),
        }
    }
}
