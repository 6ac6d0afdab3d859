//! The session's side of a terminal. It keeps the link and the screen whether a view is open or not, and reports events to
//! the prompt while no view is open.

mod event;
mod state;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::source::Source;
use crate::terminal::model::Model;
use bai_client::pty::{NotSent, PtyEvent, PtyStatus};
pub use event::{Ended, HostEvent};
use state::TypedBytes;
pub(super) use state::{HostState, lock};

/// Maximum events that wait for the prompt; newer ones are dropped.
const MAX_EVENTS: usize = 32;

/// Ctrl-U, which discards a line in shells and in the line editing of the system.
const KILL_LINE: char = '\x15';

/// A connected terminal in a session. It keeps the screen until it is dropped. Views open on it.
#[derive(Debug)]
pub struct TerminalHost {
    pub(super) shared: Arc<HostState>,
    ended: watch::Receiver<bool>,
    tasks: [tokio::task::AbortHandle; 2],
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

    /// Types a command for the shell, in place of what is typed there and was not entered.
    ///
    /// # Errors
    /// Why it was not typed, as a clause: a full-screen program would take it for keys.
    pub fn enter(&self, command: &str) -> Result<(), String> {
        if self.shared.modes().alternate_screen {
            return Err("a full-screen program runs in the terminal".to_owned());
        }
        let line = format!("{KILL_LINE}{}\r", command.replace('\n', "\r"));
        self.shared.send(line.into()).map_err(|error| error.to_string())
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
    use crate::panes::source::Keys;
    use bai_client::pty::LinkState;
    use bytes::Bytes;
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
