//! Output that waits for a collector. Records keep their order, neighbouring text is joined, and bytes are counted. A
//! bound can be applied: then the oldest output is dropped, and a note says how much is gone.

use bai_protocol::execute::{RunId, RunStatus};
use bai_protocol::record::ConsoleRecord;
use std::collections::VecDeque;

/// One piece of a kernel's output.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OutputItem {
    Console(ConsoleRecord),
    /// A batch step is over; a reply ends here.
    Step {
        status: RunStatus,
        exit_code: i32,
    },
    /// For a listener: this run has begun; a reply ends here.
    Began(RunId),
}

impl OutputItem {
    /// Bytes of payload.
    pub(super) fn size(&self) -> usize {
        match self {
            OutputItem::Console(record) => record.size(),
            OutputItem::Step { .. } | OutputItem::Began(_) => 0,
        }
    }

    /// Whether a reply ends here.
    pub(super) fn is_mark(&self) -> bool {
        matches!(self, OutputItem::Step { .. } | OutputItem::Began(_))
    }
}

impl From<ConsoleRecord> for OutputItem {
    fn from(record: ConsoleRecord) -> Self {
        OutputItem::Console(record)
    }
}

/// Texts are joined up to this size, in bytes. Larger ones stay separate, so that no large text is copied.
const JOIN_LIMIT: usize = 64 * 1024;

/// A queue of items.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    items: VecDeque<OutputItem>,
    bytes: usize,
    /// How many items end a reply.
    marks: usize,
    lost: usize,
}

impl Buffer {
    /// Bytes of payload in the buffer.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is anything to collect.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.lost == 0
    }

    /// Whether an item that ends a reply is among them.
    pub(super) fn has_mark(&self) -> bool {
        self.marks > 0
    }

    /// Adds an item at the end.
    pub(super) fn push(&mut self, item: OutputItem) {
        self.bytes += item.size();
        self.marks += usize::from(item.is_mark());
        let item = match (self.items.back_mut(), item) {
            (Some(OutputItem::Console(last)), OutputItem::Console(record)) => {
                let Err(record) = last.append(record, JOIN_LIMIT) else { return };
                record.into()
            }
            (_, item) => item,
        };
        self.items.push_back(item);
    }

    /// Drops the oldest output until at most `bound` bytes are left. Items that end a reply stay.
    pub(super) fn shrink_to(&mut self, bound: usize) {
        while self.bytes > bound {
            let Some(at) = self.items.iter().position(|item| item.size() > 0) else { return };
            let Some(item) = self.items.remove(at) else { return };
            self.bytes -= item.size();
            self.lost += item.size();
        }
    }

    /// Takes about `limit` bytes from the front, up to and including an item that ends a reply. A longer text is split. Other
    /// records are taken whole.
    pub(super) fn take(&mut self, limit: usize) -> Vec<OutputItem> {
        let mut taken = Vec::new();
        let mut room = limit;
        if self.lost > 0 {
            let note =
                format!("[{} bytes of output were dropped, because no client collected them]\n", self.lost);
            self.lost = 0;
            taken.push(ConsoleRecord::Stderr(note).into());
        }
        while room > 0 {
            let Some(item) = self.items.pop_front() else { break };
            let item = match item {
                OutputItem::Console(record) => self.split(record, room).into(),
                mark => mark,
            };
            self.bytes -= item.size();
            room = room.saturating_sub(item.size());
            let is_mark = item.is_mark();
            self.marks -= usize::from(is_mark);
            taken.push(item);
            if is_mark {
                break;
            }
        }
        taken
    }

    /// Takes all items.
    pub(super) fn take_all(&mut self) -> Vec<OutputItem> {
        let mut all = Vec::new();
        while !self.is_empty() {
            all.extend(self.take(usize::MAX));
        }
        all
    }

    /// Takes `room` bytes of a text, and puts the rest back to the front.
    fn split(&mut self, mut record: ConsoleRecord, room: usize) -> ConsoleRecord {
        if let Some(rest) = record.split_off(room) {
            self.items.push_front(rest.into());
        }
        record
    }

    /// Puts items that did not reach their collector back to the front.
    pub(super) fn put_back(&mut self, items: Vec<OutputItem>) {
        for item in items.into_iter().rev() {
            self.bytes += item.size();
            self.marks += usize::from(item.is_mark());
            self.items.push_front(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> OutputItem {
        ConsoleRecord::Stdout(text.into()).into()
    }

    fn err(text: &str) -> OutputItem {
        ConsoleRecord::Stderr(text.into()).into()
    }

    fn step() -> OutputItem {
        OutputItem::Step { status: RunStatus::BuildFinished, exit_code: 2 }
    }

    #[test]
    fn text_of_one_kind_is_joined_and_order_is_kept() {
        let mut buffer = Buffer::default();
        for item in [out("a"), out("b"), err("c"), out("d")] {
            buffer.push(item);
        }
        assert_eq!(buffer.bytes(), 4);
        assert_eq!(buffer.take(100), [out("ab"), err("c"), out("d")]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_reply_ends_where_a_step_ends() {
        let mut buffer = Buffer::default();
        for item in [out("a"), step(), out("b")] {
            buffer.push(item);
        }
        assert!(buffer.has_mark());
        assert_eq!(buffer.take(100), [out("a"), step()]);
        assert!(!buffer.has_mark());
        assert_eq!(buffer.take(100), [out("b")]);
    }

    #[test]
    fn long_text_is_split_between_characters() {
        let mut buffer = Buffer::default();
        buffer.push(out("ääää"));
        assert_eq!(buffer.take(3), [out("ää")]);
        assert_eq!(buffer.bytes(), 4);
        assert_eq!(buffer.take(4), [out("ää")]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn the_oldest_output_is_dropped_and_the_loss_is_reported() {
        let mut buffer = Buffer::default();
        buffer.push(out("old"));
        buffer.push(step());
        buffer.push(err("new"));
        buffer.shrink_to(3);
        assert_eq!(buffer.bytes(), 3);
        let taken = buffer.take(100);
        assert!(
            matches!(&taken[0], OutputItem::Console(ConsoleRecord::Stderr(note)) if note.contains("3 bytes"))
        );
        assert_eq!(taken[1..], [step()]);
        assert_eq!(buffer.take(100), [err("new")]);
    }

    #[test]
    fn undelivered_output_is_delivered_again() {
        let mut buffer = Buffer::default();
        buffer.push(out("a"));
        buffer.push(step());
        buffer.push(out("b"));
        let taken = buffer.take(100);
        buffer.put_back(taken);
        assert_eq!((buffer.bytes(), buffer.has_mark()), (2, true));
        assert_eq!(buffer.take(100), [out("a"), step()]);
    }
}
