//! Output that waits to be collected: records in order, text joined, bytes counted, optionally with a bound beyond
//! which the oldest output makes room and a note tells how much is gone.

use bai_protocol::execute::RunStatus;
use std::collections::VecDeque;

/// One thing that a kernel said, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    Stdout(String),
    Stderr(String),
    Media {
        mime: String,
        data: String,
    },
    Html(String),
    /// A batch step is over; a reply ends here.
    Step {
        status: RunStatus,
        exit_code: i32,
    },
}

impl Item {
    /// Bytes of payload.
    pub(super) fn len(&self) -> usize {
        match self {
            Item::Stdout(text) | Item::Stderr(text) | Item::Html(text) => text.len(),
            Item::Media { mime, data } => mime.len() + data.len(),
            Item::Step { .. } => 0,
        }
    }
}

/// Text pieces are joined up to this size, in bytes; bigger ones stay as they came, so that nothing big is copied.
const JOIN_LIMIT: usize = 64 * 1024;

/// A queue of items.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    items: VecDeque<Item>,
    bytes: usize,
    steps: usize,
    lost: usize,
}

impl Buffer {
    /// Bytes of payload that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is anything to collect.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.lost == 0
    }

    /// Whether a step's end is among the items.
    pub(super) fn has_step(&self) -> bool {
        self.steps > 0
    }

    /// Adds an item at the end.
    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.len();
        self.steps += usize::from(matches!(item, Item::Step { .. }));
        match (self.items.back_mut(), item) {
            (Some(Item::Stdout(last)), Item::Stdout(text))
            | (Some(Item::Stderr(last)), Item::Stderr(text))
                if last.len() + text.len() <= JOIN_LIMIT =>
            {
                last.push_str(&text);
            }
            (_, item) => self.items.push_back(item),
        }
    }

    /// Drops the oldest output until at most `bound` bytes are left. Ends of steps are kept.
    pub(super) fn shrink_to(&mut self, bound: usize) {
        while self.bytes > bound {
            let Some(at) = self.items.iter().position(|item| item.len() > 0) else { return };
            let Some(item) = self.items.remove(at) else { return };
            self.bytes -= item.len();
            self.lost += item.len();
        }
    }

    /// Takes about `limit` bytes from the front, up to and including the end of a step. A longer text is split; what
    /// cannot be split comes whole.
    pub(super) fn take(&mut self, limit: usize) -> Vec<Item> {
        let mut taken = Vec::new();
        let mut room = limit;
        if self.lost > 0 {
            let note = format!("[{} bytes of output were dropped: nobody collected them]\n", self.lost);
            self.lost = 0;
            taken.push(Item::Stderr(note));
        }
        while room > 0 {
            let Some(item) = self.items.pop_front() else { break };
            let item = match item {
                Item::Stdout(text) => self.split(text, room, Item::Stdout),
                Item::Stderr(text) => self.split(text, room, Item::Stderr),
                other => other,
            };
            self.bytes -= item.len();
            room = room.saturating_sub(item.len());
            let is_step = matches!(item, Item::Step { .. });
            self.steps -= usize::from(is_step);
            taken.push(item);
            if is_step {
                break;
            }
        }
        taken
    }

    fn split(&mut self, mut text: String, room: usize, kind: fn(String) -> Item) -> Item {
        if text.len() > room {
            let mut at = room;
            while !text.is_char_boundary(at) {
                at += 1;
            }
            let rest = text.split_off(at);
            if !rest.is_empty() {
                self.items.push_front(kind(rest));
            }
        }
        kind(text)
    }

    /// Puts items that did not reach their collector back where they were.
    pub(super) fn put_back(&mut self, items: Vec<Item>) {
        for item in items.into_iter().rev() {
            self.bytes += item.len();
            self.steps += usize::from(matches!(item, Item::Step { .. }));
            self.items.push_front(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> Item {
        Item::Stdout(text.into())
    }

    fn step() -> Item {
        Item::Step { status: RunStatus::BuildFinished, exit_code: 2 }
    }

    #[test]
    fn text_of_one_kind_is_joined_and_order_is_kept() {
        let mut buffer = Buffer::default();
        for item in [out("a"), out("b"), Item::Stderr("c".into()), out("d")] {
            buffer.push(item);
        }
        assert_eq!(buffer.bytes(), 4);
        assert_eq!(buffer.take(100), [out("ab"), Item::Stderr("c".into()), out("d")]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_reply_ends_at_a_step() {
        let mut buffer = Buffer::default();
        for item in [out("a"), step(), out("b")] {
            buffer.push(item);
        }
        assert!(buffer.has_step());
        assert_eq!(buffer.take(100), [out("a"), step()]);
        assert!(!buffer.has_step());
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
    fn the_oldest_output_makes_room_and_the_loss_is_told() {
        let mut buffer = Buffer::default();
        buffer.push(out("old"));
        buffer.push(step());
        buffer.push(Item::Stderr("new".into()));
        buffer.shrink_to(3);
        assert_eq!(buffer.bytes(), 3);
        let taken = buffer.take(100);
        assert!(matches!(&taken[0], Item::Stderr(note) if note.contains("3 bytes")));
        assert_eq!(taken[1..], [step()]);
        assert_eq!(buffer.take(100), [Item::Stderr("new".into())]);
    }

    #[test]
    fn what_was_not_delivered_comes_again() {
        let mut buffer = Buffer::default();
        buffer.push(out("a"));
        buffer.push(step());
        buffer.push(out("b"));
        let taken = buffer.take(100);
        buffer.put_back(taken);
        assert_eq!((buffer.bytes(), buffer.has_step()), (2, true));
        assert_eq!(buffer.take(100), [out("a"), step()]);
    }
}
