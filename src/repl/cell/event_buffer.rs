//! A run, and a buffer for its events that cannot be shown yet.

use std::collections::VecDeque;
use std::time::Instant;

use bai_client::{Rest, Run, RunEvent, RunSignal, SessionState, Window};
use bai_protocol::record::ConsoleRecord;
use futures_util::FutureExt;
use zeroize::Zeroizing;

use crate::repl::above_line::take_unfinished;

/// Maximum number of buffered bytes. When the buffer is full, the program waits in its own `write`.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Size of an event without its text.
const EVENT_BYTES: usize = 256;

/// A run, and its events that are held back.
pub(super) struct BufferedRun {
    run: Run,
    held: EventBuffer,
    /// Whether the last question is that of a script for a piece of its input. The prompt asks for a line.
    asks_piece: bool,
}

impl BufferedRun {
    pub(super) fn new(run: Run) -> Self {
        BufferedRun { run, held: EventBuffer::default(), asks_piece: false }
    }

    /// The next event, in the order of arrival. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<RunEvent> {
        match self.held.pop() {
            Some(event) => Some(event),
            None => {
                let event = self.run.next().await;
                self.received(event)
            }
        }
    }

    fn received(&mut self, event: Option<RunEvent>) -> Option<RunEvent> {
        match event {
            Some(RunEvent::WaitingPiece) => {
                self.asks_piece = true;
                Some(RunEvent::WaitingInput { is_password: false })
            }
            Some(RunEvent::WaitingInput { .. }) => {
                self.asks_piece = false;
                event
            }
            event => event,
        }
    }

    /// Takes the next event from the run and holds it back. Pending for ever if the buffer is full. Cancel-safe.
    pub(super) async fn hold_next(&mut self) -> HeldEvent {
        if !self.held.has_room() {
            return std::future::pending().await;
        }
        let event = self.run.next().await;
        let event = self.received(event);
        self.held.push(event)
    }

    /// Holds back the next event, and those that have come. Cancel-safe.
    pub(super) async fn hold_more(&mut self) {
        self.hold_next().await;
        self.look_ahead();
    }

    /// Whether output is held back that can be taken.
    pub(super) fn has_output(&self) -> bool {
        self.held.events.front().is_some_and(is_output)
    }

    /// Takes the output that comes before any other event. Its last line stays if its end has not come, unless all is `whole`.
    pub(super) fn take_output(&mut self, whole: bool) -> Vec<ConsoleRecord> {
        self.held.take_output(whole)
    }

    /// Whether an event that is held back ends the question that was put last: the program has stopped waiting, or the run is over.
    pub(super) fn question_is_over(&self) -> bool {
        self.held.over.is_some()
            || self.held.events.iter().any(|event| matches!(event, RunEvent::QuestionWithdrawn))
    }

    /// Whether the events that have come make it needless to draw this record: it is changed or cleared before anybody could look.
    pub(super) fn is_superseded(&mut self, record: &ConsoleRecord) -> bool {
        match record {
            ConsoleRecord::Display(display) if display.update => {
                self.look_ahead();
                self.held.updates(display.id.as_deref())
            }
            // Updates of a display that was not shown would be shown at the end of the cell.
            ConsoleRecord::Display(display) if display.id.is_some() => false,
            ConsoleRecord::Display(_) | ConsoleRecord::Media { .. } => {
                self.look_ahead();
                self.held.clears()
            }
            _ => false,
        }
    }

    /// Holds back the events that have come.
    fn look_ahead(&mut self) {
        while self.held.has_room()
            && let Some(event) = self.run.next().now_or_never()
        {
            let event = self.received(event);
            self.held.push(event);
        }
    }

    /// The time when the run ended, if its end is held back.
    pub(super) fn over_since(&self) -> Option<Instant> {
        self.held.over
    }

    pub(super) fn send_input(&self, text: Zeroizing<String>) -> bool {
        if self.asks_piece {
            return self.run.send_piece(format!("{}\n", *text), Rest::WhenAsked);
        }
        self.run.send_input(text)
    }

    /// Ends the input of a script that asks for a piece of it. Returns whether that is what is asked.
    pub(super) fn end_pieces(&self) -> bool {
        self.asks_piece && self.run.send_piece(Vec::new(), Rest::None)
    }

    pub(super) fn resize(&self, window: Window) {
        self.run.resize(window);
    }

    pub(super) fn send_keys(&self, bytes: Vec<u8>) -> bool {
        self.run.send_piece(bytes, Rest::WhenAsked)
    }

    pub(super) fn signal(&self, signal: RunSignal) {
        self.run.signal(signal);
    }

    pub(super) fn interrupt(&self) {
        self.run.interrupt();
    }

    /// Lets the program run on. Returns the state of its session after it.
    pub(super) fn leave(self) -> SessionState {
        let state = self.state_after_leave();
        self.run.leave();
        state
    }

    /// The state of the session after a program that is left running.
    pub(super) fn state_after_leave(&self) -> SessionState {
        if self.run.can_be_left() { SessionState::Usable } else { SessionState::Stuck }
    }
}

