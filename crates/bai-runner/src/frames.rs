//! The frames of a driver's messages. A frame has the message number (u32), the length of the payload (u16), whether it is
//! the message's last frame (u8), and the payload; all little endian. The joined payloads of a message are JSON that
//! begins with `{"say"`. The system writes a frame in one piece (`PIPE_BUF`), so a signal or a thread switch in the
//! interpreter cannot tear it.
//!
//! User code can write to the same pipe. Its bytes lie between two frames, and are skipped: a frame either continues a
//! message, or its payload begins as all messages do. A driver waits until its message is answered, so a message that
//! cannot be read is reported, with its number, and not dropped. The messages themselves are described in `wire`.

use std::collections::HashMap;

const HEADER: usize = 7;
/// A larger payload would not be written in one piece.
const LARGEST_PAYLOAD: usize = 4096 - HEADER;
/// The beginning of every message.
const BEGINNING: &[u8] = br#"{"say""#;
/// How many messages may be incomplete at the same time: one for each thread that sends, or was interrupted while it sent.
const MOST_PARTIAL: usize = 4096;

/// The bytes of a message.
#[derive(Debug, PartialEq)]
pub(super) enum Whole {
    Bytes(Vec<u8>),
    /// It was longer than is kept; this is its length.
    TooLong(usize),
}

/// Assembles messages from bytes.
pub(super) struct Frames {
    /// The limit for a message, and for all incomplete ones together.
    limit: usize,
    bytes: Vec<u8>,
    /// How many of the bytes were processed.
    taken: usize,
    partial: HashMap<u32, Partial>,
    /// The bytes of all incomplete messages.
    kept: usize,
}

/// A message whose last frame has not arrived.
#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    /// How many bytes have arrived. Fewer are kept when there were too many.
    length: usize,
}

impl Frames {
    pub(super) fn new(limit: usize) -> Self {
        Frames { limit, bytes: Vec::new(), taken: 0, partial: HashMap::new(), kept: 0 }
    }

    /// Adds bytes that were read.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The place where a reader can add bytes.
    pub(super) fn space(&mut self, count: usize) -> &mut Vec<u8> {
        self.bytes.reserve(count);
        &mut self.bytes
    }

    /// The next complete message with its number.
    pub(super) fn next(&mut self) -> Option<(u32, Whole)> {
        let mut skipped = 0;
        let message = loop {
            let known = |id: u32| self.partial.contains_key(&id);
            match Piece::first_of(self.bytes.get(self.taken..).unwrap_or_default(), known) {
                Piece::Incomplete => break None,
                Piece::Foreign => {
                    self.taken += 1;
                    skipped += 1;
                }
                Piece::Frame { id, last, payload } => {
                    let (start, length) = (self.taken + HEADER, payload.len());
                    self.taken = start + length;
                    if let Some(whole) = self.add(id, last, start..start + length) {
                        break Some((id, whole));
                    }
                }
            }
        };
        if skipped > 0 {
            tracing::warn!(bytes = skipped, "the driver's pipe has bytes that are no message");
        }
        if message.is_none() {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        message
    }

    /// Adds a payload to its message, and returns the message if it is complete now.
    fn add(&mut self, id: u32, last: bool, payload: std::ops::Range<usize>) -> Option<Whole> {
        let payload = self.bytes.get(payload).unwrap_or_default();
        let message = self.partial.entry(id).or_default();
        let is_whole = message.bytes.len() == message.length;
        message.length += payload.len();
        if is_whole && message.length <= self.limit {
            message.bytes.extend_from_slice(payload);
            self.kept += payload.len();
        } else {
            self.kept -= std::mem::take(&mut message.bytes).len();
        }
        if !last {
            self.forget_the_oldest();
            return None;
        }
        let Partial { bytes, length } = self.partial.remove(&id).unwrap_or_default();
        self.kept -= bytes.len();
        Some(if bytes.len() == length { Whole::Bytes(bytes) } else { Whole::TooLong(length) })
    }

    /// Frees memory of messages that were never completed. Their numbers stay known, since their rest may arrive.
    fn forget_the_oldest(&mut self) {
        while self.kept > self.limit {
            let kept = self.partial.iter_mut().filter(|(_, message)| !message.bytes.is_empty());
            let Some((_, oldest)) = kept.min_by_key(|(id, _)| **id) else { return };
            self.kept -= std::mem::take(&mut oldest.bytes).len();
        }
        if self.partial.len() > MOST_PARTIAL
            && let Some(oldest) = self.partial.keys().min().copied()
            && let Some(message) = self.partial.remove(&oldest)
        {
            self.kept -= message.bytes.len();
        }
    }
}

/// What bytes begin with.
enum Piece<'a> {
    Frame {
        id: u32,
        last: bool,
        payload: &'a [u8],
    },
    /// Not a frame: user code has written it.
    Foreign,
    /// More bytes are needed to tell.
    Incomplete,
}

