//! The retransmit buffer: frames that were sent and not yet acknowledged. A client that acknowledges (`received`) gets
//! numbered frames. They are kept until they are acknowledged, and sent again when the client continues the run over a
//! new connection. The last of the acknowledged ones are remembered for another client, which has none of them.

use super::outcome::Outcome;
use crate::buffer::OutputItem;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many unacknowledged bytes may be in flight.
const WINDOW: usize = 1 << 20;
/// How many acknowledged bytes are remembered.
const REMEMBERED: usize = 64 << 10;
/// The size of a frame besides its payload, in bytes.
const FRAME_BYTES: usize = 1 << 10;

/// A numbered frame.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) number: u64,
    pub(super) items: Arc<Vec<OutputItem>>,
    pub(super) outcome: Outcome,
}

impl Frame {
    fn size(&self) -> usize {
        self.items.iter().map(OutputItem::size).sum::<usize>() + FRAME_BYTES
    }
}

/// The frames of a run, oldest first.
#[derive(Debug, Default)]
pub(super) struct RetransmitBuffer {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// The last acknowledged frames.
    remembered: VecDeque<Frame>,
    remembered_bytes: usize,
    /// The number of the newest frame.
    last: u64,
    /// The number of the newest frame that was written completely to the current client.
    written: u64,
}

impl RetransmitBuffer {
    /// Bytes in the buffer.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the client must acknowledge frames before it gets more.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= WINDOW
    }

    /// Adds a frame, and returns its number.
    pub(super) fn push(&mut self, items: Arc<Vec<OutputItem>>, outcome: Outcome) -> u64 {
        self.last += 1;
        let frame = Frame { number: self.last, items, outcome };
        self.bytes += frame.size();
        self.frames.push_back(frame);
        self.last
    }

    /// The oldest frame that is still to be written.
    pub(super) fn unwritten(&self) -> Option<&Frame> {
        self.frames.iter().find(|frame| frame.number > self.written)
    }

    /// A frame was written completely.
    pub(super) fn was_written(&mut self, number: u64) {
        self.written = self.written.max(number);
    }

    /// The client has acknowledged this frame and all before it.
    pub(super) fn was_received(&mut self, number: u64) {
        while let Some(frame) = self.frames.pop_front_if(|frame| frame.number <= number) {
            self.bytes -= frame.size();
            self.remember(frame);
        }
    }

    fn remember(&mut self, frame: Frame) {
        self.remembered_bytes += frame.size();
        self.remembered.push_back(frame);
        while self.remembered_bytes > REMEMBERED
            && let Some(oldest) = self.remembered.pop_front()
        {
            self.remembered_bytes -= oldest.size();
        }
    }

    /// A client that has no frame gets the remembered ones too.
    pub(super) fn recall(&mut self) {
        while let Some(frame) = self.remembered.pop_back() {
            self.bytes += frame.size();
            self.frames.push_front(frame);
        }
        self.remembered_bytes = 0;
    }

    /// Nobody needs what is remembered.
    pub(super) fn forget(&mut self) {
        self.remembered.clear();
        self.remembered_bytes = 0;
    }

    /// A new client has this frame and all before it. It gets all later frames again.
    pub(super) fn rewind(&mut self, number: u64) {
        self.was_received(number);
        self.written = number.min(self.last);
    }

    /// Takes the frames that were never written completely, for a client without numbers.
    pub(super) fn take_unwritten(&mut self) -> Vec<Frame> {
        let at = self.frames.partition_point(|frame| frame.number <= self.written);
        let taken: Vec<Frame> = self.frames.split_off(at).into();
        self.bytes -= taken.iter().map(Frame::size).sum::<usize>();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bai_protocol::record::ConsoleRecord;

    fn three() -> RetransmitBuffer {
        let mut buffer = RetransmitBuffer::default();
        for text in ["a", "b", "c"] {
            let number =
                buffer.push(Arc::new(vec![ConsoleRecord::Stdout(text.into()).into()]), Outcome::Continued);
            buffer.was_written(number);
        }
        buffer
    }

    #[test]
    fn frames_that_were_not_received_are_sent_again() {
        let mut buffer = three();
        assert!(buffer.unwritten().is_none());
        buffer.rewind(1);
        for number in [2, 3] {
            assert_eq!(buffer.unwritten().map(|frame| frame.number), Some(number));
            buffer.was_written(number);
        }
        assert!(buffer.unwritten().is_none());
        buffer.was_received(3);
        assert_eq!(buffer.bytes(), 0);
    }

    #[test]
    fn a_client_that_has_nothing_gets_what_is_remembered() {
        let mut buffer = three();
        buffer.was_received(2);
        buffer.recall();
        buffer.rewind(0);
        assert_eq!(buffer.take_unwritten().iter().map(|frame| frame.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(buffer.bytes(), 0);
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_no_gap() {
        let mut buffer = RetransmitBuffer::default();
        for bytes in [1, REMEMBERED, 1, REMEMBERED / 2, 1] {
            let text = "x".repeat(bytes);
            let number = buffer.push(Arc::new(vec![ConsoleRecord::Stdout(text).into()]), Outcome::Continued);
            buffer.was_received(number);
        }
        buffer.recall();
        assert!(buffer.bytes() <= REMEMBERED, "{}", buffer.bytes());
        assert_eq!(buffer.frames.iter().map(|frame| frame.number).collect::<Vec<_>>(), [3, 4, 5]);
    }

    #[test]
    fn an_unknown_frame_number_is_harmless() {
        let mut buffer = three();
        buffer.rewind(u64::MAX);
        assert_eq!((buffer.bytes(), buffer.unwritten().is_none()), (0, true));
        assert_eq!(buffer.push(Arc::default(), Outcome::Continued), 4);
        assert_eq!(buffer.unwritten().map(|frame| frame.number), Some(4));
    }

    #[test]
    fn a_frame_may_be_received_before_its_write_returns() {
        let mut buffer = three();
        let number = buffer.push(Arc::default(), Outcome::Continued);
        buffer.was_received(number);
        buffer.was_written(number);
        assert_eq!((buffer.bytes(), buffer.unwritten().is_none()), (0, true));
    }

    #[test]
    fn the_window_is_full_until_the_client_confirms() {
        let mut buffer = RetransmitBuffer::default();
        let number =
            buffer.push(Arc::new(vec![ConsoleRecord::Stdout("x".repeat(WINDOW)).into()]), Outcome::Continued);
        assert!(buffer.is_full());
        buffer.was_received(number);
        assert!(!buffer.is_full());
    }

    #[test]
    fn a_client_without_frame_numbers_gets_only_unsent_frames() {
        let mut buffer = three();
        buffer.rewind(0);
        buffer.was_written(1);
        assert_eq!(buffer.take_unwritten().iter().map(|frame| frame.number).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(buffer.bytes(), FRAME_BYTES + 1);
        assert!(buffer.unwritten().is_none());
    }
}
