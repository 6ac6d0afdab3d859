//! Bytes that need not be UTF-8, in texts: names of files, and the output of programs. Each byte that is not UTF-8 becomes a
//! character of its own, at the end of Unicode, where no standard gives characters a meaning. So every sequence of bytes has
//! one text, and every text one sequence of bytes.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The character of the byte 0, if it were one of those bytes.
const ZERO: u32 = 0x10_ff00;
/// The first byte of each such character in UTF-8. Few texts contain it, so the others are not searched further.
const FIRST: u8 = 0xf4;

/// The text of these bytes.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(utf8) if is_utf8(utf8) => utf8.to_owned(),
        _ => byte_by_byte(bytes),
    }
}

fn byte_by_byte(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        if is_utf8(valid) {
            text.push_str(valid);
        } else {
            for c in valid.chars() {
                // Such a character in the bytes themselves is kept byte by byte.
                match byte(c) {
                    Some(_) => text.extend(c.to_string().bytes().map(of_byte)),
                    None => text.push(c),
                }
            }
        }
        text.extend(chunk.invalid().iter().copied().map(of_byte));
    }
    text
}

/// The text of these bytes, which are UTF-8. Only one with a character of ours changes.
pub fn of_utf8(utf8: String) -> String {
    if is_utf8(&utf8) { utf8 } else { byte_by_byte(utf8.as_bytes()) }
}

/// The bytes of a text that is needed no more.
pub fn into_bytes(text: String) -> Vec<u8> {
    if is_utf8(&text) { text.into_bytes() } else { bytes(&text).into_owned() }
}

/// The bytes of a text.
pub fn bytes(text: &str) -> Cow<'_, [u8]> {
    if is_utf8(text) {
        return text.as_bytes().into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes.into()
}

/// The text for a reader that does not know such characters: bytes that are not UTF-8 become U+FFFD.
pub fn replaced(text: &str) -> Cow<'_, str> {
    if is_utf8(text) { text.into() } else { String::from_utf8_lossy(&bytes(text)).into_owned().into() }
}

/// The path of a text on this machine.
pub fn path(text: &str) -> PathBuf {
    OsString::from_vec(bytes(text).into_owned()).into()
}

/// Whether the text is UTF-8 as it stands, without a character of ours.
pub fn is_utf8(text: &str) -> bool {
    memchr::memchr(FIRST, text.as_bytes()).is_none() || !text.chars().any(|c| byte(c).is_some())
}

/// A name as people read it, in a list or in a sentence: a byte that is not UTF-8 is `\xff`, and a character that cannot be
/// seen is its number, such as `<U+001B>`. So different names look different, and no name acts on a terminal or hides the
/// words after it. A name that has such text itself has the number of the first character in it: `<U+003C>U+001B>`. Therefore
/// a name must pass here once.
pub fn shown(name: &str) -> String {
    show(name, |rest| is_number(rest) || is_byte(rest))
}

/// A sentence as people read it, in which names may be shown already: all that cannot be seen in it is as in [`shown`], and what was
/// made so stays as it is.
pub fn shown_sentence(sentence: &str) -> String {
    show(sentence, |_| false)
}

/// The text with the number of each character that cannot be seen, or with which `is_misleading` text begins.
fn show(name: &str, is_misleading: impl Fn(&str) -> bool) -> String {
    let inner = name.trim_matches(' ');
    let mut shown = String::with_capacity(name.len());
    let spaces = |shown: &mut String, count: usize| (0..count).for_each(|_| shown.push_str("<U+0020>"));
    spaces(&mut shown, if inner.is_empty() { 0 } else { name.len() - name.trim_start_matches(' ').len() });
    for (at, c) in inner.char_indices() {
        match byte(c) {
            Some(byte) => shown.push_str(&format!("\\x{byte:02x}")),
            None if is_hidden(c) || is_misleading(inner.get(at..).unwrap_or_default()) => {
                shown.push_str(&format!("<U+{:04X}>", u32::from(c)))
            }
            None => shown.push(c),
        }
    }
    spaces(&mut shown, name.len() - name.trim_end_matches(' ').len());
    shown
}

/// Whether a text begins as the number of a character is written.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix("<U+").and_then(|rest| rest.split_once('>')).map(|(digits, _)| digits);
    let is_digit = |digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F');
    digits.is_some_and(|digits| (4..=6).contains(&digits.len()) && digits.bytes().all(is_digit))
}

/// Whether a text begins as a byte that is not UTF-8 is written.
fn is_byte(text: &str) -> bool {
    let digits = text.strip_prefix("\\x").map(str::as_bytes);
    matches!(digits, Some([b'8'..=b'9' | b'a'..=b'f', b'0'..=b'9' | b'a'..=b'f', ..]))
}

