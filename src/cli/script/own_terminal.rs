//! A script with a terminal of its own: the user's terminal is its screen and its keyboard, as `ssh -t` makes it. Keys pass as they
//! are typed, also those that interrupt, end or suspend: the script's terminal knows what they mean. Where streams of the script lead
//! elsewhere, other programs have the user's terminal too: then the keyboard is taken only while the script wants keys.

use super::ScriptRun;
use super::ending::EarlyEnd;
use crate::cli::exit_status::Interrupt;
use crate::cli::output::OutputMessage;
use crate::terminal::{HeldKeys, Keyboard, share_terminal};
use bai_client::{ConsoleRecord, Rest};
use bai_protocol::execute::WantedKeys;
use bai_protocol::record::TerminalChange;

/// Ctrl-C, as terminals have it.
const INTERRUPT: u8 = 0x03;

/// The user's terminal while it is the script's.
#[derive(Debug)]
pub(super) struct ScriptTerminal {
    pub(super) keyboard: Option<Keyboard>,
    /// Whether the server waits for keys.
    is_asked: bool,
    /// The keys that the script wants of a terminal that is shared.
    wanted: WantedKeys,
}

impl ScriptTerminal {
    /// Takes or gives back a keyboard that is shared.
    fn follow_wanted(&mut self) {
        let is_shared = match self.wanted {
            WantedKeys::None => return self.keyboard = None,
            WantedKeys::Lines => true,
            WantedKeys::All => false,
        };
        if self.keyboard.as_ref().is_none_or(|keyboard| keyboard.is_shared() != is_shared) {
            // The modes that it found come first.
            self.keyboard = None;
            self.keyboard = Keyboard::take_beside(is_shared).ok();
        }
    }
}

/// Waits for keys, if the server does.
pub(super) async fn typed(terminal: &mut Option<ScriptTerminal>) -> Vec<u8> {
    match terminal {
        Some(ScriptTerminal { keyboard: Some(keyboard), is_asked: true, .. }) => {
            match keyboard.read().await {
                Ok(bytes) if !bytes.is_empty() => bytes,
                // It is gone; the signal about that follows.
                _ => std::future::pending().await,
            }
        }
        _ => std::future::pending().await,
    }
}

impl ScriptRun<'_> {
    /// The terminal of the script has changed.
    pub(super) async fn terminal_changed(&mut self, change: TerminalChange) -> Result<(), EarlyEnd> {
        match change {
            TerminalChange::Open if self.wants_terminal => return self.open_terminal().await,
            TerminalChange::Stopped if self.may_stop() => self.suspend().await,
            TerminalChange::Keys(wanted) if self.is_split => self.keys_are_wanted(wanted).await,
            TerminalChange::Output(_) if self.is_split => {
                let record = ConsoleRecord::Terminal(change);
                return self.say(OutputMessage::Record(record)).await;
            }
            // The server was not asked.
            _ => {}
        }
        Ok(())
    }

    /// The script has its terminal now.
    async fn open_terminal(&mut self) -> Result<(), EarlyEnd> {
        self.say(OutputMessage::AtTerminal).await?;
        self.output.flush().await;
        let keyboard = match self.is_split {
            true => {
                share_terminal();
                None
            }
            false => Keyboard::take().ok(),
        };
        self.keep_early();
        if self.is_split || keyboard.is_some() {
            let wanted = WantedKeys::default();
            self.terminal = Some(ScriptTerminal { keyboard, is_asked: false, wanted });
        }
        Ok(())
    }

    /// Whether the keyboard is the script's alone.
    pub(super) fn has_keyboard(&self) -> bool {
        self.terminal.is_some() && !self.is_split
    }

    /// The script wants these keys of a terminal that is shared, and a piece of them now.
    async fn keys_are_wanted(&mut self, wanted: WantedKeys) {
        let changes = self.terminal.as_ref().is_some_and(|terminal| terminal.wanted != wanted);
        if changes {
            // What was written before has the modes from before.
            self.output.flush().await;
        }
        if let Some(terminal) = &mut self.terminal {
            (terminal.wanted, terminal.is_asked) = (wanted, wanted != WantedKeys::None);
            terminal.follow_wanted();
        }
    }

    /// Gives a keyboard that is shared back while this program stops.
    pub(super) fn give_shared_back(&mut self) {
        if let Some(terminal) = self.terminal.as_mut().filter(|_| self.is_split) {
            terminal.keyboard = None;
        }
    }

    /// Takes it again.
    pub(super) fn take_shared_again(&mut self) {
        if let Some(terminal) = self.terminal.as_mut().filter(|_| self.is_split) {
            terminal.follow_wanted();
        }
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
        if self.is_split {
            self.run.send_keys(bytes);
        } else {
            self.send_piece(bytes.into(), Rest::WhenAsked);
        }
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
