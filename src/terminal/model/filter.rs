//! A filter in front of the parser. It bounds the length of every sequence and the work that a sequence can cause, and
//! handles the queries that the parser does not support.
//!
//! The parser supports 7-bit introducers only, so every sequence of interest begins with ESC. Text and harmless sequences
//! pass without a copy; only incomplete or suspicious sequences are buffered.

/// Maximum length of a CSI sequence; a longer one is dropped. The longest in normal use sets a dozen colours.
const MAX_CSI: usize = 256;
/// Maximum length of an OSC sequence; a longer one is dropped. The longest in normal use carries a clipboard.
const MAX_OSC: usize = 128 * 1024;
/// Maximum bytes of a device control string that are buffered; the rest is dropped.
const DCS_HEAD: usize = 5;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// The output of the filter, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes for the parser.
    Pass(&'a [u8]),
    /// A query for the terminal's name and version (XTVERSION).
    VersionQuery,
    /// A query for the cursor's shape (DECRQSS of DECSCUSR).
    CursorQuery,
    /// A query for another setting (DECRQSS).
    SettingQuery,
    /// A query for a capability (XTGETTCAP).
    CapabilityQuery,
}

/// The state of the filter within a sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FilterState {
    #[default]
    Ground,
    Escape,
    Csi,
    Osc,
    /// After the ESC that ends an OSC.
    OscEnd,
    /// Device control string.
    Dcs,
    /// Start of string, privacy message or application command; all are dropped.
    String,
    /// A CSI sequence that is too long.
    DropCsi,
    /// An OSC sequence that is too long.
    DropOsc,
}

/// The filter. Its memory is bounded for any input.
#[derive(Debug, Default)]
pub(super) struct Filter {
    state: FilterState,
    held: Vec<u8>,
}

