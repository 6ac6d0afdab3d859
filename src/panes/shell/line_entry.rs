//! A line that is typed below a view: what to search for, a name to save under.

use super::Press;

/// The longest line.
const MAX: usize = 1_000;

/// A line while it is typed.
#[derive(Clone, Debug)]
pub(super) struct LineEntry {
    pub(super) label: &'static str,
    text: String,
    initial: String,
}

/// What a key made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryState {
    More,
    Done,
    GivenUp,
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
            Press::Escape | Press::Ctrl('c' | 'g') => return EntryState::GivenUp,
            Press::Backspace if self.text.is_empty() => return EntryState::GivenUp,
            Press::Backspace => drop(self.text.pop()),
            Press::Ctrl('u') => self.text.clear(),
            Press::Char(c) if self.text.len() < MAX => self.text.push(*c),
            _ => {}
        }
        EntryState::More
    }
}
