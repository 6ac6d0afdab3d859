//! The session's side of a terminal: keeps the link and the screen whether somebody looks or not, and tells the prompt
//! what happened meanwhile.

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

/// The screen model is fed in slices of this many bytes, so that whoever wants to paint waits for one at most.
const SLICE: usize = 4096;
/// A slice that takes longer is followed by shorter ones.
const SLICE_TIME: Duration = Duration::from_millis(2);
/// So many typed bytes wait for a program that does not read; more are refused, so that the keyboard is always read and
/// the key that leaves always works.
const TYPED: usize = 16 * 1024 * 1024;
/// The most bytes that are kept as they came before the first view opens.
const EARLY: usize = 64 * 1024;
/// The most events that wait for the prompt; when it does not read them, the latest are lost.
const NEWS: usize = 32;

/// What happened in a terminal that nobody looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// The bell rang.
    Bell,
    /// The title changed: one line of printable text.
    Title(String),
    /// The link is gone, and why; it is tried again.
    LinkDown(String),
    /// The link is back.
    LinkUp,
    /// The terminal is over.
    Ended(Ended),
}

/// How a terminal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The shell ended, with its exit code where that is known.
    Exited(Option<i32>),
    /// The link is gone and will not come back; why, as far as that is known.
    Lost(String),
    /// It could never be opened; why, and what to do.
    NotOpened(String),
}

/// A terminal in a session, connected and with its screen kept until this is dropped. Views are opened on it.
#[derive(Debug)]
pub struct TerminalHost {
    pub(super) shared: Arc<HostState>,
    ended: watch::Receiver<bool>,
    tasks: [tokio::task::AbortHandle; 2],
}

