//! The session's side of a terminal. It keeps the link and the screen whether a view is open or not, and reports events to
//! the prompt while no view is open.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};

use super::source::{Keys, Source};
use super::wake_pipe::WakePipe;
use crate::terminal::model::{Model, ModelEvent, Modes};
use bai_client::pty::{LinkState, NotSent, PtyEvent, PtyStatus};

/// Maximum bytes fed to the screen model at once: a view that wants to paint waits for one slice at most.
const SLICE: usize = 4096;
/// If a slice takes longer, the next ones are shorter.
const SLICE_TIME: Duration = Duration::from_millis(2);
/// Maximum typed bytes that wait for a program that does not read. More are refused, so that the keyboard is always read and
/// the prefix key always works.
const MAX_TYPED: usize = 16 * 1024 * 1024;
/// Maximum raw output kept before the first view opens, in bytes.
const MAX_EARLY: usize = 64 * 1024;
/// Maximum events that wait for the prompt; newer ones are dropped.
const MAX_EVENTS: usize = 32;

/// An event of a terminal without an open view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// The bell rang.
    Bell,
    /// The title changed: one line of printable text.
    Title(String),
    /// The link is lost, with the reason; it is reconnected.
    LinkDown(String),
    /// The link is back.
    LinkUp,
    /// The terminal has ended.
    Ended(Ended),
}

/// How a terminal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The shell ended, with its exit code if known.
    Exited(Option<i32>),
    /// The link is lost for good, with the reason.
    Lost(String),
    /// It could not be opened, with the reason and the remedy.
    NotOpened(String),
}

/// A connected terminal in a session. It keeps the screen until it is dropped. Views open on it.
#[derive(Debug)]
pub struct TerminalHost {
    pub(super) shared: Arc<HostState>,
    ended: watch::Receiver<bool>,
    tasks: [tokio::task::AbortHandle; 2],
}

/// The state that the tasks and the views share.
pub(super) struct HostState {
    session: String,
    /// A fair lock: a view gets it after the current slice.
    pub(super) model: tokio::sync::Mutex<Model>,
    /// A copy of the model's modes, so that a key never waits for the model.
    modes: Mutex<Modes>,
    keys: Box<dyn Keys>,
    typed: mpsc::UnboundedSender<TypedBytes>,
    /// Number of typed bytes in the queue.
    waiting: AtomicUsize,
    /// Number of losses of the link: bytes typed before the last loss are not sent.
    losses: AtomicU64,
    /// The reason why typed bytes were lost, until a view has reported it.
    refused: Mutex<Option<NotSent>>,
    viewer: Mutex<Option<Arc<Viewer>>>,
    /// All output so far; `None` after the first view, after too much output, or after a query.
    early: Mutex<Option<Vec<u8>>>,
    /// A message from outside the terminal, for the status line.
    message: Mutex<Option<String>>,
    ended: OnceLock<Ended>,
}

impl std::fmt::Debug for HostState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostState")
            .field("session", &self.session)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

struct TypedBytes {
    losses: u64,
    bytes: Bytes,
}

/// An open view.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) wake: WakePipe,
    /// Whether the bell rang since the last check.
    pub(super) bell: AtomicBool,
    /// Whether the window must be repainted (it was resized, or the program was suspended).
    pub(super) redraw: AtomicBool,
    /// Whether the program continues after a suspension.
    pub(super) continued: AtomicBool,
    /// Whether a signal asks this program to end.
    pub(super) hung_up: AtomicBool,
    /// The text that the program puts into the clipboard.
    pub(super) clipboard: Mutex<Option<String>>,
    /// The program's raw output, for a view that passes it through.
    tap: Option<mpsc::Sender<Bytes>>,
    /// Whether the real terminal answers the program's queries instead of the model.
    terminal_answers: bool,
    /// Notified when the view closes, so that a full tap does not block.
    closed: Notify,
}

