//! Mouse events: decodes the reports of the user's terminal, and encodes the reports that the program requested.

use crate::terminal::model::{Modes, MouseEncoding, MouseProtocol};

/// A mouse button; the wheel counts as four buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    Left,
    Middle,
    Right,
    WheelUp,
    WheelDown,
    WheelLeft,
    WheelRight,
}

/// The kind of a mouse event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MouseKind {
    Press(Button),
    /// A release; the oldest encodings do not report the button.
    Release(Option<Button>),
    /// A movement with a button down.
    Drag(Button),
    /// A movement without a button.
    Move,
}

/// A mouse event at a cell, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mouse {
    pub(crate) kind: MouseKind,
    pub(crate) column: u16,
    pub(crate) row: u16,
    /// A sum of Shift 4, Alt 8, Ctrl 16, as in the reports.
    pub(crate) modifiers: u8,
}

const MODIFIERS: u16 = 4 | 8 | 16;
const MOTION: u16 = 32;
const NO_BUTTON: u16 = 3;

fn button(code: u16) -> Option<Button> {
    Some(match code & !(MODIFIERS | MOTION) {
        0 => Button::Left,
        1 => Button::Middle,
        2 => Button::Right,
        64 => Button::WheelUp,
        65 => Button::WheelDown,
        66 => Button::WheelLeft,
        67 => Button::WheelRight,
        _ => return None,
    })
}

fn code(button: Button) -> u16 {
    match button {
        Button::Left => 0,
        Button::Middle => 1,
        Button::Right => 2,
        Button::WheelUp => 64,
        Button::WheelDown => 65,
        Button::WheelLeft => 66,
        Button::WheelRight => 67,
    }
}

fn is_wheel(button: Button) -> bool {
    code(button) >= 64
}

fn event(report: u16, column: u16, row: u16, release: bool) -> Option<Mouse> {
    let kind = match (button(report), report & MOTION != 0) {
        (Some(button), _) if release => MouseKind::Release(Some(button)),
        (Some(button), true) => MouseKind::Drag(button),
        (Some(button), false) => MouseKind::Press(button),
        (None, true) if report & NO_BUTTON == NO_BUTTON => MouseKind::Move,
        (None, false) if report & NO_BUTTON == NO_BUTTON => MouseKind::Release(None),
        (None, _) => return None,
    };
    let modifiers = u8::try_from(report & MODIFIERS).unwrap_or(0);
    Some(Mouse { kind, column: column.checked_sub(1)?, row: row.checked_sub(1)?, modifiers })
}

/// Decodes the parameters of `CSI < … M` or `CSI < … m`.
pub(super) fn decode_sgr(parameters: &[u8], last: u8) -> Option<Mouse> {
    let mut numbers = std::str::from_utf8(parameters).ok()?.split(';').map(str::parse::<u16>);
    let (report, column, row) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    match last {
        b'M' => event(report, column, row, false),
        b'm' => event(report, column, row, true),
        _ => None,
    }
}

/// Decodes `CSI M` and three bytes.
pub(super) fn decode_legacy(sequence: &[u8]) -> Option<Mouse> {
    let &[_, _, _, report, column, row] = sequence else { return None };
    let number = |byte: u8| u16::from(byte).checked_sub(32);
    event(number(report)?, number(column)?, number(row)?, false)
}

/// The bytes that report `mouse` to the program; `None` if it did not request such events, or if its encoding cannot express
/// them.
pub(crate) fn encode_mouse(mouse: Mouse, modes: &Modes) -> Option<Vec<u8>> {
    if !is_requested(mouse.kind, modes.mouse) {
        return None;
    }
    let (mut report, release) = match mouse.kind {
        MouseKind::Press(button) => (code(button), false),
        MouseKind::Release(button) => (button.map_or(NO_BUTTON, code), true),
        MouseKind::Drag(button) => (code(button) + MOTION, false),
        MouseKind::Move => (NO_BUTTON + MOTION, false),
    };
    if release && modes.mouse_encoding != MouseEncoding::Sgr {
        report = NO_BUTTON;
    }
    if modes.mouse != MouseProtocol::X10 {
        report += u16::from(mouse.modifiers);
    }
    let (column, row) = (mouse.column + 1, mouse.row + 1);
    match modes.mouse_encoding {
        MouseEncoding::Sgr => {
            let last = if release { 'm' } else { 'M' };
            Some(format!("\x1b[<{report};{column};{row}{last}").into_bytes())
        }
        MouseEncoding::Urxvt => Some(format!("\x1b[{};{column};{row}M", report + 32).into_bytes()),
        MouseEncoding::Utf8 => encode_bytes([report, column, row], 2015, |n| {
            char::from_u32(n).map(String::from).map(String::into_bytes)
        }),
        MouseEncoding::Legacy => {
            encode_bytes([report, column, row], 223, |n| u8::try_from(n).ok().map(|byte| vec![byte]))
        }
    }
}