/// The kind of an event that is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldEvent {
    Output,
    Question,
    End,
}

/// Events in the order of arrival, up to a limit of bytes.
#[derive(Debug, Default)]
struct EventBuffer {
    events: VecDeque<RunEvent>,
    bytes: usize,
    /// The time of the run's last event.
    over: Option<Instant>,
}

impl EventBuffer {
    fn has_room(&self) -> bool {
        self.over.is_none() && self.bytes < MAX_BYTES
    }

    /// The records that come before the next event of another kind.
    fn records(&self) -> impl Iterator<Item = &ConsoleRecord> {
        self.events
            .iter()
            .map_while(|event| if let RunEvent::Console(record) = event { Some(record) } else { None })
    }

    /// Whether the output so far is cleared, at once or by other output.
    fn clears(&self) -> bool {
        let mut after = self.records().skip_while(|record| !matches!(record, ConsoleRecord::Clear { .. }));
        after.next().is_some_and(|clear| *clear == ConsoleRecord::Clear { wait: false })
            || after.any(|record| match record {
                ConsoleRecord::Stdout(_) | ConsoleRecord::Media { .. } | ConsoleRecord::Html(_) => true,
                ConsoleRecord::Display(display) => !display.update,
                _ => false,
            })
    }

    /// Whether the display of this id is updated.
    fn updates(&self, id: Option<&str>) -> bool {
        self.records().any(|record| match record {
            ConsoleRecord::Display(display) => display.update && display.id.as_deref() == id,
            _ => false,
        })
    }

    /// Holds an event back. `None` is the end of the run.
    fn push(&mut self, event: Option<RunEvent>) -> HeldEvent {
        let what = match &event {
            Some(RunEvent::WaitingInput { .. }) => HeldEvent::Question,
            Some(RunEvent::Finished { .. } | RunEvent::Lost(_)) | None => {
                self.over = Some(Instant::now());
                HeldEvent::End
            }
            Some(_) => HeldEvent::Output,
        };
        if let Some(event) = event {
            self.append(event);
        }
        what
    }

    fn append(&mut self, event: RunEvent) {
        use ConsoleRecord::{Stderr, Stdout};
        self.bytes += size(&event);
        // Consecutive texts are joined, so that a program that prints single letters does not fill the buffer with events.
        match (self.events.back_mut(), event) {
            (Some(RunEvent::Console(Stdout(before))), RunEvent::Console(Stdout(text)))
            | (Some(RunEvent::Console(Stderr(before))), RunEvent::Console(Stderr(text))) => {
                before.push_str(&text);
                self.bytes -= EVENT_BYTES;
            }
            (_, event) => self.events.push_back(event),
        }
    }

    fn take_output(&mut self, whole: bool) -> Vec<ConsoleRecord> {
        let mut records = Vec::new();
        while self.events.front().is_some_and(is_output)
            && let Some(RunEvent::Console(record)) = self.pop()
        {
            records.push(record);
        }
        if !whole && let Some(rest) = take_unfinished(&mut records) {
            let rest = RunEvent::Console(rest);
            self.bytes += size(&rest);
            self.events.push_front(rest);
        }
        records
    }

