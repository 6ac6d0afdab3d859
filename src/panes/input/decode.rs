//! Decodes the bytes of the user's terminal to events.
//!
//! Text, control characters and unknown sequences pass unchanged: the program may support them. The terminal's replies to
//! queries are dropped.

use super::mouse::{Mouse, decode_legacy, decode_sgr};
use super::{Key, KeyCode};

const ESC: u8 = 0x1b;
/// Maximum length of a key's sequence.
const MAX_SEQUENCE: usize = 64;
const PASTE_END: &[u8] = b"\x1b[201~";

/// An input event of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A character, a control character, or an unknown sequence, to be passed on unchanged.
    Bytes(Vec<u8>),
    Key(Key),
    /// A control character sent as a sequence, as some terminals do for Ctrl with a sign.
    Control(u8),
    Mouse(Mouse),
    /// The window gained (`true`) or lost the focus.
    Focus(bool),
    PasteStart,
    Paste(Vec<u8>),
    PasteEnd,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DecoderState {
    #[default]
    Ground,
    Escape,
    Csi,
    Ss3,
    /// Within the three bytes of the oldest mouse encoding.
    Mouse,
    /// Within a string sequence, which is a reply of the terminal.
    Reply,
    Paste,
}

/// Decodes single bytes, which may arrive at any pace.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: DecoderState,
    held: Vec<u8>,
}

impl Decoder {
    /// Takes the next byte, and returns the event that it completes.
    pub(crate) fn push(&mut self, byte: u8) -> Option<Input> {
        match self.state {
            DecoderState::Ground if byte == ESC => self.hold(DecoderState::Escape, byte),
            DecoderState::Ground => Some(Input::Bytes(vec![byte])),
            DecoderState::Escape => self.escape(byte),
            DecoderState::Csi => self.csi(byte),
            DecoderState::Ss3 => {
                self.held.push(byte);
                Some(self.finish_ss3(byte))
            }
            DecoderState::Mouse => {
                self.held.push(byte);
                (self.held.len() == 6).then(|| self.finish(decode_legacy).map(Input::Mouse))?
            }
            DecoderState::Reply => {
                self.reply(byte);
                None
            }
            DecoderState::Paste => self.paste(&[byte]).pop(),
        }
    }

    /// Whether a sequence is incomplete. Then [`Decoder::time_out`] ends it soon.
    pub(crate) fn is_waiting(&self) -> bool {
        !matches!(self.state, DecoderState::Ground | DecoderState::Paste)
    }

    /// Whether the input is inside a paste, where keys are text.
    pub(crate) fn in_paste(&self) -> bool {
        self.state == DecoderState::Paste
    }

    /// Ends an incomplete sequence: a single ESC is the Escape key, an incomplete sequence is typed bytes, and an unended paste
    /// ends.
    pub(crate) fn time_out(&mut self) -> Option<Input> {
        let state = std::mem::take(&mut self.state);
        let held = std::mem::take(&mut self.held);
        match state {
            DecoderState::Paste => Some(Input::PasteEnd),
            DecoderState::Reply | DecoderState::Ground | DecoderState::Mouse => None,
            _ => Some(Input::Bytes(held)),
        }
    }

    /// Takes bytes inside a paste. Bytes after its end are decoded as keys.
    pub(crate) fn paste(&mut self, bytes: &[u8]) -> Vec<Input> {
        let mut text = Vec::with_capacity(bytes.len());
        let mut done = Vec::new();
        let mut rest = bytes.iter();
        for &byte in rest.by_ref() {
            self.held.push(byte);
            while !PASTE_END.starts_with(&self.held) {
                text.push(self.held.remove(0));
            }
            if self.held.len() == PASTE_END.len() {
                self.held.clear();
                self.state = DecoderState::Ground;
                break;
            }
        }
        if !text.is_empty() {
            done.push(Input::Paste(text));
        }
        if self.state == DecoderState::Ground {
            done.push(Input::PasteEnd);
            done.extend(rest.filter_map(|byte| self.push(*byte)));
        }
        done
    }

