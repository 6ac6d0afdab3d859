//! What a program in a terminal may do with the user's clipboard (OSC 52). Text that the user selects is not concerned: the
//! user copies it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What happens when a program writes the clipboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClipboardPolicy {
    /// It has no effect.
    Off,
    /// The user is asked each time.
    Ask,
    /// The clipboard is written. The first time the user is told.
    #[default]
    Write,
}

impl ClipboardPolicy {
    /// The policy of this name in the configuration.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "off" => Some(ClipboardPolicy::Off),
            "ask" => Some(ClipboardPolicy::Ask),
            "write" => Some(ClipboardPolicy::Write),
            _ => None,
        }
    }
}

/// The clipboard of the user, as the terminals of this process share it.
#[derive(Debug, Default)]
pub struct Clipboard {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    policy: ClipboardPolicy,
    /// Whether the user was told that programs write it.
    told: bool,
    /// The text about which the user is asked.
    asked: Option<String>,
}

/// What to do with the text of a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Write it, and tell the user if this is the first time.
    Write {
        text: String,
        tell: bool,
    },
    /// Ask the user about a text of this many characters.
    Ask(usize),
    Refuse,
}

/// What the key of the clipboard did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// The user allows this text.
    Allowed(String),
    /// The user was not asked about a text.
    NoQuestion,
    /// From now on programs may write the clipboard, or not.
    May(bool),
}

impl Clipboard {
    /// The clipboard under a policy.
    pub fn new(policy: ClipboardPolicy) -> Self {
        Clipboard { state: Mutex::new(State { policy, ..State::default() }) }
    }

    /// A program writes the clipboard.
    pub(super) fn request(&self, text: String) -> Request {
        let mut state = self.state();
        match state.policy {
            ClipboardPolicy::Off => Request::Refuse,
            ClipboardPolicy::Ask => {
                let length = text.chars().count();
                state.asked = Some(text);
                Request::Ask(length)
            }
            ClipboardPolicy::Write => {
                Request::Write { text, tell: !std::mem::replace(&mut state.told, true) }
            }
        }
    }

    /// The user presses the key of the clipboard: the answer to a question, or a change of the policy.
    pub(super) fn press(&self) -> Pressed {
        let mut state = self.state();
        match state.policy {
            ClipboardPolicy::Ask => state.asked.take().map_or(Pressed::NoQuestion, Pressed::Allowed),
            ClipboardPolicy::Write => {
                state.policy = ClipboardPolicy::Off;
                Pressed::May(false)
            }
            ClipboardPolicy::Off => {
                (state.policy, state.told) = (ClipboardPolicy::Write, true);
                Pressed::May(true)
            }
        }
    }

    /// The question is no longer shown.
    pub(super) fn forget_question(&self) {
        self.state().asked = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(tell: bool) -> Request {
        Request::Write { text: "x".to_owned(), tell }
    }

    #[test]
    fn the_first_text_is_told_and_the_key_stops_the_next() {
        let clipboard = Clipboard::default();
        let request = || clipboard.request("x".to_owned());
        assert_eq!((request(), request()), (write(true), write(false)));
        assert_eq!((clipboard.press(), request()), (Pressed::May(false), Request::Refuse));
        assert_eq!((clipboard.press(), request()), (Pressed::May(true), write(false)));
    }

    #[test]
    fn a_question_is_about_the_last_text_as_long_as_it_is_shown() {
        let clipboard = Clipboard::new(ClipboardPolicy::Ask);
        assert_eq!(clipboard.press(), Pressed::NoQuestion);
        assert_eq!(clipboard.request("one".to_owned()), Request::Ask(3));
        assert_eq!(clipboard.request("größe".to_owned()), Request::Ask(5));
        assert_eq!(clipboard.press(), Pressed::Allowed("größe".to_owned()));
        assert_eq!(clipboard.press(), Pressed::NoQuestion);
        let _ = clipboard.request("two".to_owned());
        clipboard.forget_question();
        assert_eq!(clipboard.press(), Pressed::NoQuestion);
    }

    #[test]
    fn nothing_is_written_when_it_is_off() {
        let clipboard = Clipboard::new(ClipboardPolicy::Off);
        assert_eq!(clipboard.request("x".to_owned()), Request::Refuse);
    }
}
