//! Binary frames of the execute WebSocket, for servers with [`crate::capability::Capability::BinaryFrames`]: the bytes that a program prints,
//! and those of its input, as they are. All else stays JSON. Numbers are little endian (`docs/wire` §13.3).

use super::execute::InputPiece;
use std::borrow::Cow;

/// A stream that a program prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn to_wire(self) -> u8 {
        match self {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        }
    }

    fn from_wire(byte: u8) -> Option<Self> {
        [Stream::Stdout, Stream::Stderr].into_iter().find(|stream| stream.to_wire() == byte)
    }
}

/// Bytes before the pieces of a frame of output: its number.
const HEAD: usize = 8;
/// Bytes before those of a piece: its stream and its length.
const PIECE_HEAD: usize = 5;

/// A frame of output while it is written.
#[derive(Debug)]
pub struct OutputWriter {
    frame: Vec<u8>,
    /// The stream of the last piece, and where it begins.
    piece: Option<(Stream, usize)>,
}

impl OutputWriter {
    /// The frame of this number, with room for so many bytes of output.
    pub fn new(number: u64, room: usize) -> Self {
        let mut frame = Vec::with_capacity(HEAD + PIECE_HEAD + room);
        frame.extend_from_slice(&number.to_le_bytes());
        OutputWriter { frame, piece: None }
    }

    /// Adds what was printed to a stream. Neighbours of one stream become one piece.
    pub fn push(&mut self, stream: Stream, bytes: &[u8]) {
        if self.piece.is_none_or(|(last, _)| last != stream) {
            self.end_piece();
            self.frame.extend_from_slice(&[stream.to_wire(), 0, 0, 0, 0]);
            self.piece = Some((stream, self.frame.len()));
        }
        self.frame.extend_from_slice(bytes);
    }

    fn end_piece(&mut self) {
        let Some((_, start)) = self.piece.take() else { return };
        let length = u32::try_from(self.frame.len() - start).unwrap_or(u32::MAX).to_le_bytes();
        if let Some(place) = self.frame.get_mut(start - length.len()..start) {
            place.copy_from_slice(&length);
        }
    }

    /// The frame.
    pub fn finish(mut self) -> Vec<u8> {
        self.end_piece();
        self.frame
    }
}

/// A frame of output.
#[derive(Debug, PartialEq, Eq)]
pub struct Output<'a> {
    /// Its number.
    pub number: u64,
    /// What was printed to which stream, in order.
    pub pieces: Vec<(Stream, &'a [u8])>,
}

impl<'a> Output<'a> {
    /// Reads a frame. `None` if it is none of output.
    pub fn from_frame(frame: &'a [u8]) -> Option<Self> {
        let (number, mut rest) = frame.split_first_chunk::<HEAD>()?;
        let mut pieces = Vec::new();
        while let Some((&stream, after)) = rest.split_first() {
            let (length, after) = after.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (bytes, after) = after.split_at_checked(length)?;
            pieces.push((Stream::from_wire(stream)?, bytes));
            rest = after;
        }
        Some(Output { number: u64::from_le_bytes(*number), pieces })
    }
}

/// The flags of a frame of input. JSON, which other frames of a client are, begins with another byte.
const END: u8 = 1;
const AHEAD: u8 = 2;

/// A piece of the input of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputBytes<'a> {
    /// The bytes.
    pub bytes: Cow<'a, [u8]>,
    /// Whether the input ends with them.
    pub end: bool,
    /// Whether more is at hand: the next piece is asked for before the program has read this one.
    pub ahead: bool,
}

impl<'a> InputBytes<'a> {
    /// Its frame.
    pub fn to_frame(&self) -> Vec<u8> {
        let mut frame = Vec::with_capacity(1 + self.bytes.len());
        frame.push(if self.end { END } else { 0 } | if self.ahead { AHEAD } else { 0 });
        frame.extend_from_slice(&self.bytes);
        frame
    }

    /// Reads a frame. `None` if it is no piece of input.
    pub fn from_frame(frame: &'a [u8]) -> Option<Self> {
        let (&flags, bytes) = frame.split_first()?;
        let is_input = flags & !(END | AHEAD) == 0;
        is_input.then(|| InputBytes { bytes: bytes.into(), end: flags & END != 0, ahead: flags & AHEAD != 0 })
    }
}

impl From<InputPiece> for InputBytes<'static> {
    fn from(piece: InputPiece) -> Self {
        let InputPiece { input, end, ahead } = piece;
        InputBytes { bytes: super::byte_text::into_bytes(input).into(), end, ahead }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_read_as_it_was_written() {
        use Stream::{Stderr, Stdout};
        let mut frame = OutputWriter::new(7, 100);
        for (stream, bytes) in [(Stdout, &b"a"[..]), (Stdout, b"\xff"), (Stderr, b"{"), (Stdout, b"b")] {
            frame.push(stream, bytes);
        }
        let frame = frame.finish();
        let pieces = vec![(Stdout, &b"a\xff"[..]), (Stderr, b"{"), (Stdout, b"b")];
        assert_eq!(Output::from_frame(&frame), Some(Output { number: 7, pieces }));
        assert_eq!(frame.get(..8), Some(&[7, 0, 0, 0, 0, 0, 0, 0][..]));
        assert_eq!(frame.get(8..15), Some(&[1, 2, 0, 0, 0, b'a', 0xff][..]));
        let empty = Output { number: u64::MAX, pieces: vec![] };
        assert_eq!(Output::from_frame(&OutputWriter::new(u64::MAX, 0).finish()), Some(empty));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let good = [9, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, b'x'];
        assert!(Output::from_frame(&good).is_some());
        for length in (0..8).chain(9..good.len()) {
            assert_eq!(Output::from_frame(&good[..length]), None, "{length}");
        }
        for (at, byte) in [(8, 0), (8, 3), (9, 2), (12, 255)] {
            let mut bad = good;
            bad[at] = byte;
            assert_eq!(Output::from_frame(&bad), None);
        }
    }

    #[test]
    fn input_is_read_as_it_was_written_and_is_no_json() {
        for (end, ahead) in [(false, false), (true, false), (false, true)] {
            let piece = InputBytes { bytes: b"{\xff\0"[..].into(), end, ahead };
            assert_eq!(InputBytes::from_frame(&piece.to_frame()), Some(piece));
        }
        for other in [&b""[..], br#"{"received":1}"#, b" {", b"\x04"] {
            assert_eq!(InputBytes::from_frame(other), None);
        }
    }
}
