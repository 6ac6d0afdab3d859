//! The bytes of ZeroMQ, from agents and Jupyter kernels. The decoder belongs to a library, which gives it out for benchmarks.

use asynchronous_codec::Decoder;
use bai_runner::fuzzing::within_limit;
use bytes::BytesMut;
use zeromq::__bench::{Message, ZmqCodec};

/// The length of the pieces in which a stream comes, and the stream. Our own limit stands before the library.
pub fn zmq(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else { return };
    let piece = usize::from(*piece);
    let passed = within_limit(stream, piece);
    assert_eq!(passed.len(), within_limit(stream, stream.len()).len());
    let whole = decoded(passed, passed.len());
    assert_eq!(decoded(passed, piece), whole);
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
