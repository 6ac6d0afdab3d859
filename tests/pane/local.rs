//! A local program in place of a terminal in a session. The pane in these tests is connected to it.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bai_client::pty::{LinkState, NotSent, PtyEvent, PtyStatus};
use bai_repl::panes::{Keys, Source};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::sync::mpsc;

/// Makes the next call of `drop_link` panic.
pub static BREAK: AtomicBool = AtomicBool::new(false);

pub struct Local {
    events: mpsc::Receiver<PtyEvent>,
    keys: LocalKeys,
}

#[derive(Clone)]
pub struct LocalKeys {
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    master: Arc<Mutex<Box<dyn MasterPty + Send>>>,
    events: mpsc::Sender<PtyEvent>,
    down: Arc<AtomicBool>,
}

fn pty_size(columns: u16, rows: u16) -> PtySize {
    PtySize { cols: columns, rows, pixel_width: 0, pixel_height: 0 }
}

impl Local {
    /// Starts `program` in a terminal of this size.
    pub fn start(program: &[&str], columns: u16, rows: u16) -> Self {
        let pair = native_pty_system().openpty(pty_size(columns, rows)).unwrap();
        let mut command = CommandBuilder::new(program[0]);
        command.args(&program[1..]);
        command.env("TERM", "xterm-256color");
        command.env("PS1", "$ ");
        command.env("LANG", "C.UTF-8");
        let mut child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let (sender, events) = mpsc::channel(16);
        let output = sender.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if output.blocking_send(PtyEvent::Output(Bytes::copy_from_slice(&buffer[..read]))).is_err() {
                    return;
                }
            }
            let code = child.wait().ok().map(|status| i32::try_from(status.exit_code()).unwrap_or(-1));
            let _ = output.blocking_send(PtyEvent::Exited { code });
        });
        let keys = LocalKeys {
            writer: Arc::new(Mutex::new(writer)),
            master: Arc::new(Mutex::new(pair.master)),
            events: sender,
            down: Arc::default(),
        };
        Self { events, keys }
    }
}

impl LocalKeys {
    /// Adds output that no program has written.
    pub fn output(&self, bytes: Vec<u8>) {
        let events = self.events.clone();
        std::thread::spawn(move || events.blocking_send(PtyEvent::Output(bytes.into())));
    }
}

impl Source for Local {
    type Keys = LocalKeys;

    async fn next(&mut self) -> Option<PtyEvent> {
        self.events.recv().await
    }

    fn keys(&self) -> LocalKeys {
        self.keys.clone()
    }
}

impl Keys for LocalKeys {
    fn send(&self, bytes: Bytes) -> BoxFuture<'_, Result<(), NotSent>> {
        Box::pin(async move {
            if self.down.load(Ordering::SeqCst) {
                return Err(NotSent::LinkDown);
            }
            let writer = Arc::clone(&self.writer);
            let written = tokio::task::spawn_blocking(move || writer.lock().unwrap().write_all(&bytes)).await;
            written.unwrap().map_err(|_| NotSent::Closed)
        })
    }

    fn resize(&self, rows: u16, columns: u16) {
        let _ = self.master.lock().unwrap().resize(pty_size(columns, rows));
    }

    /// The first call takes the link down and the second restores it. With [`BREAK`] it panics.
    fn drop_link(&self) {
        assert!(!BREAK.load(Ordering::SeqCst), "broken for a test");
        let down = !self.down.fetch_xor(true, Ordering::SeqCst);
        let event = if down { PtyEvent::LinkDown("cut for a test".to_owned()) } else { PtyEvent::LinkUp };
        let _ = self.events.try_send(event);
    }

    fn status(&self) -> PtyStatus {
        let link = if self.down.load(Ordering::SeqCst) {
            LinkState::Down { since: Instant::now(), why: "cut for a test".to_owned() }
        } else {
            LinkState::Up { round_trip: None }
        };
        PtyStatus { service: "local".to_owned(), link, last_heard: Instant::now() }
    }
}
