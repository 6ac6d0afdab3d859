//! The keys and mouse events for views.

use crate::panes::input::{Button, Input, Key, KeyCode, Mouse, MouseKind};

/// A key or a mouse event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::panes) enum Press {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Tab,
    Backspace,
    Delete,
    Char(char),
    /// Ctrl with a letter in lower case.
    Ctrl(char),
    /// A click of the left button at a cell of the window.
    Click {
        column: u16,
        row: u16,
    },
    WheelUp,
    WheelDown,
}

/// Converts input to keys. `pending` holds the bytes of an incomplete character.
pub(super) fn read(input: Input, pending: &mut Vec<u8>) -> Vec<Press> {
    match input {
        Input::Bytes(bytes) | Input::Paste(bytes) => text(&bytes, pending),
        Input::Control(byte) => text(&[byte], pending),
        Input::Key(key) => self::key(key).into_iter().collect(),
        Input::Mouse(mouse) => self::mouse(mouse).into_iter().collect(),
        Input::Focus(_) | Input::PasteStart | Input::PasteEnd => Vec::new(),
    }
}

fn text(bytes: &[u8], pending: &mut Vec<u8>) -> Vec<Press> {
    let mut presses = Vec::new();
    // A single Escape, or Alt with a key, which views do not use.
    if let [0x1b, rest @ ..] = bytes {
        return if rest.is_empty() { vec![Press::Escape] } else { presses };
    }
    for &byte in bytes {
        if byte >= 0x80 {
            pending.push(byte);
            match std::str::from_utf8(pending) {
                Ok(text) => {
                    presses.extend(text.chars().map(Press::Char));
                    pending.clear();
                }
                Err(error) if error.error_len().is_some() || pending.len() >= 4 => pending.clear(),
                Err(_) => {}
            }
            continue;
        }
        pending.clear();
        presses.push(match byte {
            b'\r' | b'\n' => Press::Enter,
            b'\t' => Press::Tab,
            0x08 | 0x7f => Press::Backspace,
            0x01..=0x1a => Press::Ctrl(char::from(byte | 0x60)),
            0x20..=0x7e => Press::Char(char::from(byte)),
            _ => continue,
        });
    }
    presses
}

fn key(key: Key) -> Option<Press> {
    Some(match key.code {
        KeyCode::Up => Press::Up,
        KeyCode::Down => Press::Down,
        KeyCode::Left => Press::Left,
        KeyCode::Right => Press::Right,
        KeyCode::Home => Press::Home,
        KeyCode::End => Press::End,
        KeyCode::PageUp => Press::PageUp,
        KeyCode::PageDown => Press::PageDown,
        KeyCode::Delete => Press::Delete,
        KeyCode::BackTab | KeyCode::Insert | KeyCode::Function(_) => return None,
    })
}

fn mouse(mouse: Mouse) -> Option<Press> {
    Some(match mouse.kind {
        MouseKind::Press(Button::WheelUp) => Press::WheelUp,
        MouseKind::Press(Button::WheelDown) => Press::WheelDown,
        MouseKind::Press(Button::Left) => Press::Click { column: mouse.column, row: mouse.row },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_may_be_split_between_reads() {
        let mut pending = Vec::new();
        let mut all = Vec::new();
        for byte in "aé한\r\x03".bytes() {
            all.extend(read(Input::Bytes(vec![byte]), &mut pending));
        }
        assert_eq!(
            all,
            [Press::Char('a'), Press::Char('é'), Press::Char('한'), Press::Enter, Press::Ctrl('c')]
        );
        assert_eq!(read(Input::Bytes(vec![0xff]), &mut pending), []);
        assert_eq!(read(Input::Bytes(vec![b'x']), &mut pending), [Press::Char('x')]);
        assert_eq!(read(Input::Bytes(vec![0x1b]), &mut pending), [Press::Escape]);
        assert_eq!(read(Input::Bytes(vec![0x1b, b'x']), &mut pending), []);
    }
}
