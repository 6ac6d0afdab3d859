//! The queue of replies to the reader. The channel to the reader is bounded and may be full for minutes. The worker
//! must not wait for it, so replies wait here. While many wait, no more output is read from the children.

use super::reply::Reply;
use bai_protocol::record::ConsoleRecord;
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// Beyond this, output stays in the pipes, and the program that writes it waits.
const ENOUGH_BYTES: usize = 1 << 20;
const ENOUGH_REPLIES: usize = 256;
/// Pieces of output are joined up to this size.
const JOIN_UP_TO: usize = 64 << 10;

/// Replies that the channel has not taken yet.
pub(super) struct Outbox {
    replies: mpsc::Sender<Reply>,
    waiting: VecDeque<Reply>,
    bytes: usize,
    /// Whether the channel has taken replies since the last call of [`Outbox::has_delivered`].
    has_delivered: bool,
}

impl Outbox {
    pub(super) fn new(replies: mpsc::Sender<Reply>) -> Self {
        Outbox { replies, waiting: VecDeque::new(), bytes: 0, has_delivered: false }
    }

    /// Adds a reply, however many wait. Neighbours of one stream are joined.
    pub(super) fn push(&mut self, reply: impl Into<Reply>) {
        let reply = reply.into();
        let size = size(&reply);
        match (self.waiting.back_mut(), reply) {
            (_, Reply::Console(record)) if record.is_empty_text() => return,
            (Some(Reply::Console(last)), Reply::Console(record)) => {
                if let Err(record) = last.append(record, JOIN_UP_TO) {
                    self.waiting.push_back(Reply::Console(record));
                }
            }
            (_, reply) => self.waiting.push_back(reply),
        }
        self.bytes += size;
        self.deliver();
    }

    /// Adds a message of the runner itself, as a line on standard error.
    pub(super) fn say(&mut self, sentence: &str) {
        self.push(ConsoleRecord::Stderr(format!("{sentence}\n")));
    }

    /// Whether there is room for more output.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < ENOUGH_BYTES && self.waiting.len() < ENOUGH_REPLIES
    }

    /// Waits until some reply could be delivered; for ever when none waits. Cancel-safe.
    pub(super) async fn progress(&mut self) {
        if self.waiting.is_empty() {
            std::future::pending::<()>().await;
        }
        // An error means that the reader is gone; `deliver` handles that.
        if let Ok(permit) = self.replies.reserve().await
            && let Some(reply) = self.waiting.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(size(&reply));
            permit.send(reply);
            self.has_delivered = true;
        }
        self.deliver();
    }

    /// Whether the channel has taken replies since the last call.
    pub(super) fn has_delivered(&mut self) -> bool {
        std::mem::take(&mut self.has_delivered)
    }

    /// Sends as much as the channel takes without waiting.
    fn deliver(&mut self) {
        if self.replies.is_closed() {
            // The program continues; its output is discarded.
            self.waiting.clear();
            self.bytes = 0;
        }
        while !self.waiting.is_empty() {
            let Ok(permit) = self.replies.try_reserve() else { return };
            let Some(reply) = self.waiting.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(size(&reply));
            permit.send(reply);
            self.has_delivered = true;
        }
    }
}

fn size(reply: &Reply) -> usize {
    match reply {
        Reply::Console(record) => record.size(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn replies_wait_in_order_while_the_channel_is_full() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        for number in 0..4 {
            outbox.push(Reply::Console(ConsoleRecord::Stdout(format!("{number}"))));
        }
        outbox.push(Reply::Finished { exit_code: 0 });
        assert!(outbox.has_room());
        outbox.push(Reply::Console(ConsoleRecord::Html("x".repeat(ENOUGH_BYTES))));
        assert!(!outbox.has_room());
        assert_eq!(receiver.recv().await, Some(Reply::Console(ConsoleRecord::Stdout("0".into()))));
        outbox.progress().await;
        assert_eq!(receiver.recv().await, Some(Reply::Console(ConsoleRecord::Stdout("123".into()))));
        outbox.progress().await;
        assert_eq!(receiver.recv().await, Some(Reply::Finished { exit_code: 0 }));
        outbox.progress().await;
        assert!(outbox.has_room());
        drop(receiver);
        outbox.push(Reply::Console(ConsoleRecord::Stdout("unheard".into())));
        assert!(outbox.waiting.is_empty());
    }
}
