//! The owner of one terminal: what is typed goes in, what is printed goes to everybody who looks, at the pace of the
//! slowest who keeps up.

use super::scrollback::Scrollback;
use bai_protocol::pty::PtyReply;
use bai_runner::{Terminal, TerminalSpec};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::select_all;
use std::io;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// Pieces of output that wait for one viewer. Few and small: a key's echo comes behind them.
const WAITING: usize = 1;
/// Bytes of output in one piece.
const PIECE: usize = 16 << 10;
/// Pieces of typing that wait for the terminal.
const TYPED: usize = 1;
/// How long one viewer may keep the others waiting, and how long the last words may take.
const STALLED: Duration = Duration::from_secs(10);
/// What a new shell on an old screen begins with: a screen as after being switched on.
const RESET: &[u8] = b"\x1bc";

/// What a terminal can be asked.
#[derive(Debug)]
pub(super) enum Command {
    /// Show everything from now on, and what was last printed.
    Attach { size: Option<(u16, u16)>, reply: oneshot::Sender<Attached> },
    /// Rows and columns.
    Resize(u16, u16),
    /// A new shell.
    Restart,
}

/// What somebody who looks at a terminal holds.
#[derive(Debug)]
pub(super) struct Attached {
    /// What was last printed.
    pub(super) replay: Bytes,
    /// What is printed from then on.
    pub(super) output: mpsc::Receiver<PtyReply>,
    /// Where typed bytes go.
    pub(super) input: mpsc::Sender<Bytes>,
    /// Everything else.
    pub(super) commands: mpsc::Sender<Command>,
}

struct Viewer {
    output: mpsc::Sender<PtyReply>,
    /// Whether the piece that is being given away is still to be given to this one.
    owed: bool,
}

pub(super) struct Broadcaster {
    spec: TerminalSpec,
    terminal: Terminal,
    commands: mpsc::Receiver<Command>,
    input: mpsc::Receiver<Bytes>,
    /// For those who come later.
    commands_in: mpsc::WeakSender<Command>,
    input_in: mpsc::Sender<Bytes>,
    viewers: Vec<Viewer>,
    scrollback: Scrollback,
    typed: Bytes,
    printed: Option<(Bytes, Instant)>,
}

enum Next {
    Command(Command),
    Typed(Bytes),
    Written(io::Result<usize>),
    Printed(Bytes),
    Delivered,
    Stalled,
    Ended(i32),
}

impl Broadcaster {
    /// Starts the shell, with a first viewer.
    pub(super) fn start(spec: TerminalSpec) -> io::Result<(Broadcaster, mpsc::Sender<Command>, Attached)> {
        let terminal = Terminal::start(&spec)?;
        let (commands, command_receiver) = mpsc::channel(16);
        let (input, input_receiver) = mpsc::channel(TYPED);
        let (viewer, output) = mpsc::channel(WAITING);
        let broadcaster = Broadcaster {
            spec,
            terminal,
            commands: command_receiver,
            input: input_receiver,
            commands_in: commands.downgrade(),
            input_in: input.clone(),
            viewers: vec![Viewer { output: viewer, owed: false }],
            scrollback: Scrollback::default(),
            typed: Bytes::new(),
            printed: None,
        };
        let attached = Attached { replay: Bytes::new(), output, input, commands: commands.clone() };
        Ok((broadcaster, commands, attached))
    }

    /// Until the shell ends.
    pub(super) async fn run(mut self) {
        loop {
            match self.next().await {
                Next::Command(command) => self.obey(command),
                Next::Typed(bytes) => self.typed = bytes,
                Next::Written(Ok(count)) => self.typed.advance(count.min(self.typed.len())),
                // Nobody will ever read it; the end of the shell follows.
                Next::Written(Err(_)) => self.typed.clear(),
                Next::Printed(bytes) => self.owe(bytes),
                Next::Delivered => self.printed = None,
                Next::Stalled => self.drop_stalled(),
                Next::Ended(code) => return self.end(code).await,
            }
        }
    }

    async fn next(&mut self) -> Next {
        let Broadcaster { terminal, commands, input, viewers, typed, printed, .. } = self;
        let others = viewers.iter().any(|viewer| !viewer.owed);
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

    fn obey(&mut self, command: Command) {
        match command {
            Command::Attach { size, reply } => self.attach(size, reply),
            Command::Resize(rows, columns) => self.resize(rows, columns),
            Command::Restart => self.restart(),
        }
    }

    fn attach(&mut self, size: Option<(u16, u16)>, reply: oneshot::Sender<Attached>) {
        let Some(commands) = self.commands_in.upgrade() else { return };
        let input = self.input_in.clone();
        let (viewer, output) = mpsc::channel(WAITING);
        let replay = self.scrollback.replay();
        if reply.send(Attached { replay, output, input, commands }).is_err() {
            return;
        }
        self.viewers.push(Viewer { output: viewer, owed: false });
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
                self.owe(Bytes::from_static(RESET));
            }
            Err(error) => self.owe(format!("\r\n[the shell could not be started again: {error}]\r\n").into()),
        }
    }

    /// Gives a piece to everybody from now on. One that was being given away is cut short, which only a restart does.
    fn owe(&mut self, bytes: Bytes) {
        self.scrollback.push(&bytes);
        self.viewers.iter_mut().for_each(|viewer| viewer.owed = true);
        self.printed = Some((bytes, Instant::now()));
    }

    /// Who keeps others waiting is let go. It may come back, and gets what was last printed.
    fn drop_stalled(&mut self) {
        self.viewers.retain(|viewer| !viewer.owed);
        tracing::info!("a viewer of the terminal did not keep up and was let go");
    }

    async fn end(self, code: i32) {
        // What the shell wrote last is still there to be read.
        let mut last = BytesMut::new();
        while last.len() < PIECE && self.terminal.read_now(&mut last) > 0 {}
        let mut said = vec![PtyReply::Exit(Some(code))];
        if !last.is_empty() {
            said.insert(0, PtyReply::Output(last.freeze()));
        }
        drop(self.terminal);
        let told = async {
            for viewer in &self.viewers {
                for reply in &said {
                    // Nobody to tell is no trouble.
                    let _ = viewer.output.send(reply.clone()).await;
                }
            }
        };
        let _ = timeout(STALLED, told).await;
    }
}

/// The next piece of output. Never completes once there is no more: the end of the shell is told elsewhere.
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

/// Gives the piece to every viewer that has not got it yet. Cancel-safe: who has got it is noted.
async fn deliver(viewers: &mut Vec<Viewer>, printed: Option<&(Bytes, Instant)>) {
    let Some((bytes, _)) = printed else { return };
    loop {
        viewers.retain_mut(|viewer| {
            if viewer.owed {
                match viewer.output.try_send(PtyReply::Output(bytes.clone())) {
                    Ok(()) => viewer.owed = false,
                    Err(mpsc::error::TrySendError::Full(_)) => {}
                    Err(mpsc::error::TrySendError::Closed(_)) => return false,
                }
            }
            true
        });
        let room: Vec<_> = viewers
            .iter()
            .filter(|viewer| viewer.owed)
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
