//! Encodes keys as xterm sends them, in the program's modes.

use super::{Key, KeyCode};
use crate::terminal::model::Modes;

/// The bytes for a key that is not text.
pub(crate) fn encode_key(key: Key, modes: &Modes) -> Vec<u8> {
    let Key { code, modifiers } = key;
    let (number, last) = match code {
        KeyCode::Up => (1, 'A'),
        KeyCode::Down => (1, 'B'),
        KeyCode::Right => (1, 'C'),
        KeyCode::Left => (1, 'D'),
        KeyCode::Home => (1, 'H'),
        KeyCode::End => (1, 'F'),
        KeyCode::BackTab => return b"\x1b[Z".to_vec(),
        KeyCode::Function(n @ 1..=4) => (1, char::from(b'P' + n - 1)),
        KeyCode::Insert => (2, '~'),
        KeyCode::Delete => (3, '~'),
        KeyCode::PageUp => (5, '~'),
        KeyCode::PageDown => (6, '~'),
        KeyCode::Function(n) => (function(n), '~'),
    };
    match (modifiers, last) {
        (0, '~') => format!("\x1b[{number}~"),
        (0, 'P'..='S') => format!("\x1bO{last}"),
        (0, _) if modes.application_cursor => format!("\x1bO{last}"),
        (0, _) => format!("\x1b[{last}"),
        (modifiers, last) => format!("\x1b[{number};{}{last}", u16::from(modifiers) + 1),
    }
    .into_bytes()
}

/// The number of a function key. The numbers have the gaps of the VT220's keyboard.
fn function(n: u8) -> u8 {
    match n {
        ..=5 => n + 10,
        6..=10 => n + 11,
        11..=14 => n + 12,
        15..=16 => n + 13,
        _ => n.saturating_add(14),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, Input};
    use super::*;

    fn all() -> impl Iterator<Item = KeyCode> {
        use KeyCode::{Delete, Down, End, Function, Home, Insert, Left, PageDown, PageUp, Right, Up};
        [Up, Down, Right, Left, Home, End, Insert, Delete, PageUp, PageDown]
            .into_iter()
            .chain((1..=20).map(Function))
    }

    #[test]
    fn cursor_keys_follow_the_mode() {
        let up = Key { code: KeyCode::Up, modifiers: 0 };
        let application = Modes { application_cursor: true, ..Modes::default() };
        assert_eq!(encode_key(up, &Modes::default()), b"\x1b[A");
        assert_eq!(encode_key(up, &application), b"\x1bOA");
        assert_eq!(encode_key(Key { modifiers: 4, ..up }, &application), b"\x1b[1;5A");
        assert_eq!(
            encode_key(Key { code: KeyCode::Function(12), modifiers: 1 }, &application),
            b"\x1b[24;2~"
        );
    }

    #[test]
    fn an_encoded_key_decodes_to_the_same_key() {
        for code in all() {
            for modifiers in 0..16 {
                let key = Key { code, modifiers };
                let mut decoder = Decoder::default();
                let read: Vec<_> = encode_key(key, &Modes::default())
                    .iter()
                    .filter_map(|byte| decoder.push(*byte))
                    .collect();
                assert_eq!(read, [Input::Key(key)]);
            }
        }
    }
}
