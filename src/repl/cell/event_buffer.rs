//! The events of a run, some of which came while nobody could show them.

use std::collections::VecDeque;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::repl::session::{CellEvent, RemoteRun};
use bai_protocol::record::ConsoleRecord;

/// So many bytes are held; then the program waits in its own `write` until they are shown.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// What an event costs besides its text.
const EVENT_BYTES: usize = 256;

/// A run, and what it has said already.
pub(super) struct BufferedRun {
    run: Box<dyn RemoteRun>,
    held: VecDeque<CellEvent>,
    bytes: usize,
    /// When its last event came.
    over: Option<Instant>,
}

/// What the person should know although the event cannot be shown now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Buffered {
    Output,
    Question,
    End,
}

impl BufferedRun {
    pub(super) fn new(run: Box<dyn RemoteRun>) -> Self {
        BufferedRun { run, held: VecDeque::new(), bytes: 0, over: None }
    }

    /// The next event, in the order in which they came. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<CellEvent> {
        let Some(event) = self.held.pop_front() else { return self.run.next().await };
        self.bytes -= size(&event);
        Some(event)
    }

    /// Takes the next event from the run and holds it. Waits for ever when there is nothing more to hold. Cancel-safe.
    pub(super) async fn hold_next(&mut self) -> Buffered {
        if self.over.is_some() || self.bytes >= MAX_BYTES {
            return std::future::pending().await;
        }
        let Some(event) = self.run.next().await else {
            self.over = Some(Instant::now());
            return Buffered::End;
        };
        let what = match &event {
            CellEvent::WaitingInput { .. } => Buffered::Question,
            CellEvent::Finished { .. } | CellEvent::Lost { .. } => {
                self.over = Some(Instant::now());
                Buffered::End
            }
            _ => Buffered::Output,
        };
        self.hold(event);
        what
    }

    fn hold(&mut self, event: CellEvent) {
        use ConsoleRecord::{Stderr, Stdout};
        self.bytes += size(&event);
        // Text that goes on is one text, so that a program that prints letters costs no event for each.
        match (self.held.back_mut(), event) {
            (Some(CellEvent::Console(Stdout(before))), CellEvent::Console(Stdout(text)))
            | (Some(CellEvent::Console(Stderr(before))), CellEvent::Console(Stderr(text))) => {
                before.push_str(&text);
                self.bytes -= EVENT_BYTES;
            }
            (_, event) => self.held.push_back(event),
        }
    }

    /// When the run ended, if that was before it could be shown.
    pub(super) fn over_since(&self) -> Option<Instant> {
        self.over
    }

    pub(super) fn send_input(&self, text: Zeroizing<String>) -> bool {
        self.run.send_input(text)
    }

    pub(super) fn interrupt(&self) {
        self.run.interrupt();
    }

    pub(super) fn leave(self) {
        self.run.leave();
    }
}

fn size(event: &CellEvent) -> usize {
    let text = match event {
        CellEvent::Console(record) => match record {
            ConsoleRecord::Stdout(text)
            | ConsoleRecord::Stderr(text)
            | ConsoleRecord::Html(text)
            | ConsoleRecord::Log(text) => text.len(),
            ConsoleRecord::Media { data, .. } => data.len(),
            ConsoleRecord::Unknown { payload, .. } => payload.to_string().len(),
        },
        _ => 0,
    };
    EVENT_BYTES + text
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    /// A run whose events are there already.
    struct Ready(VecDeque<CellEvent>);

    impl RemoteRun for Ready {
        fn next(&mut self) -> BoxFuture<'_, Option<CellEvent>> {
            let next = self.0.pop_front();
            async move { next }.boxed()
        }
        fn send_input(&self, _: Zeroizing<String>) -> bool {
            false
        }
        fn interrupt(&self) {}
        fn leave(self: Box<Self>) {}
    }

    fn out(text: &str) -> CellEvent {
        CellEvent::Console(ConsoleRecord::Stdout(text.to_owned()))
    }

    fn feed(events: impl IntoIterator<Item = CellEvent>) -> BufferedRun {
        BufferedRun::new(Box::new(Ready(events.into_iter().collect())))
    }

    fn text(event: Option<CellEvent>) -> String {
        match event {
            Some(CellEvent::Console(ConsoleRecord::Stdout(text))) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_was_held_comes_first_and_in_order() {
        let question = CellEvent::WaitingInput { is_password: false };
        let mut feed = feed([out("a"), out("b"), question, out("c"), out("d")]);
        let held: Vec<_> = (0..4).filter_map(|_| feed.hold_next().now_or_never()).collect();
        assert_eq!(held, [Buffered::Output, Buffered::Output, Buffered::Question, Buffered::Output]);
        let mut next = || text(feed.next().now_or_never().unwrap());
        assert_eq!(next(), "ab");
        assert_eq!(next(), "Some(WaitingInput { is_password: false })");
        assert_eq!((next(), next(), next()), ("c".into(), "d".into(), "None".into()));
        assert_eq!(feed.bytes, 0);
    }

    #[test]
    fn a_flood_is_held_up_to_a_limit() {
        let megabyte = "x".repeat(1024 * 1024);
        let mut feed = feed((0..10).map(|_| out(&megabyte)));
        let held = (0..10).filter(|_| feed.hold_next().now_or_never().is_some()).count();
        assert_eq!(held, 4);
        let first = text(feed.next().now_or_never().unwrap());
        assert_eq!(first.len(), 4 * megabyte.len());
        assert_eq!(feed.hold_next().now_or_never(), Some(Buffered::Output), "there is room again");
    }

    #[test]
    fn the_end_is_held_once() {
        let mut feed = feed([CellEvent::Finished { exit_code: Some(0) }, out("never")]);
        assert_eq!(feed.hold_next().now_or_never(), Some(Buffered::End));
        assert!(feed.over_since().is_some());
        assert_eq!(feed.hold_next().now_or_never(), None);
    }
}
