//! The messages of a driver, with arbitrary bytes.

use super::{Frames, FromDriver};

/// The largest message here, in bytes.
const LIMIT: usize = 200;

/// The bytes of a driver. They are the same messages in whatever pieces they arrive; the first byte says the size of the
/// pieces.
pub fn driver(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first() else { return };
    assert_eq!(messages(rest.chunks(usize::from(*size).max(1))), messages([rest]));
}

fn messages<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(u32, FromDriver)> {
    let mut frames = Frames::new(LIMIT);
    let mut messages = Vec::new();
    for piece in pieces {
        frames.extend(piece);
        while let Some((id, whole)) = frames.next() {
            messages.push((id, FromDriver::read(whole)));
        }
    }
    messages
}