fn encode_bytes(numbers: [u16; 3], limit: u16, write: impl Fn(u32) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = b"\x1b[M".to_vec();
    for number in numbers {
        if number > limit {
            return None;
        }
        bytes.extend(write(u32::from(number) + 32)?);
    }
    Some(bytes)
}

fn is_requested(kind: MouseKind, protocol: MouseProtocol) -> bool {
    match kind {
        MouseKind::Press(button) if is_wheel(button) => protocol >= MouseProtocol::Normal,
        MouseKind::Press(_) => protocol >= MouseProtocol::X10,
        MouseKind::Release(_) => protocol >= MouseProtocol::Normal,
        MouseKind::Drag(_) => protocol >= MouseProtocol::Drag,
        MouseKind::Move => protocol >= MouseProtocol::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(
        kind: MouseKind,
        at: (u16, u16),
        mouse: MouseProtocol,
        mouse_encoding: MouseEncoding,
    ) -> Option<String> {
        let modes = Modes { mouse, mouse_encoding, ..Modes::default() };
        let mouse = Mouse { kind, column: at.0, row: at.1, modifiers: 16 };
        encode_mouse(mouse, &modes).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn each_encoding_is_as_xterm_writes_it() {
        let press = MouseKind::Press(Button::Left);
        let release = MouseKind::Release(Some(Button::Left));
        use MouseProtocol::{Drag, Normal, X10};
        assert_eq!(sent(press, (9, 4), Normal, MouseEncoding::Sgr).as_deref(), Some("\x1b[<16;10;5M"));
        assert_eq!(sent(release, (9, 4), Normal, MouseEncoding::Sgr).as_deref(), Some("\x1b[<16;10;5m"));
        assert_eq!(sent(press, (9, 4), Normal, MouseEncoding::Legacy).as_deref(), Some("\x1b[M0*%"));
        assert_eq!(sent(release, (9, 4), Normal, MouseEncoding::Legacy).as_deref(), Some("\x1b[M3*%"));
        assert_eq!(
            sent(press, (9, 4), X10, MouseEncoding::Legacy).as_deref(),
            Some("\x1b[M *%"),
            "no modifiers"
        );
        assert_eq!(sent(press, (300, 4), Normal, MouseEncoding::Legacy), None, "too far for the encoding");
        assert_eq!(sent(press, (300, 4), Normal, MouseEncoding::Utf8).as_deref(), Some("\x1b[M0\u{14d}%"));
        assert_eq!(sent(press, (300, 4), Normal, MouseEncoding::Urxvt).as_deref(), Some("\x1b[48;301;5M"));
        assert_eq!(
            sent(MouseKind::Drag(Button::Right), (0, 0), Drag, MouseEncoding::Sgr).as_deref(),
            Some("\x1b[<50;1;1M")
        );
    }

    #[test]
    fn only_requested_events_are_sent() {
        let all = [
            MouseKind::Press(Button::Left),
            MouseKind::Press(Button::WheelUp),
            MouseKind::Release(None),
            MouseKind::Drag(Button::Left),
            MouseKind::Move,
        ];
        for (protocol, count) in [
            (MouseProtocol::Off, 0),
            (MouseProtocol::X10, 1),
            (MouseProtocol::Normal, 3),
            (MouseProtocol::Drag, 4),
            (MouseProtocol::Any, 5),
        ] {
            let sent = all.iter().filter(|kind| sent(**kind, (0, 0), protocol, MouseEncoding::Sgr).is_some());
            assert_eq!(sent.count(), count, "{protocol:?}");
        }
    }

    #[test]
    fn an_encoded_event_decodes_to_the_same_event() {
        let modes =
            Modes { mouse: MouseProtocol::Any, mouse_encoding: MouseEncoding::Sgr, ..Modes::default() };
        for kind in [
            MouseKind::Press(Button::WheelDown),
            MouseKind::Release(Some(Button::Middle)),
            MouseKind::Drag(Button::Right),
            MouseKind::Move,
        ] {
            let mouse = Mouse { kind, column: 1500, row: 77, modifiers: 20 };
            let bytes = encode_mouse(mouse, &modes).unwrap();
            let (last, rest) = bytes.split_last().unwrap();
            assert_eq!(decode_sgr(&rest[3..], *last), Some(mouse));
        }
    }
}
