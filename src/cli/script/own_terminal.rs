//! A script with a terminal of its own: the user's terminal is its screen and its keyboard, as `ssh -t` makes it. Keys pass as they
//! are typed, also those that interrupt, end or suspend: the script's terminal knows what they mean.

use super::{EarlyEnd, ScriptRun};
use crate::cli::exit_status::Interrupt;
use crate::cli::output::OutputMessage;
use crate::terminal::{HeldKeys, Keyboard};
use bai_client::Rest;

/// Ctrl-C, as terminals have it.
const INTERRUPT: u8 = 0x03;

/// The user's terminal while it is the script's.
#[derive(Debug)]
pub(super) struct ScriptTerminal {
    pub(super) keyboard: Keyboard,
    /// Whether the server waits for keys.
    pub(super) is_asked: bool,
}

/// Waits for keys, if the server does.
pub(super) async fn typed(terminal: &mut Option<ScriptTerminal>) -> Vec<u8> {
    match terminal {
        Some(terminal) if terminal.is_asked => match terminal.keyboard.read().await {
            Ok(bytes) if !bytes.is_empty() => bytes,
            // It is gone; the signal about that follows.
            _ => std::future::pending().await,
        },
        _ => std::future::pending().await,
    }
}

impl ScriptRun<'_> {
    /// The script has its terminal now.
    pub(super) async fn open_terminal(&mut self) -> Result<(), EarlyEnd> {
        self.say(OutputMessage::AtTerminal).await?;
        self.output.flush().await;
        let keyboard = Keyboard::take().ok();
        self.keep_early();
        self.terminal = keyboard.map(|keyboard| ScriptTerminal { keyboard, is_asked: false });
        Ok(())
    }

    /// The script has no terminal of its own: what is typed from here on is a line.
    pub(super) fn give_keys_back(&mut self) {
        self.keep_early();
        self.typed_ahead = None;
    }

    /// What was typed before the start is for the first question.
    fn keep_early(&mut self) {
        let early = self.typed_ahead.as_mut().map(HeldKeys::take_early).filter(|early| !early.is_empty());
        self.unsent = early.map(|early| (early.into(), Rest::WhenAsked)).or(self.unsent.take());
    }

    /// The user's terminal is as it was, for what this program says.
    pub(super) async fn leave_terminal(&mut self) {
        if self.terminal.is_some() {
            self.output.flush().await;
            self.terminal = None;
        }
    }

    /// Sends what was typed.
    pub(super) fn send_keys(&mut self, bytes: Vec<u8>) {
        if let Some(terminal) = &mut self.terminal {
            terminal.is_asked = false;
        }
        if bytes.contains(&INTERRUPT) {
            self.interrupt = Some(Interrupt::Key);
        }
        self.send_piece(bytes.into(), Rest::WhenAsked);
    }

    /// The script waits for keys again.
    pub(super) fn wants_keys(&mut self) {
        self.asks_piece = true;
        if let Some((bytes, rest)) = self.unsent.take() {
            self.send_piece(bytes, rest);
        } else if let Some(terminal) = &mut self.terminal {
            terminal.is_asked = true;
        }
    }
}
