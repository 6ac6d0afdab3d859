//! The bytes that a client sends to an app, in arbitrary pieces.

use super::request_filter::RequestFilter;
use super::web_origin::OwnHosts;
use bytes::BytesMut;

/// Pieces with a byte 0xff between them. What passes is what was sent, unchanged, and does not begin with a foreign request.
pub fn requests(bytes: &[u8]) {
    let mut filter = RequestFilter::new(OwnHosts::local([]));
    let (mut sent, mut passed) = (Vec::new(), BytesMut::new());
    for piece in bytes.split(|byte| *byte == 0xff) {
        sent.extend_from_slice(piece);
        let refused = filter.push(piece, &mut passed).is_err();
        assert!(sent.starts_with(&passed));
        if refused {
            return;
        }
    }
    assert!(!passed.starts_with(b"GET / HTTP/1.1\r\nHost: foreign"));
}
