//! The terminal inside the prompt's session. It is connected on the first visit, and stays connected as long as the prompt has
//! this session.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::session::SessionError;
use crate::panes::terminal::{LeaveReason, PaneExit, PaneOptions, open, rows_for_program};
use crate::panes::{Clipboard, Ended, HostEvent, PendingTerminal, PrefixKey, TerminalHost};
use crate::terminal::Screen;
use bai_client::{ComputeSession, Pty, PtyOptions, PtySource};

/// Maximum number of notices that wait for the prompt; later ones are dropped.
const MAX_NOTICES: usize = 8;

/// The pane of the prompt.
pub struct TerminalPane {
    runtime: Handle,
    screen: Screen,
    prefix: PrefixKey,
    clipboard: Arc<Clipboard>,
    state: Mutex<PaneState>,
    notices: mpsc::Sender<String>,
    /// The bell was reported since the last visit; it is reported only once.
    rang: Arc<AtomicBool>,
}

#[derive(Default)]
struct PaneState {
    session: Option<ComputeSession>,
    host: Option<Arc<TerminalHost>>,
}

impl TerminalPane {
    /// A pane without a session yet. The receiver gets notices about it while it is in the background.
    pub fn new(
        runtime: Handle,
        screen: Screen,
        prefix: PrefixKey,
        clipboard: Clipboard,
    ) -> (Self, mpsc::Receiver<String>) {
        let (notices, receiver) = mpsc::channel(MAX_NOTICES);
        let (clipboard, state, rang) = (Arc::new(clipboard), Mutex::default(), Arc::default());
        let pane = Self { runtime, screen, prefix, clipboard, state, notices, rang };
        (pane, receiver)
    }

    /// Sets the session. The terminal of an earlier session is closed.
    pub fn enter(&self, session: ComputeSession) {
        *self.state() = PaneState { session: Some(session), host: None };
    }

    fn state(&self) -> MutexGuard<'_, PaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The terminal; a new one if there is none or it has ended.
    fn host(&self) -> Result<Arc<TerminalHost>, SessionError> {
        if self.screen.dumb || !self.screen.interactive() {
            return Err(SessionError::new(
                "the terminal inside the session needs a local terminal that can show full screens",
                Some("bai-repl pty --raw passes its bytes straight through".into()),
            ));
        }
        let mut state = self.state();
        let Some(session) = state.session.clone() else {
            return Err(SessionError::new(
                "there is no terminal: the session is not open",
                Some("try again when it is".into()),
            ));
        };
        if let Some(host) = state.host.as_ref().filter(|host| host.ended().is_none()) {
            return Ok(Arc::clone(host));
        }
        let size = crate::terminal::size();
        let (columns, rows) = (size.cols, rows_for_program(size.rows));
        let name = session.name().to_owned();
        let opening = PendingTerminal::new(
            async move {
                let options = PtyOptions { source: PtySource::Auto, rows, columns };
                let opened = Pty::open(&session, options).await;
                opened.map_err(|error| SessionError::from(error).in_lines())
            }
            .boxed(),
        );
        let (host, events) = TerminalHost::start(&self.runtime, opening, &name, columns, rows);
        self.runtime.spawn(report(events, self.notices.clone(), Arc::clone(&self.rang), self.prefix));
        let host = Arc::new(host);
        state.host = Some(Arc::clone(&host));
        Ok(host)
    }

    /// The control character that opens it.
    pub(super) fn key(&self) -> u8 {
        self.prefix.byte()
    }

    /// The name of that key.
    pub(super) fn key_name(&self) -> String {
        self.prefix.to_string()
    }

    /// Shows the terminal until the user leaves it; `command` is typed there first, unless it is empty. The future must not be cancelled, and no other code may use the keyboard or the
    /// local terminal in the meantime. The local terminal is restored afterwards.
    pub(super) async fn visit(&self, command: &str) -> Result<PaneVisit, SessionError> {
        let host = self.host()?;
        if !command.is_empty() {
            host.enter(command)
                .map_err(|why| SessionError::new(format!("the command was not run: {why}"), None))?;
        }
        self.rang.store(false, Ordering::Relaxed);
        host.set_message(None);
        let (prefix, colors) = (self.prefix, self.screen.colors);
        let options =
            PaneOptions { prefix, colors, clipboard: Arc::clone(&self.clipboard), editor_waits: true };
        let PaneExit { why, typed } = open(&host, options).await.map_err(|error| {
            SessionError::new(format!("cannot show the terminal inside the session: {error}"), None)
        })?;
        let detaches = why == LeaveReason::Detached;
        let remark = match why {
            LeaveReason::Ended(Ended::NotOpened(why)) => return Err(not_opened(&why)),
            LeaveReason::Ended(ended) => Some(sentence(&ended, prefix)),
            LeaveReason::Left | LeaveReason::Detached | LeaveReason::HungUp => None,
        };
        Ok(PaneVisit { typed: String::from_utf8_lossy(&typed).into_owned(), remark, detaches })
    }

    /// Shows a remark in it while it is shown.
    pub(super) fn remark(&self, text: &str) {
        if let Some(host) = &self.state().host {
            host.set_message(Some(text.to_owned()));
        }
    }
}

/// The result of a visit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PaneVisit {
    /// Text that was typed after the key that leaves, for the prompt. Usually empty.
    pub(super) typed: String,
    /// A remark for the user.
    pub(super) remark: Option<String>,
    /// Whether the user leaves the prompt as well.
    pub(super) detaches: bool,
}

/// A function that visits the pane from the thread that owns the keyboard.
pub(super) type VisitPane = Arc<dyn Fn() -> Result<PaneVisit, SessionError> + Send + Sync>;

/// Turns the events of a terminal in the background into sentences.
async fn report(
    mut events: mpsc::Receiver<HostEvent>,
    sentences: mpsc::Sender<String>,
    rang: Arc<AtomicBool>,
    prefix: PrefixKey,
) {
    while let Some(event) = events.recv().await {
        let text = match event {
            HostEvent::Bell if !rang.swap(true, Ordering::Relaxed) => {
                format!("the terminal in the session rang its bell; {prefix} goes there")
            }
            HostEvent::Ended(ended) => sentence(&ended, prefix),
            // The status line of the pane shows the others.
            HostEvent::Bell | HostEvent::Title(_) | HostEvent::LinkDown(_) | HostEvent::LinkUp => continue,
        };
        // If no prompt listens, the sentence is dropped.
        let _ = sentences.try_send(text);
    }
}

fn sentence(ended: &Ended, prefix: PrefixKey) -> String {
    match ended {
        Ended::Exited(Some(code)) => {
            format!("the shell in the terminal has ended with exit code {code}; {prefix} opens a new one")
        }
        Ended::Exited(None) => format!("the shell in the terminal has ended; {prefix} opens a new one"),
        Ended::Lost(why) => format!("the terminal is lost: {why}; {prefix} opens a new one"),
        Ended::NotOpened(why) => not_opened(why).in_lines(),
    }
}

fn not_opened(why: &str) -> SessionError {
    let (sentence, hint) = why.split_once('\n').map_or((why, None), |(why, hint)| (why, Some(hint)));
    SessionError::new(format!("cannot open the terminal: {sentence}"), hint.map(str::to_owned))
}
