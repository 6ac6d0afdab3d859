//! The state machine of the sanitizer. Each stream has its own, so that an unfinished sequence on standard output does
//! not swallow text of standard error.

use super::chars::{Class, Decoded, ZERO_WIDTH_JOINER, ascii_run, classify, decode};
use super::cursor::Cursor;
use super::pen::Pen;
use super::sgr::{Attributes, number};

/// The policy for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Output of a cell on a terminal: colours, `\r`, `\b`, and moves inside the cell's own lines.
    Terminal,
    /// A terminal that knows no escape sequences: `\r`, `\b` and `\t` only.
    Dumb,
    /// Several lines of plain text: line feeds and tabs only.
    Plain,
    /// Everything, unchanged. The user asked for it.
    Raw,
}

/// The longest parameters of a sequence. A sequence with longer ones is dropped.
const MAX_PARAMETERS: usize = 256;

/// The most zero-width characters in a row: enough for every script, too few to pile up.
const MAX_JOINING: u8 = 16;

/// The replacement for a malformed byte.
const REPLACEMENT: &str = "\u{fffd}";

/// The position of a stream in a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SanitizerState {
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and intermediate bytes.
    EscapeIntermediate,
    /// After CSI.
    Csi,
    /// Inside OSC, DCS, APC, PM or SOS, until its terminator.
    Text {
        /// BEL also ends it (OSC).
        bell: bool,
        /// The last byte was the first half of U+009C.
        half: bool,
    },
}

/// Makes one stream harmless. Its memory is bounded by a few hundred bytes for any input.
#[derive(Clone, Debug)]
pub struct Sanitizer {
    policy: Policy,
    state: SanitizerState,
    base: Attributes,
    wanted: Attributes,
    /// `wanted` over `base`.
    effective: Attributes,
    pub(super) parameters: Vec<u8>,
    overflow: bool,
    partial: [u8; 4],
    partial_len: usize,
    joining: u8,
    after_joiner: bool,
    hidden: u64,
    alternate: AlternateScreen,
    began_full_screen: bool,
}

/// The alternate screen, which full-screen programs draw on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum AlternateScreen {
    #[default]
    Off,
    /// It was switched on. Text is shown: the sequence alone must not hide what follows.
    On,
    /// A program has put the cursor to a place of it, or erased it: its content is not lines of text, and is not shown.
    Drawn,
}

impl Sanitizer {
    /// Creates a stream whose text has the attributes `base` unless it sets its own.
    pub fn new(policy: Policy, base: Attributes) -> Self {
        Self {
            policy,
            state: SanitizerState::Ground,
            base,
            wanted: Attributes::default(),
            effective: base,
            parameters: Vec::new(),
            overflow: false,
            partial: [0; 4],
            partial_len: 0,
            joining: 0,
            after_joiner: false,
            hidden: 0,
            alternate: AlternateScreen::Off,
            began_full_screen: false,
        }
    }

    /// Whether a program has begun to draw on the whole screen, which is not shown, since this was last asked.
    pub fn began_full_screen(&mut self) -> bool {
        std::mem::take(&mut self.began_full_screen)
    }

    /// Changes the attributes of text that does not set its own.
    pub fn set_base(&mut self, base: Attributes) {
        self.base = base;
        self.effective = self.wanted.over(base);
    }

    /// Whether the next text begins outside sequences and characters, and has set no attributes of its own.
    pub fn is_plain(&self) -> bool {
        self.state == SanitizerState::Ground
            && self.partial_len == 0
            && self.alternate != AlternateScreen::Drawn
            && self.wanted == Attributes::default()
    }

    /// Appends the harmless form of `input` to `out`. The input may be cut anywhere. `cursor` and `pen` belong to the
    /// terminal that `out` goes to.
    pub fn push(&mut self, input: &[u8], cursor: &mut Cursor, pen: &mut Pen, out: &mut Vec<u8>) {
        if self.policy == Policy::Raw {
            return self.push_raw(input, cursor, out);
        }
        let input = if self.partial_len > 0 { self.complete_partial(input, cursor, pen, out) } else { input };
        self.run(input, cursor, pen, out);
    }

    /// Ends the stream. An unfinished character is shown as malformed, an unfinished sequence is dropped, colours are
    /// reset. Returns how many bytes an unfinished string sequence has swallowed.
    pub fn finish(&mut self, cursor: &mut Cursor, pen: &mut Pen, out: &mut Vec<u8>) -> u64 {
        if std::mem::take(&mut self.partial_len) > 0 && self.state == SanitizerState::Ground {
            self.show(REPLACEMENT, cursor, pen, out);
        }
        let hidden = std::mem::take(&mut self.hidden);
        let unfinished = matches!(self.state, SanitizerState::Text { .. });
        *self =
            Self { parameters: std::mem::take(&mut self.parameters), ..Self::new(self.policy, self.base) };
        if unfinished { hidden } else { 0 }
    }

