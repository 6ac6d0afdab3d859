//! The messages of an agent, with arbitrary bytes.

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