    fn hold(&mut self, state: DecoderState, byte: u8) -> Option<Input> {
        self.held.push(byte);
        self.state = state;
        None
    }

    /// Ends the sequence and passes its bytes to `read`.
    fn finish<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> T {
        self.state = DecoderState::Ground;
        let held = std::mem::take(&mut self.held);
        read(&held)
    }

    fn finish_as_bytes(&mut self) -> Option<Input> {
        Some(self.finish(|held| Input::Bytes(held.to_vec())))
    }

    fn escape(&mut self, byte: u8) -> Option<Input> {
        match byte {
            b'[' => self.hold(DecoderState::Csi, byte),
            b'O' => self.hold(DecoderState::Ss3, byte),
            b'P' | b']' | b'_' | b'^' => self.hold(DecoderState::Reply, byte),
            // Escape twice, or Alt with a key that sends a sequence.
            ESC => Some(Input::Bytes(vec![ESC])),
            _ => {
                self.held.push(byte);
                self.finish_as_bytes()
            }
        }
    }

    /// Skips a string, which ends with BEL or ESC \. Keeps only its last bytes.
    fn reply(&mut self, byte: u8) {
        let ends = byte == 7 || (byte == b'\\' && self.held.last() == Some(&ESC));
        if ends {
            self.held.clear();
            self.state = DecoderState::Ground;
        } else if self.held.len() < MAX_SEQUENCE {
            self.held.push(byte);
        } else if let Some(last) = self.held.last_mut() {
            *last = byte;
        }
    }

    fn csi(&mut self, byte: u8) -> Option<Input> {
        self.held.push(byte);
        match (self.held.len(), byte) {
            (3, b'M') => {
                self.state = DecoderState::Mouse;
                None
            }
            // The Linux console: F1 to F5.
            (3, b'[') => None,
            (4, _) if self.held.get(2) == Some(&b'[') => self.finish(|held| match held.last() {
                Some(&last @ b'A'..=b'E') => Some(function(last - b'A' + 1)),
                _ => None,
            }),
            (_, 0x40..=0x7e) => self.finish_csi(byte),
            (_, 0x20..0x40) if self.held.len() < MAX_SEQUENCE => None,
            _ => self.finish_as_bytes(),
        }
    }

    fn finish_csi(&mut self, last: u8) -> Option<Input> {
        if self.held.as_slice() == b"\x1b[200~" {
            self.held.clear();
            self.state = DecoderState::Paste;
            return Some(Input::PasteStart);
        }
        self.finish(|held| {
            let parameters = held.get(2..held.len().saturating_sub(1)).unwrap_or_default();
            read_csi(parameters, last).unwrap_or_else(|| Some(Input::Bytes(held.to_vec())))
        })
    }

    fn finish_ss3(&mut self, last: u8) -> Input {
        self.finish(|held| match cursor_key(last).or_else(|| f1_to_f4(last)) {
            Some(code) => Input::Key(Key { code, modifiers: 0 }),
            // The keypad, among others.
            None => Input::Bytes(held.to_vec()),
        })
    }
}

/// The event of a sequence: the outer `None` if it is unknown, the inner `None` if it is not input.
fn read_csi(parameters: &[u8], last: u8) -> Option<Option<Input>> {
    if let [b'<', rest @ ..] = parameters {
        return Some(decode_sgr(rest, last).map(Input::Mouse));
    }
    if matches!(parameters, [b'?' | b'>' | b'=', ..]) {
        return Some(None);
    }
    let mut numbers =
        std::str::from_utf8(parameters).ok()?.split(';').map(|number| number.parse::<u16>().ok());
    let first = numbers.next().flatten();
    let second = numbers.next().flatten();
    let modifiers = second.and_then(|n| u8::try_from(n.saturating_sub(1)).ok()).unwrap_or(0);
    let key = |code| Some(Some(Input::Key(Key { code, modifiers })));
    if parameters.is_empty() && matches!(last, b'I' | b'O') {
        return Some(Some(Input::Focus(last == b'I')));
    }
    if let Some(code) = cursor_key(last) {
        return key(code);
    }
    match last {
        // A cursor position report looks like F3, but its row is rarely 1.
        b'R' if first.is_some_and(|row| row != 1) => Some(None),
        b'P' | b'Q' | b'R' | b'S' => key(f1_to_f4(last)?),
        b'n' | b't' | b'y' => Some(None),
        b'Z' => Some(Some(Input::Key(Key { code: KeyCode::BackTab, modifiers: 0 }))),
        b'u' => control(first?, modifiers),
        b'~' if first == Some(27) => control(numbers.next().flatten()?, modifiers),
        b'~' => key(numbered(first?)?),
        _ => None,
    }
}

