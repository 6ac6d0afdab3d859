//! Bytes of a stream to text, piece by piece: code points that are split between two reads are joined, and invalid
//! bytes are kept as [`byte_text`] writes them. This module does no I/O.

use bai_protocol::byte_text;

/// Remembers the beginning of a code point until its end has come.
#[derive(Debug, Default)]
pub(super) struct Utf8Decoder {
    /// At most three bytes: the start of a code point that may still become valid.
    tail: Vec<u8>,
}

impl Utf8Decoder {
    /// Decodes `bytes` after the rest of the last call. Valid input is not copied.
    pub(super) fn decode(&mut self, mut bytes: Vec<u8>) -> String {
        if !self.tail.is_empty() {
            let mut joined = std::mem::take(&mut self.tail);
            joined.append(&mut bytes);
            bytes = joined;
        }
        match String::from_utf8(bytes) {
            Ok(text) => byte_text::of_utf8(text),
            Err(error) => self.decode_invalid(error.as_bytes()),
        }
    }

    fn decode_invalid(&mut self, bytes: &[u8]) -> String {
        let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
        let tail = if may_continue(last) { last } else { &[] };
        self.tail = tail.to_vec();
        byte_text::text(bytes.strip_suffix(tail).unwrap_or(bytes))
    }

    /// The rest at the end of the stream: the bytes of a code point that was cut off.
    pub(super) fn finish(&mut self) -> Option<String> {
        let tail = std::mem::take(&mut self.tail);
        (!tail.is_empty()).then(|| byte_text::text(&tail))
    }
}

/// Whether these bytes, at the end of a read, are a valid start of a code point.
fn may_continue(bytes: &[u8]) -> bool {
    // `error_len` is `None` exactly when more input could make it valid.
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_in_pieces(pieces: &[&[u8]]) -> String {
        let mut decoder = Utf8Decoder::default();
        let mut text: String = pieces.iter().map(|piece| decoder.decode(piece.to_vec())).collect();
        text.extend(decoder.finish());
        let whole = pieces.concat();
        assert_eq!(*byte_text::bytes(&text), whole);
        byte_text::replaced(&text).into_owned()
    }

    #[test]
    fn a_code_point_split_at_every_byte_is_joined() {
        let text = "aé漢🐍z";
        for at in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(at);
            assert_eq!(decode_in_pieces(&[head, tail]), text);
        }
        let single: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(decode_in_pieces(&single), text);
    }

    #[test]
    fn invalid_bytes_are_replaced_and_no_others_are_lost() {
        assert_eq!(decode_in_pieces(&[b"a\xffb"]), "a\u{fffd}b");
        assert_eq!(decode_in_pieces(&[b"a\xf0\x9f", b"b"]), "a\u{fffd}b");
        assert_eq!(decode_in_pieces(&[b"a\xf0\x9f"]), "a\u{fffd}");
        assert_eq!(decode_in_pieces(&[b"\xed\xa0\x80"]), "\u{fffd}\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn decoding_in_pieces_equals_decoding_at_once(bytes in proptest::collection::vec(any::<u8>(), 0..64), at in 0usize..64) {
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(decode_in_pieces(&[head, tail]), String::from_utf8_lossy(&bytes));
        }
    }
}