impl Filter {
    /// Filters the next bytes, which may be cut anywhere. `columns` limits the count of a repetition.
    pub(super) fn feed(&mut self, bytes: &[u8], columns: usize, out: &mut impl FnMut(Piece<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.state {
                FilterState::Ground => self.ground(rest, out),
                FilterState::Escape => self.escape(rest, out),
                FilterState::Csi => self.csi(rest, columns, out),
                FilterState::Osc => self.osc(rest, out),
                FilterState::OscEnd => self.osc_end(rest, out),
                FilterState::Dcs | FilterState::String => self.string(rest, out),
                FilterState::DropCsi => self.drop_csi(rest),
                FilterState::DropOsc => self.drop_osc(rest),
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Passes text and harmless sequences, up to a sequence that must be inspected.
    fn ground(&mut self, bytes: &[u8], out: &mut impl FnMut(Piece<'_>)) -> usize {
        let mut clean = 0;
        loop {
            let tail = bytes.get(clean..).unwrap_or_default();
            let Some(escape) = find(tail, |byte| byte == ESC) else {
                out(Piece::Pass(bytes));
                return bytes.len();
            };
            clean += escape;
            match harmless(tail.get(escape..).unwrap_or_default()) {
                Some(length) => clean += length,
                None => break,
            }
        }
        if let Some(run) = bytes.get(..clean).filter(|run| !run.is_empty()) {
            out(Piece::Pass(run));
        }
        self.start_escape();
        clean + 1
    }

    fn start_escape(&mut self) {
        self.state = FilterState::Escape;
        self.hold(&[ESC]);
    }

    /// Replaces the buffered bytes, and frees the memory of a long sequence.
    fn hold(&mut self, bytes: &[u8]) {
        self.held.clear();
        self.held.shrink_to(4 * MAX_CSI);
        self.held.extend_from_slice(bytes);
    }

    fn release(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        out(Piece::Pass(&self.held));
        self.hold(&[]);
        self.state = FilterState::Ground;
    }

    fn escape(&mut self, bytes: &[u8], out: &mut impl FnMut(Piece<'_>)) -> usize {
        let Some(&byte) = bytes.first() else { return 0 };
        match byte {
            b'[' => self.enter(byte, FilterState::Csi),
            b']' => self.enter(byte, FilterState::Osc),
            b'P' => {
                self.hold(&[]);
                self.state = FilterState::Dcs;
            }
            b'X' | b'^' | b'_' => {
                self.hold(&[]);
                self.state = FilterState::String;
            }
            // Control characters within a sequence take effect at once.
            CAN | SUB => self.cancel(),
            ESC | 0x7f.. => {}
            0..0x20 => out(Piece::Pass(&[byte])),
            _ => {
                self.held.push(byte);
                self.release(out);
            }
        }
        1
    }

    fn enter(&mut self, byte: u8, state: FilterState) {
        self.held.push(byte);
        self.state = state;
    }

    fn cancel(&mut self) {
        self.hold(&[]);
        self.state = FilterState::Ground;
    }

    fn csi(&mut self, bytes: &[u8], columns: usize, out: &mut impl FnMut(Piece<'_>)) -> usize {
        let Some(&byte) = bytes.first() else { return 0 };
        match byte {
            0x40..=0x7e => {
                self.held.push(byte);
                self.finish_csi(columns, out);
            }
            ESC => self.start_escape(),
            CAN | SUB => self.cancel(),
            0..0x20 => out(Piece::Pass(&[byte])),
            0x7f.. => {}
            _ if self.held.len() >= MAX_CSI => {
                self.hold(&[]);
                self.state = FilterState::DropCsi;
            }
            _ => self.held.push(byte),
        }
        1
    }

    fn finish_csi(&mut self, columns: usize, out: &mut impl FnMut(Piece<'_>)) {
        match self.held.as_slice() {
            [ESC, b'[', b'>', .., b'q'] => {
                out(Piece::VersionQuery);
                self.cancel();
            }
            [ESC, b'[', parameters @ .., b'b'] if leading_number(parameters) > columns => {
                let bounded = format!("\x1b[{columns}b");
                self.hold(bounded.as_bytes());
                self.release(out);
            }
            _ => self.release(out),
        }
    }

    fn osc(&mut self, bytes: &[u8], out: &mut impl FnMut(Piece<'_>)) -> usize {
        let end = find(bytes, ends_string).unwrap_or(bytes.len());
        let content = bytes.get(..end).unwrap_or_default();
        if self.held.len() + content.len() > MAX_OSC {
            self.hold(&[]);
            self.state = FilterState::DropOsc;
            return end;
        }
        self.held.extend_from_slice(content);
        let Some(&terminator) = bytes.get(end) else { return end };
        match terminator {
            BEL => {
                self.held.push(BEL);
                self.release(out);
            }
            ESC => self.state = FilterState::OscEnd,
            _ => self.cancel(),
        }
        end + 1
    }

    /// Passes the whole terminator to the parser, even if another sequence begins instead of its second half.
    fn osc_end(&mut self, bytes: &[u8], out: &mut impl FnMut(Piece<'_>)) -> usize {
        self.held.extend_from_slice(b"\x1b\\");
        self.release(out);
        if bytes.first() == Some(&b'\\') {
            return 1;
        }
        self.start_escape();
        0
    }

    fn drop_osc(&mut self, bytes: &[u8]) -> usize {
        let Some(end) = find(bytes, ends_string) else { return bytes.len() };
        match bytes.get(end) {
            Some(&ESC) => self.start_escape(),
            _ => self.cancel(),
        }
        end + 1
    }

    fn drop_csi(&mut self, bytes: &[u8]) -> usize {
        let ends = |byte: u8| matches!(byte, 0x40..=0x7e | ESC | CAN | SUB);
        let Some(end) = find(bytes, ends) else { return bytes.len() };
        match bytes.get(end) {
            Some(&ESC) => self.start_escape(),
            _ => self.cancel(),
        }
        end + 1
    }

    /// Drops strings that the parser does not need. The head of a device control string identifies a query.
    fn string(&mut self, bytes: &[u8], out: &mut impl FnMut(Piece<'_>)) -> usize {
        let end = find(bytes, |byte| matches!(byte, ESC | CAN | SUB)).unwrap_or(bytes.len());
        let room = DCS_HEAD.saturating_sub(self.held.len()).min(end);
        self.held.extend_from_slice(bytes.get(..room).unwrap_or_default());
        let Some(&terminator) = bytes.get(end) else { return end };
        if terminator == ESC {
            match (self.state, self.held.as_slice()) {
                (FilterState::Dcs, b"$q q") => out(Piece::CursorQuery),
                (FilterState::Dcs, [b'$', b'q', ..]) => out(Piece::SettingQuery),
                (FilterState::Dcs, [b'+', b'q', ..]) => out(Piece::CapabilityQuery),
                _ => {}
            }
            self.start_escape();
        } else {
            self.cancel();
        }
        end + 1
    }
}

fn find(bytes: &[u8], matches: impl Fn(u8) -> bool) -> Option<usize> {
    bytes.iter().position(|byte| matches(*byte))
}

fn ends_string(byte: u8) -> bool {
    matches!(byte, BEL | ESC | CAN | SUB)
}

/// The length of the sequence at the start of `bytes`, if it is complete and may pass unchanged.
fn harmless(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [ESC, b'[', rest @ ..] => {
            let rest = rest.get(..rest.len().min(MAX_CSI - 2))?;
            let end = find(rest, |byte| !(0x20..0x40).contains(&byte))?;
            let asks_version = rest.first() == Some(&b'>');
            match rest.get(end)? {
                b'b' => None,
                b'q' if asks_version => None,
                0x40..=0x7e => Some(end + 3),
                _ => None,
            }
        }
        [ESC, b']' | b'P' | b'X' | b'^' | b'_', ..] => None,
        [ESC, 0x20..0x7f, ..] => Some(2),
        _ => None,
    }
}

/// The first parameter, however many digits it has.
fn leading_number(parameters: &[u8]) -> usize {
    parameters
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_usize, |n, digit| n.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All bytes that pass, with `<version>` and similar marks for queries.
    fn run(pieces: &[&[u8]]) -> Vec<u8> {
        let mut filter = Filter::default();
        let mut all = Vec::new();
        for piece in pieces {
            filter.feed(piece, 80, &mut |out| match out {
                Piece::Pass(bytes) => all.extend_from_slice(bytes),
                Piece::VersionQuery => all.extend_from_slice(b"<version>"),
                Piece::CursorQuery => all.extend_from_slice(b"<cursor>"),
                Piece::SettingQuery => all.extend_from_slice(b"<setting>"),
                Piece::CapabilityQuery => all.extend_from_slice(b"<capability>"),
            });
        }
        all
    }

    #[test]
    fn normal_output_passes_unchanged() {
        for normal in [
            &b"plain text\r\n"[..],
            b"\x1b[1;31mred\x1b[0m \x1b(0lqk\x1b(B \x1b7\x1b8\x1b[?1049h\x1b[>4;1m\x1b[2 q",
            b"\x1b]0;title\x07after",
            b"\x1b]2;title\x1b\\after",
            "한글 \u{9b}31m é".as_bytes(),
            b"\xff\xfe\x80",
            b"\x1b[38;2;1;2;3;48;5;7m\x1b[79b",
        ] {
            assert_eq!(String::from_utf8_lossy(&run(&[normal])), String::from_utf8_lossy(normal));
        }
    }

    #[test]
    fn unused_strings_are_dropped_and_queries_are_extracted() {
        assert_eq!(run(&[b"a\x1bPq#0;2;0;0;0sixel\x1b\\b"]), b"a\x1b\\b");
        assert_eq!(run(&[b"a\x1b_Ga=T,f=100;AAAA\x1b\\b"]), b"a\x1b\\b");
        assert_eq!(run(&[b"\x1bP$qm\x1b\\"]), b"<setting>\x1b\\");
        assert_eq!(run(&[b"\x1bP+q544e\x1b\\"]), b"<capability>\x1b\\");
        assert_eq!(run(&[b"\x1b[>q\x1b[>0q\x1b[>0;1q"]), b"<version><version><version>");
        assert_eq!(run(&[b"\x1bP$qm\x18b"]), b"b", "cancelled");
    }

    #[test]
    fn repetitions_are_bounded_by_the_width() {
        assert_eq!(run(&[b"x\x1b[65535b"]), b"x\x1b[80b");
        assert_eq!(run(&[b"x\x1b[99999999999999999999999999b"]), b"x\x1b[80b");
        assert_eq!(run(&[b"x\x1b[\n65535b"]), b"x\n\x1b[80b");
        assert_eq!(run(&[b"x\x1b\n[65535b"]), b"x\n\x1b[80b");
        assert_eq!(run(&[b"x\x1b\x1b\x1b[65535b"]), b"x\x1b[80b");
        assert_eq!(run(&[b"\x1b]0;t\x1b[65535b"]), b"\x1b]0;t\x1b\\\x1b[80b");
        assert_eq!(run(&[b"\x1b]0;t\x1bPdcs\x18text"]), b"\x1b]0;t\x1b\\text");
    }

    #[test]
    fn endless_sequences_cost_no_memory_and_end() {
        let mut filter = Filter::default();
        for introducer in [&b"\x1b]52;c;"[..], b"\x1bP", b"\x1b_", b"\x1bX", b"\x1b^", b"\x1b["] {
            let mut passed = 0;
            let mut count = |piece: Piece<'_>| {
                if let Piece::Pass(bytes) = piece {
                    passed += bytes.len();
                }
            };
            filter.feed(introducer, 80, &mut count);
            for _ in 0..256 {
                filter.feed(&[b'1'; 4096], 80, &mut count);
                assert!(filter.held.capacity() <= 2 * MAX_OSC, "{introducer:?}");
            }
            filter.feed(b"\x1b\\", 80, &mut count);
            assert!(filter.held.capacity() <= 8 * MAX_CSI, "{introducer:?}");
            assert!(passed <= 2, "{introducer:?}: {passed}");
        }
        let mut after = Vec::new();
        filter.feed(b"after", 80, &mut |piece| {
            if let Piece::Pass(bytes) = piece {
                after.extend_from_slice(bytes);
            }
        });
        assert_eq!(after, b"after");
    }

    proptest! {
        /// The positions of the cuts do not matter.
        #[test]
        fn the_result_is_independent_of_where_the_input_is_split(
            bytes in prop::collection::vec(
                prop_oneof![
                    Just(b'\x1b'), Just(b'['), Just(b']'), Just(b'P'), Just(b'b'), Just(b'>'), Just(b'q'), Just(b'9'),
                    Just(b';'), Just(7_u8), Just(0x18_u8), Just(b'\n'), any::<u8>(),
                ],
                0..200,
            ),
            cuts in prop::collection::vec(0..200_usize, 0..8),
        ) {
            let whole = run(&[&bytes]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(run(&pieces), whole);
        }
    }
}