    fn pop(&mut self) -> Option<RunEvent> {
        let event = self.events.pop_front()?;
        self.bytes -= size(&event);
        Some(event)
    }
}

/// Whether an event is output that can be shown anywhere. A display with an id is drawn again in its place.
fn is_output(event: &RunEvent) -> bool {
    use ConsoleRecord::{Display, Html, Media, Stderr, Stdout};
    let RunEvent::Console(record) = event else { return false };
    match record {
        Stdout(_) | Stderr(_) | Media { .. } | Html(_) => true,
        Display(display) => display.id.is_none() && !display.update,
        _ => false,
    }
}

fn size(event: &RunEvent) -> usize {
    EVENT_BYTES + if let RunEvent::Console(record) = event { record.size() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bai_protocol::record::Display;

    fn out(text: &str) -> RunEvent {
        RunEvent::Console(ConsoleRecord::Stdout(text.to_owned()))
    }

    fn text(event: Option<RunEvent>) -> String {
        match event {
            Some(RunEvent::Console(ConsoleRecord::Stdout(text))) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn events_keep_their_order() {
        let question = RunEvent::WaitingInput { is_password: false };
        let mut buffer = EventBuffer::default();
        let held = [out("a"), out("b"), question, out("c")].map(|event| buffer.push(Some(event)));
        assert_eq!(held, [HeldEvent::Output, HeldEvent::Output, HeldEvent::Question, HeldEvent::Output]);
        assert_eq!(text(buffer.pop()), "ab");
        assert_eq!(text(buffer.pop()), "Some(WaitingInput { is_password: false })");
        assert_eq!((text(buffer.pop()), text(buffer.pop())), ("c".into(), "None".into()));
        assert_eq!(buffer.bytes, 0);
    }

    #[test]
    fn output_is_taken_line_by_line_up_to_another_event() {
        let mut buffer = EventBuffer::default();
        let clear = RunEvent::Console(ConsoleRecord::Clear { wait: false });
        for event in [out("a\nb"), clear, out("c\n")] {
            buffer.push(Some(event));
        }
        assert_eq!(buffer.take_output(false), [ConsoleRecord::Stdout("a\n".into())]);
        assert_eq!(buffer.take_output(true), [ConsoleRecord::Stdout("b".into())]);
        assert_eq!(buffer.take_output(true), []);
        assert_eq!(buffer.bytes, buffer.events.iter().map(size).sum::<usize>());
    }

    #[test]
    fn what_is_changed_or_cleared_soon_is_known() {
        let console = RunEvent::Console;
        let update = |id: &str| {
            let text = Display::of(ConsoleRecord::Stdout("x".into()));
            console(ConsoleRecord::Display(Display { id: Some(id.into()), update: true, ..text }))
        };
        let clear = |wait| console(ConsoleRecord::Clear { wait });
        let question = || RunEvent::WaitingInput { is_password: false };
        for (events, clears, updates) in [
            (vec![out("a"), clear(false)], true, false),
            (vec![clear(true), update("a")], false, true),
            (vec![clear(true), update("b"), out("next")], true, false),
            (vec![question(), clear(false), update("a")], false, false),
            (vec![], false, false),
        ] {
            let mut buffer = EventBuffer::default();
            for event in events {
                buffer.push(Some(event));
            }
            assert_eq!((buffer.clears(), buffer.updates(Some("a"))), (clears, updates), "{buffer:?}");
        }
    }

    #[test]
    fn a_flood_is_held_up_to_a_limit() {
        let megabyte = "x".repeat(1024 * 1024);
        let mut buffer = EventBuffer::default();
        let mut held = 0;
        while buffer.has_room() && held < 10 {
            buffer.push(Some(out(&megabyte)));
            held += 1;
        }
        assert_eq!(held, 4);
        let first = text(buffer.pop());
        assert_eq!(first.len(), 4 * megabyte.len());
        assert!(buffer.has_room(), "there is room again");
    }

    #[test]
    fn after_the_end_no_more_is_held() {
        let mut buffer = EventBuffer::default();
        assert_eq!(buffer.push(Some(RunEvent::Finished { exit_code: Some(0) })), HeldEvent::End);
        assert!(buffer.over.is_some() && !buffer.has_room());
    }
}
