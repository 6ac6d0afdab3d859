//! Separates the terminal's answers from keys in one stream of bytes.

use super::Probe;

/// The answers and keys read so far.
#[derive(Debug, Default)]
pub(super) struct Answers {
    probe: Probe,
    /// Number of final answers (DA1) received.
    pub(super) ends: usize,
    /// An incomplete sequence at the end.
    unfinished: Vec<u8>,
}

/// A token at the start of the bytes.
enum Token<'a> {
    /// A control sequence: its parameters and its last byte.
    Csi(&'a [u8], u8),
    /// A string sequence: its kind (`]`, `P`, `_`, …) and its body.
    Text(u8, &'a [u8]),
    /// A key: anything else.
    Key,
    /// An incomplete sequence.
    Unfinished,
}

impl Answers {
    /// Parses all bytes.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut answers = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (token, length) = token(rest);
            let (this, next) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            match token {
                Token::Unfinished => {
                    answers.unfinished = rest.to_vec();
                    break;
                }
                Token::Csi(parameters, last) if answers.csi(parameters, last) => {}
                Token::Text(kind, body) if answers.text(kind, body) => {}
                _ => answers.probe.typed.extend_from_slice(this),
            }
            rest = next;
        }
        answers
    }

    /// Whether the terminal has begun to answer. Then the caller must wait for the rest, or it ends up in the prompt.
    pub(super) fn begun(&self) -> bool {
        let probe = &self.probe;
        self.ends > 0
            || probe.kitty
            || probe.iterm2
            || probe.synchronized
            || probe.name.is_some()
            || probe.cell.is_some()
            || probe.window.is_some()
            || probe.background.is_some()
            || self.unfinished.len() > 1
    }

    /// Returns the result, and how many of the `ends` final answers are missing. Drops an incomplete answer; a single ESC is
    /// a key.
    pub(super) fn finish(self, ends: usize) -> (Probe, usize) {
        let mut probe = self.probe;
        let missing = ends.saturating_sub(self.ends);
        probe.answered = missing == 0;
        if self.unfinished == b"\x1b" {
            probe.typed.push(0x1b);
        }
        (probe, missing)
    }

    /// Whether it is an answer; records it.
    fn csi(&mut self, parameters: &[u8], last: u8) -> bool {
        match (parameters, last) {
            ([b'?', parameters @ ..], b'c') => {
                // A multiplexer answers before the terminal around it, and pictures go through it.
                if self.ends == 0 {
                    self.probe.sixel = numbers(parameters).any(|number| number == Some(4));
                }
                self.ends += 1;
                true
            }
            ([b'6', b';', sizes @ ..], b't') => {
                self.probe.cell = size(sizes, 1000).or(self.probe.cell);
                true
            }
            ([b'4', b';', sizes @ ..], b't') => {
                self.probe.window = size(sizes, 32_767).or(self.probe.window);
                true
            }
            ([b'?', b'2', b'0', b'2', b'6', b';', state, b'$'], b'y') => {
                self.probe.synchronized = matches!(state, b'1' | b'2' | b'3');
                true
            }
            _ => false,
        }
    }

    /// Whether it is an answer; records it.
    fn text(&mut self, kind: u8, body: &[u8]) -> bool {
        match (kind, body) {
            (b'_', [b'G', answer @ ..]) => {
                self.probe.kitty |= answer.starts_with(b"i=31;OK");
                true
            }
            (b'P', [b'>', b'|', name @ ..]) => {
                let name = String::from_utf8_lossy(name).into_owned();
                if self.probe.name.is_none() {
                    self.probe.name = Some(name);
                } else {
                    self.probe.outer = Some(name);
                }
                true
            }
            (b']', [b'1', b'3', b'3', b'7', b';', answer @ ..]) => {
                if let Some(size) = answer.strip_prefix(b"ReportCellSize=") {
                    self.probe.iterm2 = true;
                    self.probe.cell = self.probe.cell.or_else(|| points(size));
                }
                true
            }
            (b']', [b'1', b'1', b';', color @ ..]) => {
                self.probe.background = std::str::from_utf8(color).ok().and_then(x11_color);
                true
            }
            // No key sends these: it is an answer to a query of an earlier program.
            (b'P' | b']' | b'_', _) => true,
            _ => false,
        }
    }
}