/// Ctrl with a sign or letter, from a terminal that sends the code of the character.
fn control(character: u16, modifiers: u8) -> Option<Option<Input>> {
    let byte = u8::try_from(character).ok()?;
    (modifiers == 4 && matches!(byte, b'a'..=b'z' | b'@'..=b'_')).then_some(Some(Input::Control(byte & 0x1f)))
}

fn cursor_key(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'H' => KeyCode::Home,
        b'F' => KeyCode::End,
        _ => return None,
    })
}

fn f1_to_f4(last: u8) -> Option<KeyCode> {
    matches!(last, b'P'..=b'S').then(|| KeyCode::Function(last - b'P' + 1))
}

fn function(n: u8) -> Input {
    Input::Key(Key { code: KeyCode::Function(n), modifiers: 0 })
}

/// The keys with a number and `~`, in the numbering of VT220, xterm, the Linux console and rxvt.
fn numbered(number: u16) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::Function(u8::try_from(number - 10).ok()?),
        17..=21 => KeyCode::Function(u8::try_from(number - 11).ok()?),
        23..=26 => KeyCode::Function(u8::try_from(number - 12).ok()?),
        28 | 29 => KeyCode::Function(u8::try_from(number - 13).ok()?),
        31..=34 => KeyCode::Function(u8::try_from(number - 14).ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Button, MouseKind};
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Vec<Input> {
        let mut decoder = Decoder::default();
        let mut all: Vec<Input> = bytes.iter().filter_map(|byte| decoder.push(*byte)).collect();
        all.extend(decoder.time_out());
        all
    }

    fn key(code: KeyCode, modifiers: u8) -> Vec<Input> {
        vec![Input::Key(Key { code, modifiers })]
    }

    #[test]
    fn keys_of_many_terminals_are_known() {
        for (bytes, expected) in [
            (&b"\x1b[A"[..], key(KeyCode::Up, 0)),
            (b"\x1bOB", key(KeyCode::Down, 0)),
            (b"\x1b[1;5C", key(KeyCode::Right, 4)),
            (b"\x1b[1;2D", key(KeyCode::Left, 1)),
            (b"\x1b[H", key(KeyCode::Home, 0)),
            (b"\x1b[1~", key(KeyCode::Home, 0)),
            (b"\x1b[8~", key(KeyCode::End, 0)),
            (b"\x1b[5;2~", key(KeyCode::PageUp, 1)),
            (b"\x1b[3;3~", key(KeyCode::Delete, 2)),
            (b"\x1bOP", key(KeyCode::Function(1), 0)),
            (b"\x1b[11~", key(KeyCode::Function(1), 0)),
            (b"\x1b[[E", key(KeyCode::Function(5), 0)),
            (b"\x1b[15~", key(KeyCode::Function(5), 0)),
            (b"\x1b[24;6~", key(KeyCode::Function(12), 5)),
            (b"\x1b[1;2R", key(KeyCode::Function(3), 1)),
            (b"\x1b[Z", key(KeyCode::BackTab, 0)),
            (b"\x1b[93;5u", vec![Input::Control(0x1d)]),
            (b"\x1b[27;5;93~", vec![Input::Control(0x1d)]),
            (b"\x1b[I", vec![Input::Focus(true)]),
            (b"\x1b[O", vec![Input::Focus(false)]),
        ] {
            assert_eq!(decode(bytes), expected, "{}", String::from_utf8_lossy(bytes).escape_debug());
        }
    }

    #[test]
    fn text_and_unknown_sequences_pass_unchanged() {
        for bytes in
            [&b"a"[..], b"\x1b", b"\x1bx", b"\x1b[97;3u", b"\x1b[99~", b"\x1bOp", b"\x1b[", b"\x1bO", b"\x03"]
        {
            assert_eq!(
                decode(bytes),
                [Input::Bytes(bytes.to_vec())],
                "{}",
                String::from_utf8_lossy(bytes).escape_debug()
            );
        }
        assert_eq!(decode("é".as_bytes()).len(), 2, "byte by byte");
        assert_eq!(decode(b"\x1b\x1b[A"), [vec![Input::Bytes(vec![ESC])], key(KeyCode::Up, 0)].concat());
    }

    #[test]
    fn replies_of_the_terminal_are_not_input() {
        for reply in [
            &b"\x1b[?62;22c"[..],
            b"\x1b[>0;276;0c",
            b"\x1b[24;80R",
            b"\x1b[0n",
            b"\x1b[?2026;2$y",
            b"\x1b]11;rgb:0000/0000/0000\x07",
            b"\x1b]11;rgb:0000/0000/0000\x1b\\",
            b"\x1bP>|xterm(379)\x1b\\",
            b"\x1b_Gi=31;OK\x1b\\",
            b"\x1b[4;800;600t",
        ] {
            let mut with_text = reply.to_vec();
            with_text.push(b'x');
            assert_eq!(
                decode(&with_text),
                [Input::Bytes(vec![b'x'])],
                "{}",
                String::from_utf8_lossy(reply).escape_debug()
            );
        }
    }

    #[test]
    fn mouse_reports_are_read_in_both_encodings() {
        let press = Mouse { kind: MouseKind::Press(Button::Left), column: 9, row: 4, modifiers: 0 };
        assert_eq!(decode(b"\x1b[<0;10;5M"), [Input::Mouse(press)]);
        assert_eq!(decode(b"\x1b[M *%"), [Input::Mouse(press)]);
        assert_eq!(decode(b"\x1b[<0;10M"), []);
    }

    #[test]
    fn a_paste_is_literal_until_its_end() {
        assert_eq!(
            decode(b"\x1b[200~a\x1d\x1b[A\x1b[201~b").into_iter().fold(Vec::new(), merge),
            [
                Input::PasteStart,
                Input::Paste(b"a\x1d\x1b[A".to_vec()),
                Input::PasteEnd,
                Input::Bytes(vec![b'b'])
            ]
        );
        assert_eq!(decode(b"\x1b[200~x"), [Input::PasteStart, Input::Paste(vec![b'x']), Input::PasteEnd]);
    }

    #[test]
    fn a_paste_in_blocks_is_the_same_paste() {
        let mut decoder = Decoder::default();
        b"\x1b[200~".iter().for_each(|byte| drop(decoder.push(*byte)));
        assert_eq!(decoder.paste(b"one\x1b[20"), [Input::Paste(b"one".to_vec())]);
        assert_eq!(
            decoder.paste(b"1~x"),
            [Input::PasteEnd, Input::Bytes(vec![b'x'])],
            "bytes after the end are keys"
        );
    }

    /// Joins the pieces of one paste.
    fn merge(mut all: Vec<Input>, next: Input) -> Vec<Input> {
        match (all.last_mut(), next) {
            (Some(Input::Paste(text)), Input::Paste(more)) => text.extend(more),
            (_, next) => all.push(next),
        }
        all
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_a_panic(bytes in prop::collection::vec(prop_oneof![Just(ESC), Just(b'['), Just(b'M'), Just(b'<'), Just(b';'), Just(b'~'), any::<u8>()], 0..300)) {
            let mut decoder = Decoder::default();
            for byte in bytes {
                let _ = decoder.push(byte);
                prop_assert!(decoder.held.len() <= MAX_SEQUENCE + 1);
            }
        }
    }
}
