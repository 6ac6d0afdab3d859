//! The owner of one terminal. Typed bytes go to the shell; output goes to all viewers, at the pace of the slowest
//! viewer that keeps up.

use super::scrollback::Scrollback;
use bai_protocol::pty::PtyReply;
use bai_runner::{Terminal, TerminalSpec};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::select_all;
use std::io;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// How many pieces of output wait for one viewer. Few and small, because the echo of a key waits behind them.
const WAITING: usize = 1;
/// Bytes of output in one piece.
const PIECE: usize = 16 << 10;
/// How many pieces of input wait for the terminal.
const TYPED: usize = 1;
/// How long one viewer may delay the others, and how long sending the last output may take.
const STALLED: Duration = Duration::from_secs(10);
/// Resets the screen before a new shell prints to it.
const RESET: &[u8] = b"\x1bc";

/// A command for a terminal.
#[derive(Debug)]
pub(crate) enum TerminalCommand {
    /// Add a viewer. It gets the last output and everything from now on.
    Attach { size: Option<(u16, u16)>, reply: oneshot::Sender<Subscription> },
    /// Rows and columns.
    Resize(u16, u16),
    /// Start a new shell.
    Restart,
}

/// A viewer's end of the channels.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The last output before this viewer came.
    pub(crate) replay: Bytes,
    /// The output from then on.
    pub(crate) output: mpsc::Receiver<PtyReply>,
    /// Takes typed bytes.
    pub(crate) input: mpsc::Sender<Bytes>,
    /// Takes other commands.
    pub(crate) commands: mpsc::Sender<TerminalCommand>,
}

struct Viewer {
    output: mpsc::Sender<PtyReply>,
    /// Whether this viewer has not yet got the current piece.
    pending: bool,
}

pub(super) struct Broadcaster {
    spec: TerminalSpec,
    terminal: Terminal,
    commands: mpsc::Receiver<TerminalCommand>,
    input: mpsc::Receiver<Bytes>,
    /// Senders for later viewers.
    command_sender: mpsc::WeakSender<TerminalCommand>,
    input_sender: mpsc::Sender<Bytes>,
    viewers: Vec<Viewer>,
    scrollback: Scrollback,
    typed: Bytes,
    printed: Option<(Bytes, Instant)>,
}

enum Next {
    Command(TerminalCommand),
    Typed(Bytes),
    Written(io::Result<usize>),
    Printed(Bytes),
    Delivered,
    Stalled,
    Ended(i32),
}

impl Broadcaster {
    /// Starts the shell, with a first viewer.
    pub(super) fn start(
        spec: TerminalSpec,
    ) -> io::Result<(Broadcaster, mpsc::Sender<TerminalCommand>, Subscription)> {
        let terminal = Terminal::start(&spec)?;
        let (commands, command_receiver) = mpsc::channel(16);
        let (input, input_receiver) = mpsc::channel(TYPED);
        let (viewer, output) = mpsc::channel(WAITING);
        let broadcaster = Broadcaster {
            spec,
            terminal,
            commands: command_receiver,
            input: input_receiver,
            command_sender: commands.downgrade(),
            input_sender: input.clone(),
            viewers: vec![Viewer { output: viewer, pending: false }],
            scrollback: Scrollback::default(),
            typed: Bytes::new(),
            printed: None,
        };
        let subscription = Subscription { replay: Bytes::new(), output, input, commands: commands.clone() };
        Ok((broadcaster, commands, subscription))
    }

    /// Serves the terminal until the shell ends.
    pub(super) async fn run(mut self) {
        loop {
            match self.next().await {
                Next::Command(command) => self.handle(command),
                Next::Typed(bytes) => self.typed = bytes,
                Next::Written(Ok(count)) => self.typed.advance(count.min(self.typed.len())),
                // No process reads it any more; the end of the shell follows.
                Next::Written(Err(_)) => self.typed.clear(),
                Next::Printed(bytes) => self.broadcast(bytes),
                Next::Delivered => self.printed = None,
                Next::Stalled => self.drop_stalled(),
                Next::Ended(code) => return self.end(code).await,
            }
        }
    }

    async fn next(&mut self) -> Next {
        let Broadcaster { terminal, commands, input, viewers, typed, printed, .. } = self;
        let others = viewers.iter().any(|viewer| !viewer.pending);
        tokio::select! {
            biased;
            Some(command) = commands.recv() => Next::Command(command),
            result = terminal.write(typed), if !typed.is_empty() => Next::Written(result),
            Some(bytes) = input.recv(), if typed.is_empty() => Next::Typed(bytes),
            () = deliver(viewers, printed.as_ref()), if printed.is_some() => Next::Delivered,
            () = stalled(printed.as_ref()), if printed.is_some() && others => Next::Stalled,
            bytes = read(terminal), if printed.is_none() => Next::Printed(bytes),
            code = terminal.wait(), if printed.is_none() => Next::Ended(code),
        }
    }