impl Viewer {
    pub(super) fn new(
        tap: Option<mpsc::Sender<Bytes>>,
        terminal_answers: bool,
    ) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            wake: WakePipe::new()?,
            bell: AtomicBool::new(false),
            redraw: AtomicBool::new(false),
            continued: AtomicBool::new(false),
            hung_up: AtomicBool::new(false),
            clipboard: Mutex::new(None),
            tap,
            terminal_answers,
            closed: Notify::new(),
        }))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TerminalHost {
    /// Starts the tasks for a connected terminal. `session` is the name for the status line; the size is that of the window
    /// for which the terminal was opened. The receiver gets the events while no view is open.
    pub fn start<S: Source>(
        runtime: &Handle,
        source: S,
        session: &str,
        columns: u16,
        rows: u16,
    ) -> (Self, mpsc::Receiver<HostEvent>) {
        let (typed, typed_receiver) = mpsc::unbounded_channel();
        let (events, event_receiver) = mpsc::channel(MAX_EVENTS);
        let (ended_sender, ended) = watch::channel(false);
        let shared = Arc::new(HostState {
            session: session.to_owned(),
            model: tokio::sync::Mutex::new(Model::new(columns, rows)),
            modes: Mutex::default(),
            keys: Box::new(source.keys()),
            typed,
            waiting: AtomicUsize::new(0),
            losses: AtomicU64::new(0),
            refused: Mutex::default(),
            viewer: Mutex::default(),
            early: Mutex::new(Some(Vec::new())),
            message: Mutex::default(),
            ended: OnceLock::new(),
        });
        let tasks = [
            runtime.spawn(receive_output(source, Arc::clone(&shared), events, ended_sender)).abort_handle(),
            runtime.spawn(send_typed(typed_receiver, Arc::clone(&shared))).abort_handle(),
        ];
        (Self { shared, ended, tasks }, event_receiver)
    }

    /// Sets the default colours (red, green, blue) of the user's terminal, for programs that query them.
    pub async fn set_default_colors(&self, foreground: (u8, u8, u8), background: (u8, u8, u8)) {
        self.shared.model.lock().await.set_default_colors(foreground, background);
    }

    /// How the terminal ended; `None` while it runs.
    pub fn ended(&self) -> Option<&Ended> {
        self.shared.ended.get()
    }

    /// Waits for the end. Cancel-safe.
    pub async fn wait_ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
        self.ended().cloned().unwrap_or_else(|| Ended::Lost("the terminal was closed".to_owned()))
    }

    /// The status of the link.
    pub fn status(&self) -> PtyStatus {
        self.shared.keys.status()
    }

    /// Sets or clears a message from outside the terminal in the status line.
    pub fn set_message(&self, text: Option<String>) {
        *lock(&self.shared.message) = text;
        self.shared.wake();
    }
}

impl Drop for TerminalHost {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl HostState {
    pub(super) fn session(&self) -> &str {
        &self.session
    }

    pub(super) fn modes(&self) -> Modes {
        *lock(&self.modes)
    }

    pub(super) fn status(&self) -> PtyStatus {
        self.keys.status()
    }

    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.get()
    }

    pub(super) fn is_open(&self) -> bool {
        self.keys.is_open()
    }

    pub(super) fn message(&self) -> Option<String> {
        lock(&self.message).clone()
    }

    pub(super) fn drop_link(&self) {
        self.keys.drop_link();
    }

    /// Takes the reason why typed bytes were lost since the last call, if any were.
    pub(super) fn take_refused(&self) -> Option<NotSent> {
        lock(&self.refused).take()
    }

    /// Queues typed bytes without waiting.
    pub(super) fn send(&self, bytes: Bytes) -> Result<(), NotSent> {
        if self.ended.get().is_some() {
            return Err(NotSent::Closed);
        }
        if matches!(self.keys.status().link, LinkState::Down { .. }) {
            return Err(NotSent::LinkDown);
        }
        self.queue(bytes)
    }

    fn queue(&self, bytes: Bytes) -> Result<(), NotSent> {
        let length = bytes.len();
        if self.waiting.fetch_add(length, Ordering::AcqRel) + length > MAX_TYPED {
            self.waiting.fetch_sub(length, Ordering::AcqRel);
            return Err(NotSent::Full);
        }
        let losses = self.losses.load(Ordering::Acquire);
        self.typed.send(TypedBytes { losses, bytes }).map_err(|_| NotSent::Closed)
    }

