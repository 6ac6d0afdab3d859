//! Long output of a cell: its first lines are shown at once, and its last lines at the end, or as soon as a person can follow it again. What comes
//! slowly enough for that, as the log of a training, is always shown. `:output` shows all of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::render::Stream;

/// Maximum number of lines at the end that are shown; not more than at the start.
const LAST: usize = 20;
/// Maximum number of lines of a traceback at the end, which is shown whole.
const LAST_OF_TRACEBACK: usize = 100;
/// How the head of a traceback ends, in Python and in IPython.
const TRACEBACK: &str = "Traceback (most recent call last)";
/// Number of bytes at the end that are kept for that.
const KEPT_BYTES: usize = 16 * 1024;
/// This many bytes also count as a line, because a text without line ends can be long too.
const BYTES_PER_LINE: usize = 4 * 1024;
/// For this long the pace of the output is measured.
const MEASURE: Duration = Duration::from_secs(2);
/// The share of the limit that may come in that time for a person to follow it.
const SLOW_SHARE: usize = 5;
/// Number of bytes at the start, and of bytes at the end, that are kept for `:output`.
const HALF_BYTES: usize = 4 * 1024 * 1024;

/// The kept output of a cell.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    head: String,
    tail: VecDeque<String>,
    tail_bytes: usize,
    dropped: usize,
}

impl Transcript {
    /// Adds output.
    pub(super) fn push(&mut self, text: &str) {
        if self.tail.is_empty() && self.head.len() + text.len() <= HALF_BYTES {
            self.head.push_str(text);
            return;
        }
        self.tail_bytes += text.len();
        self.tail.push_back(text.to_owned());
        while let Some(oldest) = self.tail.front()
            && self.tail_bytes - oldest.len() >= HALF_BYTES
        {
            self.dropped += oldest.len();
            self.tail_bytes -= oldest.len();
            self.tail.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// The whole text, with a note where a part is missing.
    pub(super) fn text(&self) -> String {
        let mut text = self.head.clone();
        if self.dropped > 0 {
            text.push_str(&format!("\n[{} are not kept]\n", crate::format::size(self.dropped as u64)));
        }
        text.extend(self.tail.iter().map(String::as_str));
        text
    }
}

/// The output of a running cell.
#[derive(Debug)]
pub(super) struct OutputFold {
    /// Maximum number of lines that are shown; `None` for all.
    max_lines: Option<usize>,
    shown: usize,
    /// Since when the pace is measured, and the number of lines that have come since.
    measured: (Instant, usize),
    /// Number of bytes since the last counted line.
    line_bytes: usize,
    folded_lines: usize,
    end: VecDeque<(Stream, String)>,
    end_bytes: usize,
    pub(super) transcript: Transcript,
}

/// What is shown when the output pauses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folded {
    /// Number of lines that are not shown.
    pub(super) lines: usize,
    /// The last lines.
    pub(super) end: Vec<(Stream, String)>,
}

impl OutputFold {
    pub(super) fn new(max_lines: Option<usize>, now: Instant) -> Self {
        Self {
            max_lines,
            shown: 0,
            measured: (now, 0),
            line_bytes: 0,
            folded_lines: 0,
            end: VecDeque::new(),
            end_bytes: 0,
            transcript: Transcript::default(),
        }
    }

    /// Whether output is held back.
    pub(super) fn is_folding(&self) -> bool {
        !self.end.is_empty()
    }

    /// Number of lines that are held back.
    pub(super) fn lines(&self) -> usize {
        self.folded_lines
    }

    /// Keeps a piece of output for `:output`.
    pub(super) fn keep(&mut self, piece: &str) {
        self.transcript.push(piece);
    }

    /// Whether output is held back that a person can follow again. Is to be called now and then.
    pub(super) fn has_slowed(&mut self, now: Instant) -> bool {
        let is_slow = self.is_slow(now);
        if is_slow == Some(false) {
            self.measured = (now, 0);
        }
        self.is_folding() && is_slow == Some(true)
    }

    /// Whether the output came slowly. `None` before that can be told.
    fn is_slow(&self, now: Instant) -> Option<bool> {
        let (since, lines) = self.measured;
        (now.saturating_duration_since(since) >= MEASURE)
            .then(|| self.max_lines.is_none_or(|max_lines| lines <= (max_lines / SLOW_SHARE).max(1)))
    }

    /// Lines that came slowly do not count.
    fn measure(&mut self, now: Instant) {
        if let Some(slow) = self.is_slow(now) {
            let (_, lines) = std::mem::replace(&mut self.measured, (now, 0));
            self.shown = self.shown.saturating_sub(if slow { lines } else { 0 });
        }
    }