/// A path of this machine as people read it: [`shown`] with all its bytes.
pub fn shown_path(path: &Path) -> String {
    shown(&text(path.as_os_str().as_bytes()))
}

/// Whether a character in a name or a line of JSON cannot be seen: it acts on a terminal, changes the direction of text, takes
/// no room, or looks like a space.
pub fn is_hidden(c: char) -> bool {
    match c {
        // A wide space can be seen, and is usual in Japanese names.
        ' ' | '\u{3000}' => false,
        '!'..='~' => false,
        // Soft hyphen, joiners, marks and overrides of direction, invisible operators, fillers, selectors of variants, tags, and
        // the empty pattern of Braille.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' => true,
        '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control() || c.is_whitespace(),
    }
}

/// The character of a byte that Python has read from a name, as one half of a character: U+DC80 to U+DCFF.
pub(super) fn of_half(half: u16) -> Option<char> {
    let byte = u8::try_from(half.checked_sub(0xdc00)?).ok()?;
    (byte >= 0x80).then(|| of_byte(byte))
}

fn of_byte(byte: u8) -> char {
    char::from_u32(ZERO + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn byte(c: char) -> Option<u8> {
    let byte = u8::try_from(u32::from(c).checked_sub(ZERO)?).ok()?;
    (byte >= 0x80).then_some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_names_look_different() {
        let hidden = [
            '\u{1b}', '\n', '\u{7f}', '\u{9b}', '\u{a0}', '\u{200b}', '\u{200d}', '\u{202e}', '\u{2060}',
            '\u{feff}',
        ];
        for c in hidden.into_iter().chain(['\u{fe0f}', '\u{2003}', '\u{3164}', '\u{e0041}']) {
            let name = format!("a{c}b");
            assert_eq!(shown(&name), format!("a<U+{:04X}>b", u32::from(c)));
            assert_eq!(shown_sentence(&name), shown(&name));
            assert_eq!(shown_sentence(&shown(&name)), shown(&name));
        }
        assert_eq!(shown(" a b  "), "<U+0020>a b<U+0020><U+0020>");
        assert_eq!(shown("  "), "<U+0020><U+0020>");
        for plain in ["", "größe e\u{301} 数\u{3000}😀", "<U+20>", "<U+", "\\x7f", "\\xFF", "a<b>"] {
            assert_eq!(shown(plain), plain);
        }
        assert_eq!(shown("x<U+202E>"), "x<U+003C>U+202E>");
        assert_eq!(shown("x<U+003C>U+202E>"), "x<U+003C>U+003C>U+202E>");
        assert_eq!(shown("a\\xff"), "a<U+005C>xff");
        assert_eq!(shown_sentence("x<U+202E> \\xff"), "x<U+202E> \\xff");
    }

    #[test]
    fn no_two_names_of_misleading_pieces_look_alike() {
        let odd = text(b"\xff");
        let pieces =
            ["<U+200B>", "<", "U+200B>", "\u{200b}", "<U+003C>", "<U+005C>", "\\", "xff", &odd, " ", "a"];
        let mut seen = std::collections::HashMap::new();
        for one in pieces {
            for two in pieces {
                for three in pieces {
                    let name = [one, two, three].concat();
                    let before = seen.insert(shown(&name), name.clone());
                    assert!(before.is_none_or(|before| before == name), "{name}");
                }
            }
        }
    }

    #[test]
    fn all_bytes_have_one_text_and_every_text_one_sequence_of_bytes() {
        for name in [
            &b"plain"[..],
            "größe 数".as_bytes(),
            b"a\xffb",
            b"\xf0\x9f\x98",
            b"a\n",
            "\u{10ffff}x\u{10ff80}".as_bytes(),
        ] {
            let text = text(name);
            assert_eq!(*bytes(&text), *name, "{name:?}");
            assert_eq!(replaced(&text), String::from_utf8_lossy(name));
            assert_eq!(is_utf8(&text), !text.contains(|c| byte(c).is_some()));
        }
        assert_eq!(text("größe".as_bytes()), "größe");
        assert_eq!(of_utf8("é\u{10ffff}".into()), text("é\u{10ffff}".as_bytes()));
        assert_eq!(shown(&text(b"a\xff\n")), "a\\xff<U+000A>");
        assert_eq!(of_half(0xdcff).map(String::from), Some(text(b"\xff")));
        assert_eq!((of_half(0xdc41), of_half(0xd83d)), (None, None));
        assert!(!is_utf8(&text(b"\x80")) && is_utf8("数"));
    }
}
