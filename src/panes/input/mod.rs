//! Keys, mouse and pastes: decodes the bytes of the user's terminal to events, and encodes events to the bytes that the
//! program in the session expects in its modes.

mod decode;
mod encode;
mod keyboard;
mod mouse;

pub(super) use decode::{Decoder, Input};
pub(super) use encode::encode_key;
pub(super) use keyboard::{WaitFor, available, read_some, wait};
pub(super) use mouse::{Button, Mouse, MouseKind, encode_mouse};

/// A key that is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) code: KeyCode,
    /// A sum of Shift 1, Alt 2, Ctrl 4, Meta 8, as in xterm.
    pub(super) modifiers: u8,
}

/// The code of a key that is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyCode {
    Up,
    Down,
    Right,
    Left,
    Home,
    End,
    Insert,
    Delete,
    PageUp,
    PageDown,
    BackTab,
    /// 1 to 20.
    Function(u8),
}