    /// Passes everything. The column follows only the last line, which is enough to start a new line.
    fn push_raw(&mut self, input: &[u8], cursor: &mut Cursor, out: &mut Vec<u8>) {
        out.extend_from_slice(input);
        let last_line = input.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if last_line.len() < input.len() {
            cursor.newline();
        }
        cursor.narrow(last_line.len());
    }

    /// Completes a character that the last input cut in two. Returns the rest of `input`.
    fn complete_partial<'a>(
        &mut self,
        input: &'a [u8],
        cursor: &mut Cursor,
        pen: &mut Pen,
        out: &mut Vec<u8>,
    ) -> &'a [u8] {
        let mut bytes = self.partial;
        let had = self.partial_len;
        let mut len = had;
        for (slot, byte) in bytes.iter_mut().skip(had).zip(input) {
            *slot = *byte;
            len += 1;
        }
        match decode(bytes.get(..len).unwrap_or_default()) {
            Decoded::Char(_, length) => {
                self.partial_len = 0;
                self.run(bytes.get(..length).unwrap_or_default(), cursor, pen, out);
                input.get(length - had..).unwrap_or_default()
            }
            Decoded::Invalid(length) => {
                self.partial_len = 0;
                self.show(REPLACEMENT, cursor, pen, out);
                input.get(length.saturating_sub(had)..).unwrap_or_default()
            }
            Decoded::Incomplete => {
                (self.partial, self.partial_len) = (bytes, len);
                &[]
            }
        }
    }

    fn run(&mut self, mut rest: &[u8], cursor: &mut Cursor, pen: &mut Pen, out: &mut Vec<u8>) {
        while let Some(&byte) = rest.first() {
            let consumed = match self.state {
                SanitizerState::Ground if self.alternate == AlternateScreen::Drawn => self.unseen(rest),
                SanitizerState::Ground => self.ground(rest, cursor, pen, out),
                SanitizerState::Text { bell, half } => self.swallow(rest, bell, half),
                SanitizerState::Escape | SanitizerState::EscapeIntermediate => self.escape(byte),
                SanitizerState::Csi => self.csi(byte, cursor, pen, out),
            };
            rest = rest.get(consumed..).unwrap_or_default();
        }
    }

    /// Drops text of the alternate screen up to the next sequence. Returns its length.
    fn unseen(&mut self, input: &[u8]) -> usize {
        let escape = input.iter().position(|byte| *byte == 0x1b);
        if escape == Some(0) {
            self.begin(SanitizerState::Escape);
            return 1;
        }
        escape.unwrap_or(input.len())
    }

    /// Handles input outside sequences: passes the longest run that needs no change, then treats the byte or character
    /// that ended it.
    fn ground(&mut self, input: &[u8], cursor: &mut Cursor, pen: &mut Pen, out: &mut Vec<u8>) -> usize {
        let length = self.plain_run(input, cursor);
        if length > 0 {
            pen.set(self.effective, out);
            out.extend_from_slice(input.get(..length).unwrap_or_default());
        }
        let rest = input.get(length..).unwrap_or_default();
        let Some(&byte) = rest.first() else { return length };
        length
            + match byte {
                0x80.. => self.beyond_ascii(rest, cursor, pen, out),
                0x1b => {
                    self.begin(SanitizerState::Escape);
                    1
                }
                _ => {
                    self.control(byte, cursor, pen, out);
                    1
                }
            }
    }

    /// Returns the length of the run at the start of `input` that passes unchanged, and moves the cursor.
    fn plain_run(&mut self, input: &[u8], cursor: &mut Cursor) -> usize {
        let mut length = 0;
        loop {
            let rest = input.get(length..).unwrap_or_default();
            match rest.first() {
                Some(0x20..=0x7e) => {
                    let ascii = ascii_run(rest);
                    cursor.narrow(ascii);
                    (self.joining, self.after_joiner) = (0, false);
                    length += ascii;
                }
                Some(b'\n') => {
                    let count = rest.iter().take_while(|byte| **byte == b'\n').count();
                    cursor.newlines(count as u64);
                    (self.joining, self.after_joiner) = (0, false);
                    length += count;
                }
                Some(0x80..) => match decode(rest) {
                    Decoded::Char(c, bytes) if self.passes(c, cursor) => length += bytes,
                    _ => return length,
                },
                _ => return length,
            }
        }
    }

    /// Whether a character beyond ASCII passes unchanged. If so, moves the cursor.
    fn passes(&mut self, c: char, cursor: &mut Cursor) -> bool {
        match classify(c) {
            Class::Plain(width) => {
                // Joined characters may share the cells of the one before. Counting fewer lines is the safe choice.
                match (self.after_joiner, width) {
                    (true, _) => {}
                    (_, 2) => cursor.wide(),
                    _ => cursor.narrow(1),
                }
                (self.joining, self.after_joiner) = (0, false);
                true
            }
            Class::Joining if self.joining < MAX_JOINING => {
                self.joining += 1;
                self.after_joiner = c == ZERO_WIDTH_JOINER;
                true
            }
            _ => false,
        }
    }

    /// Handles a character beyond ASCII that does not pass unchanged. Returns its length.
    fn beyond_ascii(&mut self, input: &[u8], cursor: &mut Cursor, pen: &mut Pen, out: &mut Vec<u8>) -> usize {
        match decode(input) {
            Decoded::Char(c, length) => {
                match (classify(c), c) {
                    (Class::Control, '\u{9b}') => self.begin(SanitizerState::Csi),
                    (Class::Control, '\u{9d}') => {
                        self.begin(SanitizerState::Text { bell: true, half: false })
                    }
                    (Class::Control, '\u{90}' | '\u{98}' | '\u{9e}' | '\u{9f}') => {
                        self.begin(SanitizerState::Text { bell: false, half: false });
                    }
                    (Class::Control | Class::Named, _) => {
                        self.show(&format!("<U+{:04X}>", u32::from(c)), cursor, pen, out);
                    }
                    _ => {}
                }
                length
            }
            Decoded::Invalid(length) => {
                self.show(REPLACEMENT, cursor, pen, out);
                length
            }
            Decoded::Incomplete => {
                self.partial_len = input.len().min(3);
                for (slot, byte) in self.partial.iter_mut().zip(input) {
                    *slot = *byte;
                }
                input.len()
            }
        }
    }

    /// Handles an ASCII control character other than ESC.
    fn control(&mut self, byte: u8, cursor: &mut Cursor, pen: &mut Pen, out: &mut Vec<u8>) {
        (self.joining, self.after_joiner) = (0, false);
        match (byte, self.policy) {
            (b'\r' | 0x08, Policy::Plain) => {}
            (b'\n', _) => {
                pen.set(self.effective, out);
                out.push(byte);
                cursor.newline();
            }
            (b'\r', _) => {
                out.push(byte);
                cursor.carriage_return();
            }
            (b'\t', _) => {
                out.push(byte);
                cursor.tab();
            }
            (0x08, _) => {
                if cursor.backspace() {
                    out.push(byte);
                }
            }
            _ => {
                let shown = [b'^', byte ^ 0x40];
                self.show(std::str::from_utf8(&shown).unwrap_or("^"), cursor, pen, out);
            }
        }
    }

    /// Writes our own text in the stream's attributes; a few characters of one cell each.
    fn show(&mut self, text: &str, cursor: &mut Cursor, pen: &mut Pen, out: &mut Vec<u8>) {
        pen.set(self.effective, out);
        out.extend_from_slice(text.as_bytes());
        cursor.narrow(text.chars().count());
        (self.joining, self.after_joiner) = (0, false);
    }

    fn begin(&mut self, state: SanitizerState) {
        self.state = state;
        self.parameters.clear();
        self.overflow = false;
        self.hidden = 0;
    }

    /// Handles a byte after ESC. Returns 0 if the byte does not belong to the sequence.
    fn escape(&mut self, byte: u8) -> usize {
        let first = self.state == SanitizerState::Escape;
        match byte {
            b'[' if first => self.begin(SanitizerState::Csi),
            b']' if first => self.begin(SanitizerState::Text { bell: true, half: false }),
            b'P' | b'X' | b'^' | b'_' if first => {
                self.begin(SanitizerState::Text { bell: false, half: false })
            }
            0x1b => self.state = SanitizerState::Escape,
            0x20..=0x2f => self.state = SanitizerState::EscapeIntermediate,
            // A function of one byte (reset, save cursor, character sets…), or a cancellation.
            0x30..=0x7e | 0x18 | 0x1a => self.state = SanitizerState::Ground,
            _ => {
                self.state = SanitizerState::Ground;
                return 0;
            }
        }
        1
    }

    /// Drops the content of an OSC, DCS, APC, PM or SOS sequence. Returns how many bytes were dropped.
    fn swallow(&mut self, input: &[u8], bell: bool, half: bool) -> usize {
        if half && input.first() == Some(&0x9c) {
            self.state = SanitizerState::Ground;
            return 1;
        }
        self.state = SanitizerState::Text { bell, half: false };
        let ends = |byte: &u8| matches!(byte, 0x1b | 0x18 | 0x1a | 0xc2) || (bell && *byte == 0x07);
        let Some(at) = input.iter().position(ends) else {
            self.hidden += input.len() as u64;
            return input.len();
        };
        self.hidden += at as u64;
        match input.get(at) {
            Some(0xc2) => self.state = SanitizerState::Text { bell, half: true },
            // The ESC of the terminator `ESC \` is enough: the backslash has no effect of its own.
            Some(0x1b) => self.state = SanitizerState::Escape,
            _ => self.state = SanitizerState::Ground,
        }
        at + 1
    }

    /// Handles a byte after CSI. Returns 0 if the byte does not belong to the sequence.
    fn csi(&mut self, byte: u8, cursor: &mut Cursor, pen: &mut Pen, out: &mut Vec<u8>) -> usize {
        match byte {
            0x20..=0x3f => {
                if self.parameters.len() < MAX_PARAMETERS {
                    self.parameters.push(byte);
                } else {
                    self.overflow = true;
                }
            }
            0x40..=0x7e => {
                self.state = SanitizerState::Ground;
                self.follow_screen(byte);
                let is_shown = self.alternate != AlternateScreen::Drawn;
                if !self.overflow && self.policy == Policy::Terminal && is_shown {
                    self.dispatch(byte, cursor, pen, out);
                }
            }
            0x18 | 0x1a => self.state = SanitizerState::Ground,
            _ => {
                self.state = SanitizerState::Ground;
                return 0;
            }
        }
        1
    }

    /// Follows the sequences that switch to the alternate screen and back, and those that draw on it.
    fn follow_screen(&mut self, last: u8) {
        let is_screen = |mode: &[u8]| matches!(mode, b"47" | b"1047" | b"1049");
        let switches = self.parameters.strip_prefix(b"?");
        let switches = switches.is_some_and(|modes| modes.split(|byte| *byte == b';').any(is_screen));
        self.alternate = match (last, self.alternate) {
            // Log lines and the like have no screen.
            _ if self.policy == Policy::Plain => return,
            (b'h', AlternateScreen::Off) if switches => AlternateScreen::On,
            (b'l', _) if switches => AlternateScreen::Off,
            (b'H' | b'f' | b'd' | b'J', AlternateScreen::On) => {
                self.began_full_screen = true;
                AlternateScreen::Drawn
            }
            _ => return,
        };
    }

    /// Handles a complete CSI sequence. Few are allowed.
    fn dispatch(&mut self, last: u8, cursor: &mut Cursor, pen: &mut Pen, out: &mut Vec<u8>) {
        // With private markers or intermediate bytes the same letter is another function.
        if self.parameters.iter().any(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':')) {
            return;
        }
        if last == b'm' {
            self.wanted.apply(&self.parameters);
            self.effective = self.wanted.over(self.base);
            return;
        }
        let Some(count) = number(&self.parameters) else { return };
        let count = u64::from(count);
        let moves = count.max(1);
        let moved = match last {
            b'A' | b'F' => cursor.move_up(moves),
            b'B' | b'E' => cursor.move_down(moves),
            b'C' => cursor.move_sideways(moves, true),
            b'D' => cursor.move_sideways(moves, false),
            b'G' => cursor.move_to_column(moves - 1) + 1,
            b'K' if count <= 2 => {
                // Erased cells take the background of the pen.
                pen.set(self.effective, out);
                cursor.settle();
                count
            }
            // The lines below the cursor belong to this cell.
            b'J' if count == 0 => {
                pen.set(self.effective, out);
                cursor.settle();
                0
            }
            _ => return,
        };
        if matches!(last, b'E' | b'F') {
            out.push(b'\r');
            cursor.carriage_return();
        }
        let letter = match last {
            b'F' => b'A',
            b'E' => b'B',
            other => other,
        };
        if moved > 0 || matches!(letter, b'K' | b'J') {
            out.extend_from_slice(format!("\x1b[{moved}{}", char::from(letter)).as_bytes());
        }
    }
}