    /// Resizes the model, then the program. Do not call it on the runtime's thread. The order matters: output for the new size
    /// must not reach a model of the old size.
    pub(super) fn resize(&self, columns: u16, rows: u16) {
        self.model.blocking_lock().resize(columns, rows);
        self.keys.resize(rows, columns);
    }

    /// Attaches a view. Returns the raw output so far, if this is the first view and the output is still complete.
    pub(super) fn attach(&self, viewer: &Arc<Viewer>) -> Option<Vec<u8>> {
        *lock(&self.viewer) = Some(Arc::clone(viewer));
        // The view has not seen earlier events.
        viewer.wake.ring();
        lock(&self.early).take()
    }

    /// Keeps output before the first view, until the model answers a query: a real terminal must not answer it again.
    fn keep_early(&self, bytes: &[u8], answered: bool) {
        let mut early = lock(&self.early);
        if let Some(kept) = &mut *early {
            if answered || kept.len() + bytes.len() > MAX_EARLY {
                *early = None;
            } else {
                kept.extend_from_slice(bytes);
            }
        }
    }

    pub(super) fn detach(&self, viewer: &Arc<Viewer>) {
        let mut slot = lock(&self.viewer);
        if slot.as_ref().is_some_and(|open| Arc::ptr_eq(open, viewer)) {
            *slot = None;
        }
        viewer.closed.notify_one();
    }

    fn viewer(&self) -> Option<Arc<Viewer>> {
        lock(&self.viewer).clone()
    }

    fn wake(&self) {
        if let Some(viewer) = self.viewer() {
            viewer.wake.ring();
        }
    }

    async fn take_output(&self, bytes: &Bytes, events: &mpsc::Sender<HostEvent>) {
        let mut rest = bytes.clone();
        let mut length = SLICE;
        while !rest.is_empty() {
            let slice = rest.split_to(length.min(rest.len()));
            let began = Instant::now();
            // A view attaches under the model's lock: it paints what was fed before, and taps what is fed after.
            let (viewer, answers, model_events) = {
                let mut model = self.model.lock().await;
                model.feed(&slice);
                *lock(&self.modes) = model.modes();
                let answers = model.take_answers();
                let viewer = self.viewer();
                if viewer.is_none() {
                    self.keep_early(&slice, !answers.is_empty());
                }
                (viewer, answers, model.take_events())
            };
            // Some bytes take a thousand times longer than others, for example to clear the screen.
            length =
                if began.elapsed() > SLICE_TIME { (length / 4).max(64) } else { (length * 2).min(SLICE) };
            if let Some(viewer) = &viewer
                && let Some(tap) = &viewer.tap
            {
                tokio::select! {
                    biased;
                    _ = tap.send(slice) => {}
                    () = viewer.closed.notified() => {}
                }
            }
            let terminal_answers = viewer.as_ref().is_some_and(|viewer| viewer.terminal_answers);
            if !answers.is_empty() && !terminal_answers {
                // A program that sends queries and does not read gets no answer.
                let _ = self.queue(answers.into());
            }
            self.report(model_events, viewer.as_deref(), events).await;
            if let Some(viewer) = viewer {
                viewer.wake.ring();
            }
        }
    }

    async fn report(
        &self,
        model_events: Vec<ModelEvent>,
        viewer: Option<&Viewer>,
        events: &mpsc::Sender<HostEvent>,
    ) {
        for event in model_events {
            match (event, viewer) {
                (ModelEvent::Bell, Some(viewer)) => viewer.bell.store(true, Ordering::Release),
                (ModelEvent::Bell, None) => drop(events.try_send(HostEvent::Bell)),
                (ModelEvent::Clipboard(text), Some(viewer)) => *lock(&viewer.clipboard) = Some(text),
                (ModelEvent::Title, None) => {
                    let title = self.model.lock().await.title();
                    let _ = events.try_send(HostEvent::Title(title));
                }
                // Without a view, a program cannot set the clipboard. With a view, the status line shows the title.
                (ModelEvent::Clipboard(_), None) | (ModelEvent::Title, Some(_)) => {}
            }
        }
    }
}

