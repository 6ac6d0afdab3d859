//! The input line below a view, for example for a search text or a file name.

use super::Press;

/// Maximum bytes of a line.
const MAX: usize = 1_000;

/// A line that the user is typing.
#[derive(Clone, Debug)]
pub(super) struct LineEntry {
    pub(super) label: &'static str,
    text: String,
    initial: String,
}

/// The state of the line after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryState {
    More,
    Done,
    Cancelled,
}

impl LineEntry {
    pub(super) fn new(label: &'static str, initial: String) -> Self {
        Self { label, text: initial.clone(), initial }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn initial(&self) -> &str {
        &self.initial
    }

    pub(super) fn press(&mut self, press: &Press) -> EntryState {
        match press {
            Press::Enter => return EntryState::Done,
            Press::Escape | Press::Ctrl('c' | 'g') => return EntryState::Cancelled,
            Press::Backspace if self.text.is_empty() => return EntryState::Cancelled,
            Press::Backspace => drop(self.text.pop()),
            Press::Ctrl('u') => self.text.clear(),
            Press::Char(c) if self.text.len() < MAX => self.text.push(*c),
            _ => {}
        }
        EntryState::More
    }
}
