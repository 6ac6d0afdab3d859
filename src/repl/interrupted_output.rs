//! Output that arrives after Ctrl-C. A long rest would occupy the terminal for many seconds, and the user does not need it. Only
//! its end is shown, and how much is left out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::render::Stream;

/// Number of bytes after an interrupt that are shown at once.
const SHOWN_BYTES: usize = 32 * 1024;
/// Number of bytes of the end that are kept. They contain the traceback.
const KEPT_BYTES: usize = 16 * 1024;
/// After this time the program has not stopped, and its output is shown again.
const LIMIT: Duration = Duration::from_secs(5);

/// The output that is held back.
#[derive(Debug, Default)]
pub(super) struct InterruptedOutput {
    since: Option<Instant>,
    shown: usize,
    skipped: usize,
    tail: VecDeque<(Stream, String)>,
    tail_bytes: usize,
}

/// What is shown when no more output arrives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HeldBack {
    /// Number of bytes that are not shown.
    pub(super) skipped: usize,
    /// The end, which is shown.
    pub(super) tail: Vec<(Stream, String)>,
}

impl InterruptedOutput {
    /// Notes that Ctrl-C was pressed.
    pub(super) fn interrupted(&mut self) {
        self.since = Some(Instant::now());
        self.shown = 0;
    }

    /// Whether a piece of output is shown now. If not, it is held back.
    pub(super) fn admits(&mut self, stream: Stream, piece: &str) -> bool {
        let recent = self.since.is_some_and(|since| since.elapsed() < LIMIT);
        if self.tail.is_empty() && (!recent || self.shown < SHOWN_BYTES) {
            self.shown += piece.len();
            return true;
        }
        let mut from = piece.len().saturating_sub(KEPT_BYTES);
        while !piece.is_char_boundary(from) {
            from += 1;
        }
        let kept = piece.get(from..).unwrap_or_default();
        self.skipped += from;
        self.tail_bytes += kept.len();
        self.tail.push_back((stream, kept.to_owned()));
        while let Some((_, oldest)) = self.tail.front()
            && self.tail_bytes - oldest.len() >= KEPT_BYTES
        {
            self.skipped += oldest.len();
            self.tail_bytes -= oldest.len();
            self.tail.pop_front();
        }
        false
    }

    /// Takes the output that was held back, when no more output arrives.
    pub(super) fn rest(&mut self) -> Option<HeldBack> {
        if self.tail.is_empty() {
            return None;
        }
        let rest = HeldBack { skipped: self.skipped, tail: self.tail.drain(..).collect() };
        (self.skipped, self.tail_bytes, self.shown) = (0, 0, 0);
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_interrupt_all_is_shown() {
        let mut flood = InterruptedOutput::default();
        assert!((0..1000).all(|_| flood.admits(Stream::Stdout, &"x".repeat(65_536))));
        assert_eq!(flood.rest(), None);
    }

    #[test]
    fn after_an_interrupt_the_end_is_shown() {
        let mut flood = InterruptedOutput::default();
        flood.interrupted();
        let line = "é".repeat(500);
        let shown = (0..10_000).filter(|_| flood.admits(Stream::Stdout, &line)).count();
        assert!(!flood.admits(Stream::Stderr, "KeyboardInterrupt\n"));
        let rest = flood.rest().unwrap();
        let kept: usize = rest.tail.iter().map(|(_, text)| text.len()).sum();
        assert_eq!(shown * 1000 + rest.skipped + kept, 10_000 * 1000 + "KeyboardInterrupt\n".len());
        assert!(shown * 1000 < 2 * SHOWN_BYTES && kept < 2 * KEPT_BYTES, "{shown} {kept}");
        assert_eq!(rest.tail.last(), Some(&(Stream::Stderr, "KeyboardInterrupt\n".to_owned())));
        assert!(flood.admits(Stream::Stdout, "more"));
    }

    #[test]
    fn a_single_huge_piece_is_cut() {
        let mut flood = InterruptedOutput::default();
        flood.interrupted();
        flood.admits(Stream::Stdout, &"x".repeat(SHOWN_BYTES));
        flood.admits(Stream::Stdout, &"ö".repeat(5_000_001));
        let rest = flood.rest().unwrap();
        assert!(rest.skipped > 9_900_000 && rest.tail.len() == 1);
    }
}
