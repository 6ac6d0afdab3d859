//! The sequences that reset the terminal after unfiltered remote text may have left modes on.

/// Resets every mode that output can leave on and that would disturb a prompt. Bracketed paste stays off: the editor
/// switches it on.
pub(super) const AFTER_RAW: &str = concat!(
    "\x1b\\",      // ends an unterminated string sequence
    "\x1b[0m",     // colours and attributes
    "\x1b[?25h",   // cursor shown
    "\x1b[0 q",    // cursor's shape
    "\x1b[?1000l", // mouse reports, all kinds
    "\x1b[?1002l",
    "\x1b[?1003l",
    "\x1b[?1005l",
    "\x1b[?1006l",
    "\x1b[?1015l",
    "\x1b[?1004l",      // focus reports
    "\x1b[?2004l",      // bracketed paste
    "\x1b[?1l",         // cursor keys
    "\x1b>",            // keypad
    "\x1b[4l",          // insert mode
    "\x1b[?7h",         // wrapping at the right margin
    "\x1b[?5l",         // reverse video
    "\x1b[<u",          // kitty's keyboard protocol, one level
    "\x1b[>4m",         // xterm's modifyOtherKeys
    "\x1b(B\x0f",       // ASCII character set, shifted in
    "\x1b7\x1b[r\x1b8", // whole window scrolls, cursor stays
);

/// Leaves the alternate screen. It is separate because on the main screen it would move the cursor.
pub(super) const LEAVE_ALTERNATE: &str = "\x1b[?1049l";

/// Leaves origin mode. It is separate because it moves the cursor to the corner of the window.
const LEAVE_ORIGIN: &str = "\x1b[?6l";

/// Tracks the modes that unfiltered remote text may have changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassthroughTracker {
    escapes: bool,
    alternate: bool,
    origin: bool,
    tail: [u8; 7],
}

impl PassthroughTracker {
    /// Whether the terminal shows its alternate screen now.
    pub(super) fn is_alternate(&self) -> bool {
        self.alternate
    }

    /// Inspects the next bytes; pieces may be cut anywhere.
    pub fn note(&mut self, bytes: &[u8]) {
        if !self.escapes && !bytes.iter().any(|byte| matches!(byte, 0x1b | 0x0e | 0x80..)) {
            return;
        }
        self.escapes = true;
        let joined: Vec<u8> = self.tail.iter().chain(bytes.iter().take(8)).copied().collect();
        for window in joined.windows(8).chain(bytes.windows(8)) {
            match window {
                b"\x1b[?1049h" | b"\x1b[?1047h" => self.alternate = true,
                b"\x1b[?1049l" | b"\x1b[?1047l" => self.alternate = false,
                _ => {}
            }
        }
        self.origin |= joined.windows(5).chain(bytes.windows(5)).any(|window| window == b"\x1b[?6h");
        let from = bytes.len().saturating_sub(self.tail.len());
        for byte in bytes.get(from..).unwrap_or_default() {
            self.tail.rotate_left(1);
            if let Some(last) = self.tail.last_mut() {
                *last = *byte;
            }
        }
    }
}

/// The sequences that reset modes that may have been left on; empty if only text passed.
pub fn reset_sequences(passed: &PassthroughTracker) -> String {
    if !passed.escapes {
        return String::new();
    }
    let alternate = if passed.alternate { LEAVE_ALTERNATE } else { "" };
    let origin = if passed.origin { LEAVE_ORIGIN } else { "" };
    format!("{alternate}{origin}{AFTER_RAW}")
}

/// What is reset where another program may use the terminal already, such as a pager: colours and the cursor. All is reset only when
/// a program has left the alternate screen on.
pub fn shared_reset_sequences(passed: &PassthroughTracker) -> String {
    match passed.escapes && !passed.alternate {
        true => "\x1b[0m\x1b[?25h".to_owned(),
        false => reset_sequences(passed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pieces: &[&[u8]]) -> String {
        let mut passed = PassthroughTracker::default();
        pieces.iter().for_each(|piece| passed.note(piece));
        reset_sequences(&passed)
    }

    #[test]
    fn the_cursor_is_moved_only_after_origin_mode() {
        assert!(!after(&[b"\x1b[31m\x1b[?6l"]).contains(LEAVE_ORIGIN));
        assert!(after(&[b"\x1b[?", b"6h"]).contains(LEAVE_ORIGIN));
    }

    #[test]
    fn plain_text_needs_no_reset() {
        assert_eq!(after(&[b"hello\r\n", b"\tworld"]), "");
    }

    #[test]
    fn the_alternate_screen_is_left_only_when_it_was_entered() {
        assert!(!after(&[b"\x1b[31m"]).contains("1049"));
        assert!(after(&[b"\x1b[?1049h"]).starts_with(LEAVE_ALTERNATE));
        assert!(!after(&[b"\x1b[?1049h", b"vim", b"\x1b[?1049l"]).contains("1049"));
    }

    #[test]
    fn a_sequence_that_is_cut_is_still_seen() {
        let whole = b"text\x1b[?1049hmore";
        for cut in 0..=whole.len() {
            let (a, b) = whole.split_at(cut);
            assert!(after(&[a, b]).starts_with(LEAVE_ALTERNATE), "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert!(after(&bytes).starts_with(LEAVE_ALTERNATE));
    }
}
