//! The limit for what a peer sends to a ZeroMQ socket. The library has none: it reserves as much memory as a frame announces,
//! before the frame comes, and joins parts to a message without end. So the bytes pass here first. This module does no I/O.

/// The longest message, with all its parts, in bytes. It is far more than an agent sends.
const LONGEST_MESSAGE: u64 = 64 << 20;
/// What each part counts for besides its bytes.
const PART: u64 = 64;
/// The length of the greeting, which comes before all frames.
const GREETING: u64 = 64;
/// Bits in the first byte of a frame: another part follows, and the length has eight bytes instead of one.
const MORE: u8 = 1;
const LONG: u8 = 2;

/// Where a stream stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Before the first byte of a frame.
    Flags,
    /// Before so many bytes of a length, of which the first ones are known.
    Length { more: bool, missing: u8, length: u64 },
    /// Before so many bytes that announce nothing.
    Content(u64),
}

/// Follows the bytes of one peer.
#[derive(Debug)]
pub(super) struct FrameLimit {
    place: Place,
    /// The announced length of the message until now.
    message: u64,
    is_over: bool,
}

impl FrameLimit {
    pub(super) fn new() -> Self {
        FrameLimit { place: Place::Content(GREETING), message: 0, is_over: false }
    }

    /// How many of the next bytes may be passed on. If that is not all, the message is too long, and the connection must
    /// end.
    pub(super) fn accepted(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first()
            && !self.is_over
        {
            match self.place {
                Place::Content(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    rest = rest.get(taken..).unwrap_or_default();
                    self.content(left - taken as u64);
                }
                Place::Flags => {
                    let missing = if first & LONG == 0 { 1 } else { 8 };
                    self.place = Place::Length { more: first & MORE != 0, missing, length: 0 };
                    rest = after;
                }
                Place::Length { more, missing, length } => {
                    let length = length << 8 | u64::from(*first);
                    if missing > 1 {
                        self.place = Place::Length { more, missing: missing - 1, length };
                    } else if !self.announce(length, more) {
                        break;
                    }
                    rest = after;
                }
            }
        }
        bytes.len() - rest.len()
    }

    /// A part of this length begins. Returns whether its message is short enough.
    fn announce(&mut self, length: u64, more: bool) -> bool {
        let message = self.message.saturating_add(length).saturating_add(PART);
        self.is_over = message > LONGEST_MESSAGE;
        self.message = if more { message } else { 0 };
        self.content(length);
        !self.is_over
    }

    fn content(&mut self, left: u64) {
        self.place = if left == 0 { Place::Flags } else { Place::Content(left) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes pass that come in pieces of this length.
    fn passed(stream: &[u8], piece: usize) -> usize {
        let mut limit = FrameLimit::new();
        stream.chunks(piece).map(|piece| limit.accepted(piece)).sum()
    }

    #[test]
    fn only_messages_that_are_too_long_are_stopped() {
        let greeting = [0xff; 64];
        let long = |flags: u8, length: u64| [&[flags | LONG][..], &length.to_be_bytes()].concat();
        let part = [&long(MORE, 1 << 20)[..], &vec![7; 1 << 20]].concat();
        let fine = [&[MORE, 2, 1, 1, 0, 0][..], &part, &[0, 1, 9]].concat();
        let empty_parts = [MORE, 0].repeat(2 << 20);
        for (frames, stopped_at) in [
            (fine.clone(), None),
            (vec![LONG, 0xff], None),
            (long(0, u64::MAX), Some(8)),
            (long(MORE, 1 << 62), Some(8)),
            (long(0, LONGEST_MESSAGE), Some(8)),
            ([&fine[..], &long(0, LONGEST_MESSAGE)].concat(), Some(fine.len() + 8)),
            (part.repeat(70), Some(part.len() * 63 + 8)),
            (empty_parts, Some((1 << 21) + 1)),
        ] {
            let stream = [&greeting[..], &frames].concat();
            let expected = stopped_at.map_or(stream.len(), |at| 64 + at);
            for piece in [1, 7, stream.len()] {
                assert_eq!(passed(&stream, piece), expected, "{:?}", frames.get(..20));
            }
        }
    }
}
