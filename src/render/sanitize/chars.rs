//! The classes of characters beyond ASCII: what each may do on the user's terminal.

use unicode_width::UnicodeWidthChar;

/// How the sanitizer treats a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Shown unchanged; its width in cells (1 or 2).
    Plain(u8),
    /// Combines with the character before it. Long runs are cut.
    Joining,
    /// Shown as its number, because it would disguise other text.
    Named,
    /// Dropped: it is invisible or has no meaning for users.
    Dropped,
    /// A control character of the C1 set.
    Control,
}

/// Returns the class of a character beyond ASCII.
pub(super) fn classify(c: char) -> Class {
    match c {
        '\u{80}'..='\u{9f}' => Class::Control,
        // Latin, Greek, Cyrillic: by far the most frequent after ASCII, and all one cell wide.
        '\u{a0}'..='\u{ac}' | '\u{ae}'..='\u{2ff}' | '\u{370}'..='\u{482}' => Class::Plain(1),
        // Hangul syllables and the main block of Han: two cells.
        '\u{ac00}'..='\u{d7a3}' | '\u{4e00}'..='\u{9fff}' => Class::Plain(2),
        // Overrides, embeddings and isolates of the bidirectional algorithm; separators of lines and paragraphs.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => Class::Named,
        // Invisible: soft hyphen, word joiner and invisible operators, deprecated format characters, byte order mark,
        // interlinear annotation, tags.
        '\u{ad}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' => Class::Dropped,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => Class::Dropped,
        _ => match c.width() {
            Some(0) => Class::Joining,
            Some(width) => Class::Plain(if width > 1 { 2 } else { 1 }),
            None => Class::Named,
        },
    }
}

/// Whether a character is shown as it is: it does not act on a terminal, and does not disguise other text. Line feeds and
/// tabs are harmless too.
pub fn is_harmless(c: char) -> bool {
    match c {
        '\n' | '\t' => true,
        c if c.is_ascii() => !c.is_ascii_control(),
        c => matches!(classify(c), Class::Plain(_) | Class::Joining),
    }
}

/// The joiner that combines several emoji into one.
pub(super) const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// The first character of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// A character and its length in bytes.
    Char(char, usize),
    /// This many bytes that are not UTF-8.
    Invalid(usize),
    /// The start of a character whose end has not arrived yet.
    Incomplete,
}

/// Reads one character; `bytes` must not be empty.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let follows = |byte: u8| byte & 0xc0 == 0x80;
    // A fast path for nearly all characters: those of two and three bytes whose validity follows from the first byte.
    let (value, length) = match *bytes {
        [a @ 0xc2..=0xdf, b, ..] if follows(b) => ((u32::from(a) & 0x1f) << 6 | u32::from(b) & 0x3f, 2),
        [a @ (0xe1..=0xec | 0xee | 0xef), b, c, ..] if follows(b) && follows(c) => {
            ((u32::from(a) & 0x0f) << 12 | (u32::from(b) & 0x3f) << 6 | u32::from(c) & 0x3f, 3)
        }
        _ => return decode_carefully(bytes),
    };
    char::from_u32(value).map_or(Decoded::Invalid(1), |c| Decoded::Char(c, length))
}

fn decode_carefully(bytes: &[u8]) -> Decoded {
    let head = bytes.get(..4).unwrap_or(bytes);
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
        Err(error) => return error.error_len().map_or(Decoded::Incomplete, Decoded::Invalid),
    };
    match valid.chars().next() {
        Some(c) => Decoded::Char(c, c.len_utf8()),
        None => Decoded::Incomplete,
    }
}

/// Returns the length of the run of printable ASCII at the start of `bytes`. It checks 32 bytes at a time, which
/// compiles to vector instructions, because most output takes this path.
pub(super) fn ascii_run(bytes: &[u8]) -> usize {
    let unprintable = |byte: &u8| byte.wrapping_sub(0x20) > 0x5e;
    let mut length = 0;
    for chunk in bytes.chunks_exact(32) {
        if chunk.iter().fold(false, |any, byte| any | unprintable(byte)) {
            break;
        }
        length += 32;
    }
    let tail = bytes.get(length..).unwrap_or_default();
    length + tail.iter().position(unprintable).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_at_the_first_byte_that_is_not_printable_ascii() {
        for length in [0, 1, 31, 32, 33, 64, 100] {
            for end in [0_u8, 0x0a, 0x1b, 0x1f, 0x7f, 0x80, 0xff] {
                let mut bytes = vec![b'~'; length];
                bytes.push(end);
                bytes.extend([b' '; 50]);
                assert_eq!(ascii_run(&bytes), length, "{end:#x} after {length}");
            }
            assert_eq!(ascii_run(&vec![b' '; length]), length);
        }
    }

    #[test]
    fn utf8_is_decoded_with_its_errors() {
        for c in [
            '\u{80}',
            'é',
            '\u{7ff}',
            '\u{800}',
            '\u{fff}',
            '\u{1000}',
            '한',
            '\u{d7ff}',
            '\u{e000}',
            '\u{ffff}',
            '😀',
            '\u{10ffff}',
        ] {
            assert_eq!(decode(format!("{c}!").as_bytes()), Decoded::Char(c, c.len_utf8()));
            assert_eq!(decode(c.to_string().as_bytes()), Decoded::Char(c, c.len_utf8()));
        }
        assert_eq!(decode(b"\xed\x95"), Decoded::Incomplete);
        assert_eq!(decode("😀".as_bytes()), Decoded::Char('😀', 4));
        assert_eq!(decode(b"\xf0\x9f\x98"), Decoded::Incomplete);
        assert_eq!(decode(b"\xc3("), Decoded::Invalid(1));
        assert_eq!(decode(b"\xc0\xaf"), Decoded::Invalid(1), "overlong");
        assert_eq!(decode(b"\xed\xa0\x80"), Decoded::Invalid(1), "surrogate");
        assert_eq!(decode(b"\xe2\x82\xff"), Decoded::Invalid(2));
    }
}
