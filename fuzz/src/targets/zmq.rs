//! The bytes of ZeroMQ, from agents and Jupyter kernels. The decoder belongs to a library, which gives it out for benchmarks.

use asynchronous_codec::Decoder;
use bytes::BytesMut;
use zeromq::__bench::{Message, ZmqCodec};

/// The longest frame that an input may announce. The library reserves what a frame announces before it comes.
const LIMIT: u64 = 1 << 20;
/// The length of the greeting.
const GREETING: usize = 64;

/// The length of the pieces in which a stream comes, and the stream.
pub fn zmq(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else { return };
    if announces_too_much(stream.get(GREETING..).unwrap_or_default()) {
        return;
    }
    let whole = decoded(stream, stream.len());
    assert_eq!(decoded(stream, usize::from(*piece)), whole);
}

/// What a stream contains, up to its first error.
fn decoded(stream: &[u8], piece: usize) -> Vec<String> {
    let (mut codec, mut buffer, mut seen) = (ZmqCodec::new(), BytesMut::new(), Vec::new());
    for piece in stream.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(Message::Message(message))) => seen.push(format!("{message:?}")),
                Ok(Some(Message::Greeting(_))) => seen.push("greeting".to_owned()),
                Ok(Some(Message::Command(_))) => seen.push("command".to_owned()),
                Ok(None) => break,
                Err(error) => {
                    seen.push(error.to_string());
                    return seen;
                }
            }
        }
    }
    seen
}

/// Whether one of the frames is announced to be longer than the limit.
fn announces_too_much(mut frames: &[u8]) -> bool {
    const LONG: u8 = 2;
    while let Some((flags, rest)) = frames.split_first() {
        let size = if flags & LONG == 0 { 1 } else { 8 };
        let Some((length, rest)) = rest.split_at_checked(size) else { return false };
        let length = length.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        if length > LIMIT {
            return true;
        }
        frames = usize::try_from(length).ok().and_then(|length| rest.get(length..)).unwrap_or_default();
    }
    false
}