/// Feeds the model until the terminal ends.
async fn receive_output<S: Source>(
    mut source: S,
    shared: Arc<HostState>,
    events: mpsc::Sender<HostEvent>,
    ended: watch::Sender<bool>,
) {
    let mut end = Ended::Lost("the connection was closed".to_owned());
    while let Some(event) = source.next().await {
        let host_event = match event {
            PtyEvent::Output(bytes) => {
                shared.take_output(&bytes, &events).await;
                continue;
            }
            PtyEvent::LinkDown(why) => {
                shared.losses.fetch_add(1, Ordering::AcqRel);
                end = if shared.is_open() { Ended::Lost(why.clone()) } else { Ended::NotOpened(why.clone()) };
                HostEvent::LinkDown(why)
            }
            PtyEvent::LinkUp => HostEvent::LinkUp,
            PtyEvent::Exited { code } => {
                end = Ended::Exited(code);
                break;
            }
            _ => continue,
        };
        match shared.viewer() {
            Some(viewer) => viewer.wake.ring(),
            None if shared.is_open() => drop(events.try_send(host_event)),
            // The terminal never opened: its end is reported instead.
            None => {}
        }
    }
    let _ = shared.ended.set(end.clone());
    let _ = ended.send(true);
    if shared.viewer().is_none() {
        let _ = events.try_send(HostEvent::Ended(end));
    }
    shared.wake();
}

/// Sends typed bytes in order, as fast as the program reads.
async fn send_typed(mut typed: mpsc::UnboundedReceiver<TypedBytes>, shared: Arc<HostState>) {
    while let Some(TypedBytes { losses, bytes }) = typed.recv().await {
        let length = bytes.len();
        let sent = if losses == shared.losses.load(Ordering::Acquire) {
            shared.keys.send(bytes).await
        } else {
            Err(NotSent::LinkDown)
        };
        shared.waiting.fetch_sub(length, Ordering::AcqRel);
        if let Err(error) = sent {
            *lock(&shared.refused) = Some(error);
            shared.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::BoxFuture;
    use std::sync::Weak;

    /// A silent terminal that records the model's size whenever it is resized.
    #[derive(Clone, Default)]
    struct ResizeRecorder {
        shared: Arc<OnceLock<Weak<HostState>>>,
        seen: Arc<Mutex<Vec<(u16, u16)>>>,
    }

    impl Source for ResizeRecorder {
        type Keys = Self;

        async fn next(&mut self) -> Option<PtyEvent> {
            std::future::pending().await
        }

        fn keys(&self) -> Self {
            self.clone()
        }
    }

    impl Keys for ResizeRecorder {
        fn send(&self, _: Bytes) -> BoxFuture<'_, Result<(), NotSent>> {
            Box::pin(async { Ok(()) })
        }

        fn resize(&self, _: u16, _: u16) {
            let shared = self.shared.get().and_then(Weak::upgrade).unwrap();
            let size = shared.model.try_lock().unwrap().size();
            lock(&self.seen).push(size);
        }

        fn drop_link(&self) {}

        fn status(&self) -> PtyStatus {
            let service = "none".to_owned();
            PtyStatus {
                service,
                link: LinkState::Up { round_trip: None },
                last_heard: std::time::Instant::now(),
            }
        }
    }

    #[test]
    fn the_model_is_resized_before_the_program() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let recorder = ResizeRecorder::default();
        let (host, _events) = TerminalHost::start(runtime.handle(), recorder.clone(), "session", 80, 24);
        recorder.shared.set(Arc::downgrade(&host.shared)).unwrap();
        host.shared.resize(100, 29);
        host.shared.resize(40, 12);
        assert_eq!(*lock(&recorder.seen), [(100, 29), (40, 12)]);
    }
}