impl<'a> Piece<'a> {
    /// `known` tells whether a message has begun.
    fn first_of(bytes: &'a [u8], known: impl Fn(u32) -> bool) -> Self {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Piece::Incomplete };
        let [a, b, c, d, low, high, last] = *header;
        let (id, length) = (u32::from_le_bytes([a, b, c, d]), usize::from(u16::from_le_bytes([low, high])));
        if !(1..=LARGEST_PAYLOAD).contains(&length) || last > 1 {
            return Piece::Foreign;
        }
        if !known(id) {
            let begins = rest.iter().zip(BEGINNING).all(|(here, wanted)| here == wanted);
            if !begins || length < BEGINNING.len() {
                return Piece::Foreign;
            }
        }
        match rest.get(..length) {
            Some(payload) => Piece::Frame { id, last: last == 1, payload },
            None => Piece::Incomplete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: u32, last: bool, payload: &[u8]) -> Vec<u8> {
        let mut bytes = id.to_le_bytes().to_vec();
        bytes.extend(u16::try_from(payload.len()).unwrap().to_le_bytes());
        bytes.push(u8::from(last));
        bytes.extend(payload);
        bytes
    }

    fn all(frames: &mut Frames) -> Vec<(u32, String)> {
        let text = |whole| match whole {
            Whole::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            Whole::TooLong(length) => format!("{length} bytes"),
        };
        std::iter::from_fn(|| frames.next()).map(|(id, whole)| (id, text(whole))).collect()
    }

    #[test]
    fn interleaved_messages_of_threads_are_separated() {
        let bytes = [
            frame(1, false, br#"{"say":"html","#),
            frame(2, true, br#"{"say":"sync"}"#),
            frame(1, true, br#""data":"x"}"#),
        ];
        let wanted = [(2, r#"{"say":"sync"}"#.to_owned()), (1, r#"{"say":"html","data":"x"}"#.to_owned())];
        let mut whole = Frames::new(1 << 20);
        whole.extend(&bytes.concat());
        assert_eq!(all(&mut whole), wanted);
        let mut slow = Frames::new(1 << 20);
        let mut came = Vec::new();
        for byte in bytes.concat() {
            slow.extend(&[byte]);
            came.extend(all(&mut slow));
        }
        assert_eq!(came, wanted);
    }

    #[test]
    fn foreign_bytes_between_frames_are_skipped() {
        let sync = br#"{"say":"sync"}"#;
        for foreign in [
            &b"hello"[..],
            b"\0",
            b"\x01\0\0\0\x0a\0",
            b"\x09\0\0\0\x0e\0\x01",
            b"{\"say\":\"sync\"}",
            &[0; 9000],
            &[1; 9000],
            &[255; 9000],
            &frame(9, true, b"x"),
            &frame(9, false, b"no message"),
            &frame(9, true, &[b'y'; 4089]),
        ] {
            let mut frames = Frames::new(1 << 20);
            let mut came = Vec::new();
            for bytes in [
                foreign,
                &frame(7, false, b"{\"say\""),
                foreign,
                &frame(7, true, b":1}"),
                foreign,
                &frame(8, true, sync),
            ] {
                frames.extend(bytes);
                came.extend(all(&mut frames));
            }
            let wanted = [(7, "{\"say\":1}".to_owned()), (8, String::from_utf8_lossy(sync).into_owned())];
            assert_eq!(came, wanted, "{foreign:?}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_keeps_its_number_and_no_memory() {
        let mut frames = Frames::new(1 << 20);
        let piece = frame(5, false, &[br#"{"say""#.as_slice(), &[b' '; 4000]].concat());
        let count = (1 << 20) / (piece.len() - HEADER) + 1;
        for _ in 0..count {
            frames.extend(&piece);
            assert_eq!(frames.next(), None);
        }
        assert_eq!((frames.kept, frames.bytes.len()), (0, 0));
        frames.extend(&frame(6, true, br#"{"say":"sync"}"#));
        frames.extend(&frame(5, true, b"}"));
        let length = count * (piece.len() - HEADER) + 1;
        assert_eq!(all(&mut frames), [(6, r#"{"say":"sync"}"#.to_owned()), (5, format!("{length} bytes"))]);
    }

    #[test]
    fn endless_messages_are_bounded_and_their_ends_are_answered() {
        let mut frames = Frames::new(1 << 20);
        for id in 0..10_000 {
            frames.extend(&frame(id, false, br#"{"say""#));
        }
        assert_eq!(frames.next(), None);
        assert!(frames.partial.len() <= MOST_PARTIAL);
        assert_eq!(frames.kept, frames.partial.len() * 6);
        frames.extend(&frame(9_000, true, b"}"));
        assert_eq!(all(&mut frames), [(9_000, r#"{"say"}"#.to_owned())]);
    }
}
