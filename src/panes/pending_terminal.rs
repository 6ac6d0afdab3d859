//! A terminal that is still opening: a view can be open on it at once, and typed bytes wait.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::host::lock;
use super::source::{Keys, Source};
use bai_client::pty::{LinkState, NotSent, Pty, PtyEvent, PtyHandle, PtyStatus};

/// Opens a terminal. The error is a message for the user.
pub type Opener = BoxFuture<'static, Result<Pty, String>>;

/// A terminal that is opening or open. If it cannot be opened, the only event is [`PtyEvent::LinkDown`] with the reason, and
/// [`Keys::is_open`] never becomes true.
pub struct PendingTerminal {
    stage: Stage,
    shared: Arc<PendingSize>,
    opened: watch::Sender<Option<PtyHandle>>,
}

enum Stage {
    Opening(Opener),
    Open(Pty),
    Failed,
}

#[derive(Default)]
struct PendingSize {
    /// The last size: rows and columns.
    size: Mutex<Option<(u16, u16)>>,
}

impl PendingTerminal {
    /// Creates the terminal. The first call of [`Source::next`] starts opening it.
    pub fn new(opener: Opener) -> Self {
        let (opened, _) = watch::channel(None);
        Self { stage: Stage::Opening(opener), shared: Arc::default(), opened }
    }
}

impl Source for PendingTerminal {
    type Keys = PendingTerminalKeys;

    async fn next(&mut self) -> Option<PtyEvent> {
        if let Stage::Opening(opener) = &mut self.stage {
            match opener.await {
                Ok(pty) => {
                    let handle = pty.handle();
                    self.stage = Stage::Open(pty);
                    let size = lock(&self.shared.size);
                    if let Some((rows, columns)) = *size {
                        handle.resize(rows, columns);
                    }
                    self.opened.send_replace(Some(handle));
                }
                Err(why) => {
                    self.stage = Stage::Failed;
                    return Some(PtyEvent::LinkDown(why));
                }
            }
        }
        match &mut self.stage {
            Stage::Open(pty) => pty.next().await,
            Stage::Opening(_) | Stage::Failed => None,
        }
    }

    fn keys(&self) -> PendingTerminalKeys {
        PendingTerminalKeys { shared: Arc::clone(&self.shared), opened: self.opened.subscribe() }
    }
}

/// The input side of a terminal that may still be opening.
pub struct PendingTerminalKeys {
    shared: Arc<PendingSize>,
    opened: watch::Receiver<Option<PtyHandle>>,
}

impl PendingTerminalKeys {
    fn handle(&self) -> Option<PtyHandle> {
        self.opened.borrow().clone()
    }
}

impl Keys for PendingTerminalKeys {
    fn send(&self, bytes: Bytes) -> BoxFuture<'_, Result<(), NotSent>> {
        Box::pin(async move {
            let mut opened = self.opened.clone();
            let handle = opened.wait_for(Option::is_some).await.map_err(|_| NotSent::Closed)?.clone();
            match handle {
                Some(handle) => handle.send(bytes).await,
                None => Err(NotSent::Closed),
            }
        })
    }

    fn resize(&self, rows: u16, columns: u16) {
        let mut size = lock(&self.shared.size);
        *size = Some((rows, columns));
        if let Some(handle) = self.handle() {
            handle.resize(rows, columns);
        }
    }

    fn drop_link(&self) {
        if let Some(handle) = self.handle() {
            handle.drop_link();
        }
    }

    fn status(&self) -> PtyStatus {
        self.handle().map_or_else(
            || PtyStatus {
                service: String::new(),
                link: LinkState::Up { round_trip: None },
                last_heard: Instant::now(),
            },
            |handle| handle.status(),
        )
    }

    fn is_open(&self) -> bool {
        self.opened.borrow().is_some()
    }
}