fn numbers(parameters: &[u8]) -> impl Iterator<Item = Option<u16>> {
    parameters.split(|byte| *byte == b';').map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
}

/// Parses height and width, neither of them zero, and returns width and height.
fn size(parameters: &[u8], most: u16) -> Option<(u16, u16)> {
    let mut sizes = numbers(parameters);
    let (height, width) = (sizes.next()??, sizes.next()??);
    ((1..=most).contains(&height) && (1..=most).contains(&width)).then_some((width, height))
}

/// Parses `height;width;scale`, the first two in points, and returns width and height in pixels.
fn points(text: &[u8]) -> Option<(u16, u16)> {
    let mut numbers = std::str::from_utf8(text).ok()?.split(';').map(|number| number.trim().parse::<f64>());
    let (height, width) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    let scale =
        numbers.next().and_then(Result::ok).filter(|scale| (1.0..=4.0).contains(scale)).unwrap_or(1.0);
    let pixels = |points: f64| (points * scale).round();
    let plausible = |pixels: f64| (1.0..=1000.0).contains(&pixels).then_some(pixels as u16);
    Some((plausible(pixels(width))?, plausible(pixels(height))?))
}

/// Parses `rgb:rrrr/gggg/bbbb` or `rgba:…`, with one to four digits each.
fn x11_color(text: &str) -> Option<(u8, u8, u8)> {
    let text = text.strip_prefix("rgba:").or_else(|| text.strip_prefix("rgb:"))?;
    let mut parts = text.split('/').map(|digits| {
        let most = 16_u32.checked_pow(u32::try_from(digits.len()).ok()?)?.checked_sub(1)?;
        let value = u32::from_str_radix(digits, 16).ok().filter(|_| (1..=4).contains(&digits.len()))?;
        u8::try_from(value * 255 / most).ok()
    });
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// The token at the start of `bytes` (not empty), and its length.
fn token(bytes: &[u8]) -> (Token<'_>, usize) {
    match bytes {
        [0x1b] => (Token::Unfinished, 1),
        [0x1b, b'[', rest @ ..] => {
            let length = rest.iter().take_while(|byte| (0x20..=0x3f).contains(*byte)).count();
            let (parameters, rest) = rest.split_at_checked(length).unwrap_or_default();
            match rest.first() {
                Some(last @ 0x40..=0x7e) => (Token::Csi(parameters, *last), length + 3),
                Some(_) => (Token::Key, length + 2),
                None => (Token::Unfinished, bytes.len()),
            }
        }
        [0x1b, kind @ (b'P' | b']' | b'_'), rest @ ..] => {
            let end = rest.iter().position(|byte| matches!(byte, 0x07 | 0x1b));
            let body = end.and_then(|end| rest.get(..end));
            match (end, body) {
                (Some(end), Some(body)) => match rest.get(end..).unwrap_or_default() {
                    [0x07, ..] => (Token::Text(*kind, body), end + 3),
                    [0x1b, b'\\', ..] => (Token::Text(*kind, body), end + 4),
                    [0x1b] => (Token::Unfinished, bytes.len()),
                    // Alt with a letter, then another key.
                    _ => (Token::Key, 2),
                },
                _ => (Token::Unfinished, bytes.len()),
            }
        }
        [0x1b, ..] => (Token::Key, 2),
        _ => (Token::Key, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XTERM: &[u8] =
        b"\x1bP>|XTerm(379)\x1b\\\x1b[6;17;8t\x1b]11;rgb:ffff/fafa/0000\x1b\\\x1b[?63;1;2;4;6;9;15;22c";

    #[test]
    fn the_answers_of_xterm_are_read() {
        let answers = Answers::read(XTERM);
        assert_eq!(answers.ends, 1);
        let (probe, missing) = answers.finish(1);
        assert_eq!(missing, 0);
        assert_eq!(probe.name.as_deref(), Some("XTerm(379)"));
        assert_eq!(probe.cell, Some((8, 17)));
        assert_eq!(probe.background, Some((255, 250, 0)));
        assert!(probe.sixel && !probe.kitty && probe.answered);
        assert_eq!(probe.typed, b"");
    }

    #[test]
    fn keys_between_and_around_the_answers_are_given_back() {
        let mut bytes = b"print(1)\r\x1b[A".to_vec();
        bytes.extend_from_slice(b"\x1b_Gi=31;OK\x1b\\x\x1b[1;5C\xed\x95\x9c");
        bytes.extend_from_slice(XTERM);
        bytes.extend_from_slice(b"\x1bfafter");
        let (probe, _) = Answers::read(&bytes).finish(1);
        assert!(probe.kitty);
        assert_eq!(probe.typed, "print(1)\r\x1b[Ax\x1b[1;5C한\x1bfafter".as_bytes());
    }

    #[test]
    fn an_answer_that_is_cut_never_becomes_typed_text() {
        for cut in 0..XTERM.len() {
            let answers = Answers::read(&XTERM[..cut]);
            assert_eq!(answers.ends, 0, "{cut}");
            let (Probe { typed, .. }, missing) = answers.finish(1);
            assert_eq!(missing, 1);
            assert!(typed.is_empty() || typed == b"\x1b", "cut at {cut}: {typed:?}");
        }
    }

    #[test]
    fn implausible_answers_are_ignored() {
        let (probe, _) = Answers::read(b"\x1b[6;0;0t\x1b[6;99999;8t\x1b]11;rgb:zz/0/0\x07\x1b[?6c").finish(1);
        assert_eq!((probe.cell, probe.background, probe.sixel), (None, None, false));
        let (probe, _) = Answers::read(b"\x1b_Gi=31;ENOTSUP:no\x1b\\\x1b[?64;14;41c").finish(1);
        assert!(!probe.kitty && !probe.sixel);
    }

    #[test]
    fn the_answers_of_iterm2_and_about_the_window_are_read() {
        let (probe, _) = Answers::read(
            b"\x1b]1337;ReportCellSize=17.5;8.0;2.0\x1b\\\x1b[4;600;800t\x1b[?2026;2$y\x1b[?62c",
        )
        .finish(1);
        assert!(probe.iterm2 && probe.synchronized);
        assert_eq!((probe.cell, probe.window), (Some((16, 35)), Some((800, 600))));
        let (probe, _) =
            Answers::read(b"\x1b]1337;ReportCellSize=1e9;-3\x07\x1b[4;0;0t\x1b[?2026;0$y\x1b[?62c").finish(1);
        assert_eq!((probe.cell, probe.window, probe.synchronized), (None, None, false));
    }

    #[test]
    fn of_two_that_answer_the_nearer_one_draws_and_the_other_is_the_terminal() {
        let bytes =
            b"\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2c\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.41.1)\x1b\\\x1b[?62;4c";
        assert_eq!(Answers::read(&bytes[..24]).ends, 1, "tmux's own answer does not end the wait");
        let (probe, missing) = Answers::read(bytes).finish(2);
        assert_eq!(
            (probe.name.as_deref(), probe.outer.as_deref()),
            (Some("tmux 3.3a"), Some("kitty(0.41.1)"))
        );
        assert!(probe.kitty && !probe.sixel && probe.answered && missing == 0);
    }

    #[test]
    fn colours_have_one_to_four_digits() {
        assert_eq!(x11_color("rgb:0/8/f"), Some((0, 136, 255)));
        assert_eq!(x11_color("rgb:00/80/ff"), Some((0, 128, 255)));
        assert_eq!(x11_color("rgba:1e1e/1e1e/2e2e/ffff"), Some((30, 30, 46)));
        assert_eq!(x11_color("rgb:/1/2"), None);
        assert_eq!(x11_color("rgb:12345/1/2"), None);
    }
}