    /// Keeps a piece of output that has come now. Returns the part that is shown now.
    pub(super) fn admit<'a>(&mut self, stream: Stream, piece: &'a str, now: Instant) -> &'a str {
        self.keep(piece);
        let Some(max_lines) = self.max_lines else { return piece };
        self.measure(now);
        if self.is_folding() {
            self.hold(stream, piece);
            return "";
        }
        let mut taken = 0;
        for line in piece.split_inclusive('\n') {
            if self.shown >= max_lines {
                break;
            }
            taken += line.len();
            self.count(line);
        }
        let (shown, held) = piece.split_at_checked(taken).unwrap_or((piece, ""));
        if !held.is_empty() {
            self.measured = (now, 0);
            self.hold(stream, held);
        }
        shown
    }

    /// Counts a line or a part of one. Text that a carriage return overwrites, as in progress bars, is not counted.
    fn count(&mut self, line: &str) {
        self.line_bytes = match line.rfind('\r') {
            Some(at) if !line.ends_with("\r\n") => line.len() - at,
            _ => self.line_bytes + line.len(),
        };
        let long = self.line_bytes / BYTES_PER_LINE;
        let lines = long + usize::from(line.ends_with('\n'));
        if line.ends_with('\n') {
            self.line_bytes = 0;
        } else {
            self.line_bytes %= BYTES_PER_LINE;
        }
        self.shown += lines;
        self.measured.1 += lines;
    }

    fn hold(&mut self, stream: Stream, text: &str) {
        let mut from = text.len().saturating_sub(KEPT_BYTES);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let lines = text.bytes().filter(|byte| *byte == b'\n').count();
        self.folded_lines += lines;
        self.measured.1 += lines.max(text.len() / BYTES_PER_LINE);
        let kept = text.get(from..).unwrap_or_default();
        self.end_bytes += kept.len();
        self.end.push_back((stream, kept.to_owned()));
        while let Some((_, oldest)) = self.end.front()
            && self.end_bytes - oldest.len() >= KEPT_BYTES
        {
            self.end_bytes -= oldest.len();
            self.end.pop_front();
        }
    }

    /// The output so far was cleared: lines that are held back are not shown, and the count begins anew.
    pub(super) fn clear(&mut self) {
        self.shown = 0;
        self.line_bytes = 0;
        self.folded_lines = 0;
        self.end.clear();
        self.end_bytes = 0;
    }

    /// Takes the end of the output that was held back. Later output is shown again.
    pub(super) fn unfold(&mut self) -> Option<Folded> {
        if !self.is_folding() {
            return None;
        }
        self.shown = 0;
        self.end_bytes = 0;
        let lines = std::mem::take(&mut self.folded_lines);
        let count = self.max_lines.unwrap_or(LAST).clamp(1, LAST);
        let texts: Vec<_> = self.end.drain(..).collect();
        let count = count.max(traceback_lines(&texts).unwrap_or(0));
        let end = last_lines(texts, count);
        let in_end = end.iter().map(|(_, text)| text.bytes().filter(|byte| *byte == b'\n').count()).sum();
        Some(Folded { lines: lines.saturating_sub(in_end), end })
    }
}

/// The number of lines of the tracebacks with which these texts end. Their heads have the user's own lines.
fn traceback_lines(texts: &[(Stream, String)]) -> Option<usize> {
    let last = texts.iter().rev().take_while(|(stream, _)| *stream == Stream::Stderr);
    let mut last: Vec<&str> = last.map(|(_, text)| text.as_str()).collect();
    last.reverse();
    let text = last.concat();
    let lines: Vec<&str> = text.lines().collect();
    let heads = lines.iter().enumerate().filter(|(_, line)| line.contains(TRACEBACK));
    let counts = heads.map(|(at, _)| {
        let rule =
            at.checked_sub(1).and_then(|before| lines.get(before)).filter(|line| line.contains("-----"));
        lines.len() - at + usize::from(rule.is_some())
    });
    counts.into_iter().find(|count| *count <= LAST_OF_TRACEBACK)
}

