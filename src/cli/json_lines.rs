//! The one writer of `--json`: one object on a line. People look at such lines in a terminal too, so characters that act on
//! terminals, disguise text or cannot be seen are written as `\u009b`, which programs read as the same character.

use bai_protocol::byte_text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// A value as one line.
pub(super) fn line(value: &Value) -> String {
    let mut line = Vec::new();
    // Writing into memory does not fail.
    let _ = write(&mut line, value);
    String::from_utf8(line).unwrap_or_default()
}

/// Writes a value as one line.
pub(super) fn write(mut out: impl Write, value: &Value) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut out, Escaping))?;
    out.write_all(b"\n")
}

/// Adds the name of a file to an object: as text, and if its bytes are not UTF-8 also as these bytes in Base64, with the key
/// `nameBytes` beside `name`. The text is then the one that people see, as in lists.
pub(super) fn add_name(object: &mut Map<String, Value>, key: &str, name: &str) {
    if byte_text::is_utf8(name) {
        object.insert(key.to_owned(), name.into());
    } else {
        object.insert(key.to_owned(), byte_text::shown(name).into());
        object.insert(format!("{key}Bytes"), STANDARD.encode(byte_text::bytes(name)).into());
    }
}

/// The event about a file that has been copied. The paths are as [`byte_text`] writes them.
pub(super) fn copied(event: &str, from: &str, to: &str, bytes: u64) -> Value {
    let mut object = Map::from_iter([("event".to_owned(), event.into())]);
    add_name(&mut object, "from", from);
    add_name(&mut object, "to", to);
    object.insert("bytes".to_owned(), bytes.into());
    object.into()
}

/// The event about a symbolic link that is there after a copy.
pub(super) fn linked(to: &str, target: &str) -> Value {
    let mut object = Map::from_iter([("event".to_owned(), "linked".into())]);
    add_name(&mut object, "to", to);
    add_name(&mut object, "target", target);
    object.into()
}

/// The compact form, with more escapes in texts and keys.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = fragment;
        while let Some((place, c)) = next_acting(plain) {
            let (before, rest) = plain.split_at(place);
            CompactFormatter.write_string_fragment(out, before)?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            plain = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        CompactFormatter.write_string_fragment(out, plain)
    }
}

/// The first character that cannot be seen, and its place: the same characters as in names. Most text is ASCII, which is searched faster.
fn next_acting(text: &str) -> Option<(usize, char)> {
    let start = text.bytes().position(|byte| byte >= 0x7f)?;
    let found = text.get(start..)?.char_indices().find(|(_, c)| byte_text::is_hidden(*c));
    found.map(|(place, c)| (start + place, c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sanitize;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn characters_that_act_on_terminals_are_escaped() {
        let value = json!({"a\u{9b}": ["x\u{202e}y", "\u{7f}", "\u{e0041}", "größe\n\u{1b} \u{1f600}"]});
        assert_eq!(
            line(&value),
            "{\"a\\u009b\":[\"x\\u202ey\",\"\\u007f\",\"\\udb40\\udc41\",\"größe\\n\\u001b \u{1f600}\"]}\n"
        );
    }

    #[test]
    fn characters_that_cannot_be_seen_are_escaped() {
        for c in
            ['\u{200b}', '\u{200e}', '\u{200f}', '\u{61c}', '\u{2028}', '\u{2029}', '\u{2060}', '\u{feff}']
        {
            assert_eq!(line(&json!(format!("a{c}b"))), format!("\"a\\u{:04x}b\"\n", u32::from(c)));
        }
    }

    #[test]
    fn a_name_that_is_not_utf_8_has_its_bytes_too() {
        let odd = byte_text::text(b"a\xff\n");
        assert_eq!(
            copied("uploaded", &odd, "größe\n", 3),
            json!({
                "event": "uploaded", "from": "a\\xff<U+000A>", "fromBytes": "Yf8K", "to": "größe\n", "bytes": 3,
            })
        );
    }

    proptest! {
        #[test]
        fn programs_read_the_same_text_in_one_harmless_line(text in any::<String>()) {
            let line = line(&json!({"text": text.clone()}));
            let (body, end) = line.split_at(line.len() - 1);
            prop_assert_eq!(end, "\n");
            prop_assert!(body.chars().all(|c| !c.is_control() && sanitize::is_harmless(c) && (c == ' ' || !byte_text::is_hidden(c))));
            prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), json!({"text": text}));
        }
    }
}
