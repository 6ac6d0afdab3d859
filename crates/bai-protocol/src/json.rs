//! JSON from programs that cut text anywhere. A text that was cut in the middle of an emoji has half a character: JSON can
//! spell it (`"\ud83d"`), but UTF-8 cannot. One such text must not make the rest of a message unreadable.

use crate::byte_text;
use serde::de::DeserializeOwned;

/// The code units of UTF-16 that are the first and the second half of a character.
const FIRST_HALVES: std::ops::RangeInclusive<u16> = 0xd800..=0xdbff;
const SECOND_HALVES: std::ops::RangeInclusive<u16> = 0xdc00..=0xdfff;
/// The length of `\ud83d`.
const ESCAPE: usize = 6;

/// As `serde_json::from_slice`, but each half of a character, and each byte that is not UTF-8, reads as U+FFFD.
///
/// # Errors
/// As `serde_json::from_slice`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    // Such text is rare, so valid text is read only once.
    let replaced = |_| char::REPLACEMENT_CHARACTER;
    serde_json::from_slice(bytes)
        .or_else(|_| serde_json::from_str(&whole_characters(&String::from_utf8_lossy(bytes), replaced)))
}

/// As [`from_slice`], for names of files: Python writes a byte that is not UTF-8 as half a character. It reads as in
/// [`crate::byte_text`].
pub(super) fn with_names<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    let of_half = |half| byte_text::of_half(half).unwrap_or(char::REPLACEMENT_CHARACTER);
    serde_json::from_str(json).or_else(|_| serde_json::from_str(&whole_characters(json, of_half)))
}

/// The JSON with a character in the place of every escape that is half a character.
fn whole_characters(json: &str, of_half: impl Fn(u16) -> char) -> String {
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        mended.push_str(before);
        let second = escape.get(ESCAPE..).and_then(code_unit);
        let (half, length) = match code_unit(escape) {
            Some(first) if FIRST_HALVES.contains(&first) => match second {
                Some(second) if SECOND_HALVES.contains(&second) => (None, 2 * ESCAPE),
                _ => (Some(first), ESCAPE),
            },
            Some(alone) if SECOND_HALVES.contains(&alone) => (Some(alone), ESCAPE),
            Some(_) => (None, ESCAPE),
            // Another escape has one character after the backslash.
            None => (None, 1 + escape.chars().nth(1).map_or(0, char::len_utf8)),
        };
        let (escape, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        match half {
            Some(half) => mended.push(of_half(half)),
            None => mended.push_str(escape),
        }
        rest = after;
    }
    mended + rest
}

/// The code unit that an escape at the beginning of this text spells.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn halves_of_characters_are_replaced_and_the_rest_is_unchanged() {
        for (text, read) in [
            (
                &br#"["\ud83d\ude00", "\ud83d", "\ude00", "\ud83d\ud83d\ude00"]"#[..],
                json!(["😀", "\u{fffd}", "\u{fffd}", "\u{fffd}😀"]),
            ),
            (
                br#"{"\udc00": "\\ud83d \n\"\u00e9 \uD83D\\"}"#,
                json!({"\u{fffd}": "\\ud83d \n\"é \u{fffd}\\"}),
            ),
            (
                b"[\"\xf0\x9f\x98\", \"\xed\xa0\xbd\xc3\xa9\"]",
                json!(["\u{fffd}", "\u{fffd}\u{fffd}\u{fffd}é"]),
            ),
            (br#"["\ud83d", 1.5, null]"#, json!(["\u{fffd}", 1.5, null])),
        ] {
            assert_eq!(from_slice::<Value>(text).unwrap(), read);
        }
    }

    #[test]
    fn malformed_text_stays_an_error() {
        for text in [&b""[..], b"{", br#""\ud83"#, br#""\"#, br#""\u00"#, "\"\\ud8é\"".as_bytes(), b"\xff"] {
            assert!(from_slice::<Value>(text).is_err(), "{text:?}");
        }
    }
}