/// What the tasks and the views share.
pub(super) struct HostState {
    session: String,
    /// Fair: who waits gets it after the slice that is being fed.
    pub(super) model: tokio::sync::Mutex<Model>,
    /// A copy of the model's, so that a key never waits for the model.
    modes: Mutex<Modes>,
    keys: Box<dyn Keys>,
    typed: mpsc::UnboundedSender<TypedBytes>,
    waiting: AtomicUsize,
    /// Counts losses of the link: what was typed before the last one is not sent.
    losses: AtomicU64,
    /// Typed bytes were lost and nobody was told yet.
    refused: Mutex<Option<NotSent>>,
    viewer: Mutex<Option<Arc<Viewer>>>,
    /// All output so far, while nobody has looked yet, it is little, and it asked nothing.
    early: Mutex<Option<Vec<u8>>>,
    /// What happens outside of the terminal, for the status line.
    remark: Mutex<Option<String>>,
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

/// A view that is open.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) wake: WakePipe,
    /// The bell rang since the last look.
    pub(super) bell: AtomicBool,
    /// The window may look wrong and must be painted anew (it was resized, or the program was suspended).
    pub(super) redraw: AtomicBool,
    /// The program was suspended and goes on.
    pub(super) continued: AtomicBool,
    /// A signal says that we are to end.
    pub(super) hung_up: AtomicBool,
    /// What the program wants in the clipboard.
    pub(super) clipboard: Mutex<Option<String>>,
    /// The program's output as it comes, for a view that passes it through; it also has the real terminal answer.
    tap: Option<mpsc::Sender<Bytes>>,
    /// The real terminal answers the program's questions, so the model does not.
    terminal_answers: bool,
    /// The view has closed: the tap is not waited for any more.
    gone: Notify,
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
            gone: Notify::new(),
        }))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TerminalHost {
    /// Takes a connected terminal over and keeps its screen. `session` is its name as the status line shows it; the
    /// size is that of the window for which the terminal was opened. The receiver gets what happens while no view is
    /// open.
    pub fn start<S: Source>(
        runtime: &Handle,
        source: S,
        session: &str,
        columns: u16,
        rows: u16,
    ) -> (Self, mpsc::Receiver<HostEvent>) {
        let (typed, typed_receiver) = mpsc::unbounded_channel();
        let (news, news_receiver) = mpsc::channel(NEWS);
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
            remark: Mutex::default(),
            ended: OnceLock::new(),
        });
        let tasks = [
            runtime.spawn(attend(source, Arc::clone(&shared), news, ended_sender)).abort_handle(),
            runtime.spawn(type_in(typed_receiver, Arc::clone(&shared))).abort_handle(),
        ];
        (Self { shared, ended, tasks }, news_receiver)
    }

    /// Tells the default colours (red, green, blue) of the user's terminal, for programs that ask.
    pub async fn set_default_colors(&self, foreground: (u8, u8, u8), background: (u8, u8, u8)) {
        self.shared.model.lock().await.set_default_colors(foreground, background);
    }

    /// How the terminal ended, when it has.
    pub fn ended(&self) -> Option<&Ended> {
        self.shared.ended.get()
    }

    /// Waits for the end. Cancel-safe.
    pub async fn wait_ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
        self.ended().cloned().unwrap_or_else(|| Ended::Lost("the terminal was closed".to_owned()))
    }

    /// How the link is.
    pub fn status(&self) -> PtyStatus {
        self.shared.keys.status()
    }

    /// Has the status line say what happens outside of the terminal, until it is told otherwise.
    pub fn remark(&self, text: Option<String>) {
        *lock(&self.shared.remark) = text;
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

    pub(super) fn remark(&self) -> Option<String> {
        lock(&self.remark).clone()
    }

    pub(super) fn drop_link(&self) {
        self.keys.drop_link();
    }

    /// Typed bytes that were lost since the last call, and why.
    pub(super) fn take_refused(&self) -> Option<NotSent> {
        lock(&self.refused).take()
    }

    /// Queues typed bytes. Never waits.
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
        if self.waiting.fetch_add(length, Ordering::AcqRel) + length > TYPED {
            self.waiting.fetch_sub(length, Ordering::AcqRel);
            return Err(NotSent::Full);
        }
        let losses = self.losses.load(Ordering::Acquire);
        self.typed.send(TypedBytes { losses, bytes }).map_err(|_| NotSent::Closed)
    }

    /// Tells the window's size to both sides; from a thread that is not the runtime's. The program hears of it when the
    /// model has it: what it draws for the new size must not come to a model of the old one.
    pub(super) fn resize(&self, columns: u16, rows: u16) {
        self.model.blocking_lock().resize(columns, rows);
        self.keys.resize(rows, columns);
    }

    /// Gives what has come so far, byte for byte, if this is the first view and it is worth passing on as it is.
    pub(super) fn attach(&self, viewer: &Arc<Viewer>) -> Option<Vec<u8>> {
        *lock(&self.viewer) = Some(Arc::clone(viewer));
        // What has happened before is news to it.
        viewer.wake.ring();
        lock(&self.early).take()
    }

    /// Keeps what comes before the first view. An answer that was given must not be given again by a real terminal.
    fn keep_early(&self, bytes: &[u8], answered: bool) {
        let mut early = lock(&self.early);
        if let Some(kept) = &mut *early {
            if answered || kept.len() + bytes.len() > EARLY {
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
        viewer.gone.notify_one();
    }

    fn viewer(&self) -> Option<Arc<Viewer>> {
        lock(&self.viewer).clone()
    }

    fn wake(&self) {
        if let Some(viewer) = self.viewer() {
            viewer.wake.ring();
        }
    }

    async fn take_output(&self, bytes: &Bytes, news: &mpsc::Sender<HostEvent>) {
        let mut rest = bytes.clone();
        let mut length = SLICE;
        while !rest.is_empty() {
            let slice = rest.split_to(length.min(rest.len()));
            let began = Instant::now();
            // Who attaches does it under the model's lock: what is fed after is tapped, what was fed before is painted.
            let (viewer, answers, events) = {
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
            // Some bytes cost a thousand times what others do: clearing the screen, for one.
            length =
                if began.elapsed() > SLICE_TIME { (length / 4).max(64) } else { (length * 2).min(SLICE) };
            if let Some(viewer) = &viewer
                && let Some(tap) = &viewer.tap
            {
                tokio::select! {
                    biased;
                    _ = tap.send(slice) => {}
                    () = viewer.gone.notified() => {}
                }
            }
            let terminal_answers = viewer.as_ref().is_some_and(|viewer| viewer.terminal_answers);
            if !answers.is_empty() && !terminal_answers {
                // A program that asks and does not read gets no answer.
                let _ = self.queue(answers.into());
            }
            self.tell(events, viewer.as_deref(), news).await;
            if let Some(viewer) = viewer {
                viewer.wake.ring();
            }
        }
    }

    async fn tell(&self, events: Vec<ModelEvent>, viewer: Option<&Viewer>, news: &mpsc::Sender<HostEvent>) {
        for event in events {
            match (event, viewer) {
                (ModelEvent::Bell, Some(viewer)) => viewer.bell.store(true, Ordering::Release),
                (ModelEvent::Bell, None) => drop(news.try_send(HostEvent::Bell)),
                (ModelEvent::Clipboard(text), Some(viewer)) => *lock(&viewer.clipboard) = Some(text),
                (ModelEvent::Title, None) => {
                    let title = self.model.lock().await.title();
                    let _ = news.try_send(HostEvent::Title(title));
                }
                // A program that nobody looks at gets no clipboard, and the status line shows the title.
                (ModelEvent::Clipboard(_), None) | (ModelEvent::Title, Some(_)) => {}
            }
        }
    }
}

/// Feeds the model until the terminal ends.
async fn attend<S: Source>(
    mut source: S,
    shared: Arc<HostState>,
    news: mpsc::Sender<HostEvent>,
    ended: watch::Sender<bool>,
) {
    let mut end = Ended::Lost("the connection was closed".to_owned());
    while let Some(event) = source.next().await {
        let piece = match event {
            PtyEvent::Output(bytes) => {
                shared.take_output(&bytes, &news).await;
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
        };
        match shared.viewer() {
            Some(viewer) => viewer.wake.ring(),
            None if shared.is_open() => drop(news.try_send(piece)),
            // It is the end of it, and told as such.
            None => {}
        }
    }
    let _ = shared.ended.set(end.clone());
    let _ = ended.send(true);
    if shared.viewer().is_none() {
        let _ = news.try_send(HostEvent::Ended(end));
    }
    shared.wake();
}

/// Sends what was typed, in order, as fast as the other side reads.
async fn type_in(mut typed: mpsc::UnboundedReceiver<TypedBytes>, shared: Arc<HostState>) {
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

    /// A terminal in which nothing happens, and which notes the model's size whenever it is told its own.
    #[derive(Clone, Default)]
    struct Onlooker {
        shared: Arc<OnceLock<Weak<HostState>>>,
        seen: Arc<Mutex<Vec<(u16, u16)>>>,
    }

    impl Source for Onlooker {
        type Keys = Self;

        async fn next(&mut self) -> Option<PtyEvent> {
            std::future::pending().await
        }

        fn keys(&self) -> Self {
            self.clone()
        }
    }

    impl Keys for Onlooker {
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
    fn the_program_hears_of_a_size_that_the_model_has() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let onlooker = Onlooker::default();
        let (host, _news) = TerminalHost::start(runtime.handle(), onlooker.clone(), "session", 80, 24);
        onlooker.shared.set(Arc::downgrade(&host.shared)).unwrap();
        host.shared.resize(100, 29);
        host.shared.resize(40, 12);
        assert_eq!(*lock(&onlooker.seen), [(100, 29), (40, 12)]);
    }
}