/// The last lines of these texts, at least one.
fn last_lines(texts: Vec<(Stream, String)>, count: usize) -> Vec<(Stream, String)> {
    let mut ends = 0;
    let mut kept: Vec<(Stream, String)> = Vec::new();
    for (stream, text) in texts.into_iter().rev() {
        // The line end of the last line does not separate two lines.
        let body = if kept.is_empty() { text.strip_suffix('\n').unwrap_or(&text) } else { &text };
        let before = body.rmatch_indices('\n').nth(count.saturating_sub(1 + ends)).map(|(at, _)| at);
        if let Some(at) = before {
            kept.push((stream, text.get(at + 1..).unwrap_or_default().to_owned()));
            break;
        }
        ends += body.matches('\n').count();
        kept.push((stream, text));
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of a moment.
    fn admit<'a>(fold: &mut OutputFold, stream: Stream, piece: &'a str) -> &'a str {
        let now = fold.measured.0;
        fold.admit(stream, piece, now)
    }

    fn lines(numbers: std::ops::Range<usize>) -> String {
        numbers.map(|n| format!("line {n}\n")).collect()
    }

    #[test]
    fn a_traceback_at_the_end_is_shown_whole() {
        let head =
            format!("\x1b[31m{}\x1b[39m\n\x1b[31mKeyboardInterrupt\x1b[39m  {TRACEBACK}\n", "-".repeat(75));
        let traceback = format!("{head}Cell In[2], line 1\n{}KeyboardInterrupt: \n", lines(0..40));
        let mut fold = OutputFold::new(Some(100), Instant::now());
        admit(&mut fold, Stream::Stdout, &lines(0..5000));
        admit(&mut fold, Stream::Stdout, &lines(5000..5001));
        let (first, rest) = traceback.split_at(200);
        admit(&mut fold, Stream::Stderr, first);
        admit(&mut fold, Stream::Stderr, rest);
        let shown: String = fold.unfold().unwrap().end.into_iter().map(|(_, text)| text).collect();
        assert_eq!(shown, traceback);
        admit(&mut fold, Stream::Stdout, &lines(0..5000));
        admit(&mut fold, Stream::Stderr, &format!("{traceback}{}", lines(0..500)));
        let shown = fold.unfold().unwrap();
        assert_eq!(shown.end.len(), 1);
        assert_eq!(shown.end[0].1.lines().count(), LAST, "it is too long");
    }

    #[test]
    fn the_first_and_the_last_lines_are_shown_and_all_is_kept() {
        let mut fold = OutputFold::new(Some(100), Instant::now());
        let all = lines(0..1_000);
        assert_eq!(admit(&mut fold, Stream::Stdout, &all), lines(0..100));
        assert_eq!(admit(&mut fold, Stream::Stderr, "oh\nno"), "");
        assert_eq!(fold.lines(), 901);
        let folded = fold.unfold().unwrap();
        let shown: String = folded.end.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(shown, lines(982..1_000) + "oh\nno");
        assert_eq!(folded.lines, 900 - 18);
        assert_eq!(folded.end.last().unwrap().0, Stream::Stderr);
        assert_eq!(fold.unfold(), None);
        assert_eq!(admit(&mut fold, Stream::Stdout, "again\n"), "again\n");
        assert_eq!(fold.transcript.text(), all + "oh\nnoagain\n");
    }

    #[test]
    fn a_low_limit_counts_at_the_end_too() {
        let mut fold = OutputFold::new(Some(3), Instant::now());
        assert_eq!(admit(&mut fold, Stream::Stdout, &lines(0..30)), lines(0..3));
        let folded = fold.unfold().unwrap();
        assert_eq!((folded.lines, folded.end), (24, vec![(Stream::Stdout, lines(27..30))]));
    }

    #[test]
    fn little_output_and_progress_bars_are_never_folded() {
        let mut fold = OutputFold::new(Some(10), Instant::now());
        assert_eq!(admit(&mut fold, Stream::Stdout, &lines(0..10)), lines(0..10));
        assert!(!fold.is_folding());
        let mut fold = OutputFold::new(Some(10), Instant::now());
        for percent in 0..100_000 {
            let bar = format!("\r{percent} {}", "#".repeat(60));
            assert_eq!(admit(&mut fold, Stream::Stderr, &bar), bar);
        }
        let mut all = OutputFold::new(None, Instant::now());
        assert_eq!(admit(&mut all, Stream::Stdout, &lines(0..5_000)), lines(0..5_000));
    }

    #[test]
    fn a_line_without_an_end_is_long_too() {
        let mut fold = OutputFold::new(Some(10), Instant::now());
        let shown: usize =
            (0..1_000).map(|_| admit(&mut fold, Stream::Stdout, &"x".repeat(1_000)).len()).sum();
        assert!((30_000..60_000).contains(&shown), "{shown}");
        assert!(
            fold.unfold().unwrap().end.iter().map(|(_, text)| text.len()).sum::<usize>()
                <= KEPT_BYTES + 1_000
        );
    }

    #[test]
    fn output_that_a_person_can_follow_is_always_shown() {
        let mut now = Instant::now();
        let mut fold = OutputFold::new(Some(100), now);
        for line in 0..5_000 {
            now += Duration::from_millis(120);
            let line = format!("epoch {line}\n");
            assert_eq!(fold.admit(Stream::Stdout, &line, now), line);
        }
        let begin = fold.admit(Stream::Stdout, &lines(0..5_000), now).lines().count();
        assert!((80..=100).contains(&begin), "{begin}");
        // The flood has ended.
        assert!(!fold.has_slowed(now + Duration::from_secs(1)));
        now += Duration::from_secs(2);
        assert!(!fold.has_slowed(now), "it was one until now");
        assert_eq!(fold.admit(Stream::Stdout, "one\n", now), "");
        now += Duration::from_secs(2);
        assert!(fold.has_slowed(now));
        assert_eq!(fold.unfold().unwrap().lines, 5_001 - begin - LAST);
        assert_eq!(fold.admit(Stream::Stdout, "two\n", now), "two\n");
    }

    #[test]
    fn kept_output_has_a_limit() {
        let mut fold = OutputFold::new(Some(10), Instant::now());
        let piece = lines(0..10_000);
        for _ in 0..300 {
            admit(&mut fold, Stream::Stdout, &piece);
        }
        let text = fold.transcript.text();
        assert!(text.len() < 2 * HALF_BYTES + 2 * piece.len() && text.contains("are not kept]"));
        assert!(text.starts_with("line 0\n") && text.ends_with("line 9999\n"));
    }
}
