//! The messages of an agent and the frames that they come in, with arbitrary bytes.

use super::frame_limit::FrameLimit;
use super::messages::Request;

/// The name of an operation and, after a line feed, its payload.
pub fn agent(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (name, payload) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match Request::read(name, payload) {
        Ok(Request::StartService(start)) => drop((start.listens(), start.parameters())),
        Ok(_) => {}
        Err(error) => assert!(!error.why.is_empty()),
    }
}

/// The bytes of a peer that reach the library, which come in pieces of this length.
pub fn within_limit(stream: &[u8], piece: usize) -> &[u8] {
    let mut limit = FrameLimit::new();
    let passed = stream.chunks(piece.max(1)).map(|piece| limit.accepted(piece)).sum();
    stream.get(..passed).unwrap_or_default()
}
