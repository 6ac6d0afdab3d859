//! A paste into a search of the history: its first line is searched for. rustyline keeps the text of a search to itself, and
//! leaves the search after every command that is not one of a search; so each key of a paste has such a command.

use rustyline::history::SearchDirection;
use rustyline::{Cmd, KeyCode, KeyEvent, Modifiers, Movement};

use crate::repl::history::Recalled;

/// Maximum number of keys in a paste that change nothing: each one costs a search.
const MAX_IDLE_KEYS: usize = 1000;

/// A search that is under way.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Its text, as the keys have made it.
    text: String,
    /// A line of the paste has ended.
    line_ended: bool,
    idle_keys: usize,
}

impl Search {
    /// A character was typed.
    pub(super) fn typed(&mut self, c: char) {
        self.text.push(c);
    }

    /// The last character was erased.
    pub(super) fn erased(&mut self) {
        self.text.pop();
    }

    /// A paste begins.
    pub(super) fn paste_begins(&mut self, recalled: &Recalled) -> Cmd {
        (self.line_ended, self.idle_keys) = (false, 0);
        self.idle(recalled)
    }

    /// A key of a paste. `None` if rustyline adds its character.
    pub(super) fn pasted(&mut self, key: KeyEvent, recalled: &Recalled) -> Option<Cmd> {
        match key {
            KeyEvent(KeyCode::Char(c), Modifiers::NONE) if !self.line_ended && !c.is_control() => {
                recalled.go_on_in_search();
                self.typed(c);
                None
            }
            KeyEvent(KeyCode::Enter, _) | KeyEvent(KeyCode::Char('J' | 'M'), Modifiers::CTRL) => {
                self.line_ended |= !self.text.trim().is_empty();
                Some(self.idle(recalled))
            }
            _ => Some(self.idle(recalled)),
        }
    }

    /// A command that changes nothing.
    pub(super) fn idle(&mut self, recalled: &Recalled) -> Cmd {
        self.idle_keys += 1;
        if self.idle_keys > MAX_IDLE_KEYS {
            return Cmd::Noop;
        }
        if self.text.is_empty() {
            // There is nothing to erase.
            return Cmd::Kill(Movement::BackwardChar(1));
        }
        match recalled.stay_in_search() {
            SearchDirection::Reverse => Cmd::ReverseSearchHistory,
            SearchDirection::Forward => Cmd::ForwardSearchHistory,
        }
    }
}