    fn handle(&mut self, command: TerminalCommand) {
        match command {
            TerminalCommand::Attach { size, reply } => self.attach(size, reply),
            TerminalCommand::Resize(rows, columns) => self.resize(rows, columns),
            TerminalCommand::Restart => self.restart(),
        }
    }

    fn attach(&mut self, size: Option<(u16, u16)>, reply: oneshot::Sender<Subscription>) {
        let Some(commands) = self.command_sender.upgrade() else { return };
        let input = self.input_sender.clone();
        let (viewer, output) = mpsc::channel(WAITING);
        let replay = self.scrollback.replay();
        if reply.send(Subscription { replay, output, input, commands }).is_err() {
            return;
        }
        self.viewers.push(Viewer { output: viewer, pending: false });
        if let Some((rows, columns)) = size {
            self.resize(rows, columns);
        }
        self.terminal.repaint();
    }

    fn resize(&mut self, rows: u16, columns: u16) {
        (self.spec.rows, self.spec.columns) = (rows, columns);
        if let Err(error) = self.terminal.resize(rows, columns) {
            tracing::debug!(%error, "the terminal keeps its size");
        }
    }

    fn restart(&mut self) {
        match Terminal::start(&self.spec) {
            Ok(terminal) => {
                self.terminal = terminal;
                self.typed.clear();
                self.scrollback = Scrollback::default();
                self.broadcast(Bytes::from_static(RESET));
            }
            Err(error) => {
                self.broadcast(format!("\r\n[the shell could not be started again: {error}]\r\n").into())
            }
        }
    }

    /// Starts to send a piece to all viewers. Only a restart does this while another piece is being sent; that one is
    /// cut short.
    fn broadcast(&mut self, bytes: Bytes) {
        self.scrollback.push(&bytes);
        self.viewers.iter_mut().for_each(|viewer| viewer.pending = true);
        self.printed = Some((bytes, Instant::now()));
    }

    /// Drops viewers that delay the others. They may connect again, and then get the last output.
    fn drop_stalled(&mut self) {
        self.viewers.retain(|viewer| !viewer.pending);
        tracing::info!("a viewer of the terminal did not keep up and was let go");
    }

    async fn end(self, code: i32) {
        // The shell's last output can still be read.
        let mut last = BytesMut::new();
        while last.len() < PIECE && self.terminal.read_now(&mut last) > 0 {}
        let mut last_replies = vec![PtyReply::Exit(Some(code))];
        if !last.is_empty() {
            last_replies.insert(0, PtyReply::Output(last.freeze()));
        }
        drop(self.terminal);
        let sent = async {
            for viewer in &self.viewers {
                for reply in &last_replies {
                    // The viewer may have left.
                    let _ = viewer.output.send(reply.clone()).await;
                }
            }
        };
        let _ = timeout(STALLED, sent).await;
    }
}

/// The next piece of output. Never completes after the last: the end of the shell is reported elsewhere.
async fn read(terminal: &Terminal) -> Bytes {
    let mut buffer = BytesMut::new();
    match terminal.read(&mut buffer).await {
        Ok(count) if count > 0 => {
            while buffer.len() < PIECE && terminal.read_now(&mut buffer) > 0 {}
            buffer.freeze()
        }
        _ => std::future::pending().await,
    }
}

/// Sends the piece to every viewer that has not got it yet. Cancel-safe: it records which viewers have got it.
async fn deliver(viewers: &mut Vec<Viewer>, printed: Option<&(Bytes, Instant)>) {
    let Some((bytes, _)) = printed else { return };
    loop {
        viewers.retain_mut(|viewer| {
            if viewer.pending {
                match viewer.output.try_send(PtyReply::Output(bytes.clone())) {
                    Ok(()) => viewer.pending = false,
                    Err(mpsc::error::TrySendError::Full(_)) => {}
                    Err(mpsc::error::TrySendError::Closed(_)) => return false,
                }
            }
            true
        });
        let room: Vec<_> = viewers
            .iter()
            .filter(|viewer| viewer.pending)
            .map(|viewer| Box::pin(viewer.output.reserve()))
            .collect();
        if room.is_empty() {
            return;
        }
        drop(select_all(room).await);
    }
}

async fn stalled(printed: Option<&(Bytes, Instant)>) {
    if let Some((_, since)) = printed {
        sleep_until(*since + STALLED).await;
    }
}
