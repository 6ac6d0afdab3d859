//! The last output of a terminal, for viewers that come later.

use bytes::{BufMut, Bytes, BytesMut};
use std::collections::VecDeque;

/// Bytes that are kept.
const KEPT: usize = 64 << 10;
/// Puts a screen into a known state: the main screen, default text modes, cleared.
const CLEAN: &[u8] = b"\x1b[?1049l\x1b[!p\x1b[H\x1b[2J";

#[derive(Debug, Default)]
pub(super) struct Scrollback {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Scrollback {
    pub(super) fn push(&mut self, output: &[u8]) {
        let tail = output.get(output.len().saturating_sub(KEPT)..).unwrap_or_default();
        let excess = (self.bytes.len() + tail.len()).saturating_sub(KEPT);
        self.cut |= excess > 0 || tail.len() < output.len();
        self.bytes.drain(..excess.min(self.bytes.len()));
        self.bytes.extend(tail);
    }

    /// The bytes that show this output on a screen. Empty when there was no output.
    pub(super) fn replay(&self) -> Bytes {
        if self.bytes.is_empty() {
            return Bytes::new();
        }
        // The cut may be inside a control sequence or a character, so the replay starts at the next line.
        let skip =
            if self.cut { self.bytes.iter().position(|&b| b == b'\n').map_or(0, |at| at + 1) } else { 0 };
        let mut replay = BytesMut::with_capacity(CLEAN.len() + self.bytes.len());
        replay.put_slice(CLEAN);
        replay.extend(self.bytes.iter().skip(skip));
        replay.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scrollback_starts_at_the_beginning_of_a_line() {
        let mut scrollback = Scrollback::default();
        assert!(scrollback.replay().is_empty());
        scrollback.push(b"first\r\n$ ");
        assert!(scrollback.replay().ends_with(b"\x1b[2Jfirst\r\n$ "));
        for line in 0..20_000 {
            scrollback.push(format!("\x1b[31mline {line}\r\n").as_bytes());
        }
        let replay = scrollback.replay();
        assert!(replay.len() <= KEPT + CLEAN.len());
        assert!(replay[CLEAN.len()..].starts_with(b"\x1b[31mline ") && replay.ends_with(b"line 19999\r\n"));
        scrollback.push(&[b'x'; KEPT * 2]);
        assert_eq!(scrollback.replay().len(), KEPT + CLEAN.len());
    }
}
