//! Output that no cell owns: what threads, timers and background processes of the session print between two cells. While a line
//! is edited, it appears above the line at once. Otherwise it waits for the next prompt, or for the start of the next cell, whose
//! own output is newer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::above_line::{AboveLine, LINE_LIMIT, take_unfinished};
use super::editor::Notifier;
use crate::render::ConsoleOptions;
use bai_client::{IdleEvent, Listener, RunId};
use bai_protocol::record::ConsoleRecord;

/// Maximum number of bytes that wait. Beyond that the program waits in its own `write`.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Pieces of text are joined up to this size.
const JOIN_UP_TO: usize = 64 * 1024;
/// How long the output of a cell waits for what was printed before the cell began.
const BEFORE_LIMIT: Duration = Duration::from_millis(300);

/// The output of a session that no cell owns.
pub(super) struct IdleOutput {
    state: Mutex<State>,
    /// Notified when something came, was taken or ended.
    changed: Notify,
    notifier: Notifier,
}

#[derive(Default)]
struct State {
    events: VecDeque<IdleEvent>,
    /// Whether there is a listener.
    listens: bool,
    /// The place above the line, while one is edited.
    above: Option<AboveLine>,
}

impl IdleOutput {
    pub(super) fn new(notifier: Notifier) -> Arc<Self> {
        Arc::new(IdleOutput { state: Mutex::default(), changed: Notify::new(), notifier })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether output can be shown above a line. Otherwise it is left to the next cell.
    pub(super) fn can_show(&self) -> bool {
        self.notifier.can_show()
    }

    /// Takes in what the listener receives, until the session ends or this future is dropped.
    pub(super) async fn follow(self: Arc<Self>, mut listener: Listener) {
        let listening = Listening::begin(&self);
        loop {
            let (has_room, is_unfinished) = {
                let state = self.lock();
                (state.bytes() < MAX_BYTES, state.above.is_some() && !state.events.is_empty())
            };
            let changed = self.changed.notified();
            tokio::select! {
                biased;
                event = listener.next(), if has_room => {
                    let Some(event) = event else { break };
                    self.lock().push(event);
                    while let Some(Some(event)) = listener.next().now_or_never() {
                        self.lock().push(event);
                    }
                    self.changed.notify_waiters();
                    self.show(false).await;
                }
                () = sleep(LINE_LIMIT), if is_unfinished => self.show(true).await,
                () = changed => {}
            }
        }
        drop(listening);
    }

    /// Shows what has come above the line, if one is edited; an unfinished line too if it is `whole`.
    async fn show(self: &Arc<Self>, whole: bool) {
        if self.lock().above.is_none() {
            return;
        }
        let idle = Arc::clone(self);
        // A picture takes a while. The lock is held meanwhile, so that the next cell begins after it.
        let shown = tokio::task::spawn_blocking(move || {
            let mut state = idle.lock();
            let Some(mut above) = state.above.take() else { return };
            above.show(state.take_lines(whole));
            state.above = Some(above);
        });
        // An error means that the runtime ends.
        let _ = shown.await;
    }

    /// A line is edited from now on; the options are those of the prompt's console.
    pub(super) fn line_begins(&self, options: ConsoleOptions) {
        self.lock().above = Some(AboveLine::new(self.notifier.clone(), options));
        self.changed.notify_waiters();
    }

    /// No line is edited any more.
    pub(super) fn line_ends(&self) {
        self.lock().above = None;
    }

    /// What waits for the prompt. A line without its end goes on waiting for it.
    pub(super) fn take(&self) -> Vec<ConsoleRecord> {
        let records = self.lock().take_lines(false);
        self.changed.notify_waiters();
        records
    }

    /// Whether what was printed before the run `id` began has come, as far as it comes.
    fn has_begun(&self, id: &RunId) -> bool {
        let state = self.lock();
        !state.listens || state.position(id).is_some()
    }

    /// What was printed before the run `id` began. Waits for it if necessary, for a moment.
    pub(super) async fn take_before(&self, id: &RunId) -> Vec<ConsoleRecord> {
        let began = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.has_begun(id) {
                    return;
                }
                changed.await;
            }
        };
        // What comes later is shown at the next prompt.
        let _ = timeout(BEFORE_LIMIT, began).await;
        let records = self.lock().take_before(Some(id));
        self.changed.notify_waiters();
        records
    }
}

/// Records whether there is a listener, also when its task is aborted.
struct Listening<'a>(&'a IdleOutput);

impl<'a> Listening<'a> {
    fn begin(idle: &'a IdleOutput) -> Self {
        idle.lock().listens = true;
        Listening(idle)
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.lock().listens = false;
        self.0.changed.notify_waiters();
    }
}

impl State {
    fn bytes(&self) -> usize {
        self.events
            .iter()
            .map(|event| if let IdleEvent::Console(record) = event { record.size() } else { 0 })
            .sum()
    }

    /// Adds an event. Neighbouring text of one stream is joined.
    fn push(&mut self, event: IdleEvent) {
        let event = match (self.events.back_mut(), event) {
            (Some(IdleEvent::Console(last)), IdleEvent::Console(record)) => {
                match last.append(record, JOIN_UP_TO) {
                    Ok(()) => return,
                    Err(record) => IdleEvent::Console(record),
                }
            }
            (_, event) => event,
        };
        self.events.push_back(event);
    }

    fn position(&self, id: &RunId) -> Option<usize> {
        self.events.iter().position(|event| matches!(event, IdleEvent::Began(began) if began == id))
    }

    /// Takes the records before the beginning of this run, or all of them.
    fn take_before(&mut self, id: Option<&RunId>) -> Vec<ConsoleRecord> {
        let end = id.and_then(|id| self.position(id)).map_or(self.events.len(), |at| at + 1);
        self.events.drain(..end).filter_map(record).collect()
    }

    /// Takes all records. The last line stays if its end has not come, unless all is `whole`.
    fn take_lines(&mut self, whole: bool) -> Vec<ConsoleRecord> {
        let mut records = self.take_before(None);
        if !whole && let Some(rest) = take_unfinished(&mut records) {
            self.events.push_back(IdleEvent::Console(rest));
        }
        records
    }
}

fn record(event: IdleEvent) -> Option<ConsoleRecord> {
    if let IdleEvent::Console(record) = event { Some(record) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &str) -> IdleEvent {
        IdleEvent::Console(ConsoleRecord::Stdout(text.to_owned()))
    }

    fn texts(records: Vec<ConsoleRecord>) -> Vec<String> {
        let text =
            |record| if let ConsoleRecord::Stdout(text) = record { text } else { format!("{record:?}") };
        records.into_iter().map(text).collect()
    }

    #[test]
    fn a_line_is_shown_when_its_end_has_come() {
        let mut state = State::default();
        state.push(out("one\ntw"));
        assert_eq!(texts(state.take_lines(false)), ["one\n"]);
        assert_eq!(texts(state.take_lines(false)), [""; 0]);
        state.push(out("o\nthree"));
        assert_eq!(texts(state.take_lines(false)), ["two\n"]);
        assert_eq!(texts(state.take_lines(true)), ["three"]);
    }

    #[test]
    fn a_run_begins_after_what_was_printed_before_it() {
        let [first, second] = ["a", "b"].map(RunId::from_wire);
        let mut state = State::default();
        for event in [out("1\n"), IdleEvent::Began(first.clone()), out("2\n"), IdleEvent::Began(second)] {
            state.push(event);
        }
        assert_eq!(texts(state.take_before(Some(&first))), ["1\n"]);
        assert_eq!(texts(state.take_before(None)), ["2\n"]);
    }
}
