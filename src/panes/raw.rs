//! Passes the terminal in the session straight through, as ssh does: without a status line or redrawing. The screen model is
//! still fed, so that a later view can repaint the screen.
//!
//! Standard input and output need not be terminals: a script can be piped in, and the output can be redirected.

use std::io::{self, IsTerminal, Write as _};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::host::{Ended, HostState, TerminalHost};
use super::input::{WaitFor, available, read_some, wait};
use super::output_buffer::OutputBuffer;
use super::prefix::{Prefix, PrefixCommand, PrefixKey};
use super::terminal::{Attached, LeaveReason, PaneExit, watch_signals};
use super::viewer::Viewer;
use crate::terminal::model::Model;
use crate::terminal::{PassthroughGuard, PassthroughTracker, RawMode, reset_sequences, size};
use bai_client::pty::LinkState;

/// Maximum slices of output that wait for a slow standard output; then the program waits.
const TAP_CAPACITY: usize = 16;
/// No more output is taken from the tap while this many bytes wait.
const MAX_BUFFERED: usize = 64 * 1024;
/// Maximum bytes that are read at once.
const BLOCK: usize = 16 * 1024;
/// The end of a script is sent again after the terminal was quiet for this time: a program inside may have consumed it.
const QUIET: Duration = Duration::from_millis(500);
/// Maximum width of a message.
const MESSAGE_WIDTH: usize = 1_000;
/// Maximum pause before the end is sent again.
const LONGEST_QUIET: Duration = Duration::from_secs(30);
/// The control character for the end of input.
const END_OF_INPUT: &[u8] = b"\x04";

/// Options of the pass-through.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawOptions {
    /// The prefix key; it has no meaning in a script.
    pub prefix: PrefixKey,
}

/// Passes the terminal through until the user leaves or it ends. The exit code of the shell is in [`LeaveReason::Ended`].
///
/// Not cancel-safe: the pass-through would continue.
///
/// # Errors
/// When standard input cannot be read or standard output cannot be written. A closed pipe behind standard output is
/// [`LeaveReason::HungUp`].
pub async fn run(host: &TerminalHost, options: RawOptions) -> io::Result<PaneExit> {
    let (done, result) = oneshot::channel();
    let keyboard = io::stdin().is_terminal();
    let screen = io::stdout().is_terminal();
    let (tap, output) = mpsc::channel(TAP_CAPACITY);
    let viewer = Viewer::new(Some(tap), keyboard && screen)?;
    let watcher = watch_signals(&Handle::current(), &viewer)?;
    let shared = Arc::clone(&host.shared);
    std::thread::Builder::new().name("raw".to_owned()).spawn(move || {
        let attached = Attached { shared: &shared, viewer: &viewer, watcher };
        let raw = Raw {
            shared: &shared,
            viewer: &viewer,
            output,
            keyboard,
            screen,
            prefix: Prefix::new(options.prefix),
            output_buffer: OutputBuffer::default(),
            passed: PassthroughTracker::default(),
            passing: None,
            window: (0, 0),
            script: Script::default(),
            link_down_reported: false,
            exit: None,
        };
        let exit = raw.run();
        drop(attached);
        drop(done.send(exit));
    })?;
    result.await.unwrap_or_else(|_| Err(io::Error::other("the pass-through broke; this is a bug")))
}

/// The state of a script on standard input.
#[derive(Debug, Default)]
struct Script {
    last_byte: Option<u8>,
    ended: bool,
    /// When to send the end again, and the current pause.
    resend: Option<(Instant, Duration)>,
}

struct Raw<'a> {
    shared: &'a HostState,
    viewer: &'a Arc<Viewer>,
    output: mpsc::Receiver<Bytes>,
    /// Whether standard input is a terminal.
    keyboard: bool,
    /// Whether standard output is a terminal.
    screen: bool,
    prefix: Prefix,
    output_buffer: OutputBuffer,
    passed: PassthroughTracker,
    /// Resets the terminal on a signal, if standard output is a terminal.
    passing: Option<PassthroughGuard>,
    window: (u16, u16),
    script: Script,
    link_down_reported: bool,
    exit: Option<PaneExit>,
}

impl Raw<'_> {
    fn run(mut self) -> io::Result<PaneExit> {
        let mode = if self.keyboard { Some(RawMode::enter()?) } else { None };
        self.passing = self.screen.then(PassthroughGuard::enter);
        let result = self.pass();
        self.passing = None;
        if self.screen {
            let mut reset = reset_sequences(&self.passed);
            if mode.is_some() {
                reset.push_str("\r\n");
            }
            let _ = crate::terminal::Out::stdout().write_all(reset.as_bytes());
        }
        drop(mode);
        result
    }

    fn pass(&mut self) -> io::Result<PaneExit> {
        self.attach();
        loop {
            self.take_output();
            if self.output_buffer.is_empty()
                && let Some(exit) = self.exit.take()
            {
                return Ok(exit);
            }
            let ready = wait(WaitFor {
                keys: !self.script.ended && self.exit.is_none(),
                wake: Some(self.viewer.wake.fd()),
                room: !self.output_buffer.is_empty(),
                until: self.until(),
            })?;
            if ready.keys {
                self.read()?;
            }
            if self.prefix.lapsed(Instant::now()) {
                self.leave(LeaveReason::Left, Vec::new());
            }
            self.resend_end();
            if ready.woken {
                self.viewer.wake.take();
                self.handle_wake();
            }
            if ready.room && !self.output_buffer.write_some(io::stdout().as_fd())? {
                return Ok(PaneExit { why: LeaveReason::HungUp, typed: Vec::new() });
            }
        }
    }

    /// Attaches the view. New output comes through the tap; earlier output is painted from the model.
    fn attach(&mut self) {
        self.fit_window();
        let model = self.shared.model.blocking_lock();
        match self.shared.attach(self.viewer) {
            Some(early) => self.push(&early),
            None => self.repaint(&model),
        }
        drop(model);
        // Handle events from before the attachment.
        self.viewer.wake.ring();
    }

    /// Paints the model's screen on the terminal.
    fn repaint(&mut self, model: &Model) {
        if !self.screen {
            return;
        }
        if model.modes().alternate_screen {
            self.push(b"\x1b[?1049h");
        }
        self.push(&model.repaint());
    }

    /// Queues output for standard output.
    fn push(&mut self, bytes: &[u8]) {
        if let Some(passing) = &self.passing {
            self.passed.note(bytes);
            passing.update(&self.passed);
        }
        self.output_buffer.push(bytes);
    }

    fn until(&self) -> Option<Instant> {
        let resend = self.script.resend.map(|(when, _)| when);
        self.prefix.until().into_iter().chain(resend).min()
    }

    fn take_output(&mut self) {
        while self.output_buffer.len() < MAX_BUFFERED {
            let Ok(bytes) = self.output.try_recv() else { return };
            self.push(&bytes);
            if let Some((_, pause)) = self.script.resend {
                self.script.resend = Some((Instant::now() + pause, pause));
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        if !self.keyboard {
            return self.read_script();
        }
        let mut typed = Vec::new();
        for _ in 0..available().clamp(1, BLOCK) {
            // Byte by byte: bytes after the key that leaves are for the next reader.
            let mut byte = [0];
            if read_some(&mut byte)? == 0 {
                self.leave(LeaveReason::HungUp, Vec::new());
                break;
            }
            let [byte] = byte;
            match self.prefix.follow(byte) {
                Some(command) => self.command(command, byte, &mut typed),
                None if byte == self.prefix.key().byte() => self.prefix.press(),
                None => typed.push(byte),
            }
            if self.exit.is_some() {
                break;
            }
        }
        self.send(typed);
        Ok(())
    }

    fn command(&mut self, command: PrefixCommand, byte: u8, typed: &mut Vec<u8>) {
        let key = self.prefix.key();
        match command {
            PrefixCommand::Literal => typed.push(byte),
            PrefixCommand::DropLink => self.shared.drop_link(),
            PrefixCommand::Help => {
                let text =
                    format!("{key} leaves; {key} {key} sends it; {key} . drops the link and reconnects");
                self.say(&text);
            }
            // These are not available here, and the key is not for the program.
            PrefixCommand::Search | PrefixCommand::Clipboard => {}
            PrefixCommand::Leave => self.leave(LeaveReason::Left, vec![byte]),
            PrefixCommand::Detach => self.leave(LeaveReason::Left, Vec::new()),
        }
    }

    fn read_script(&mut self) -> io::Result<()> {
        let mut block = vec![0; BLOCK];
        let read = read_some(&mut block)?;
        block.truncate(read);
        if let Some(last) = block.last() {
            self.script.last_byte = Some(*last);
            self.send(block);
            return Ok(());
        }
        self.script.ended = true;
        self.script.resend = Some((Instant::now() + QUIET, QUIET));
        // The end of input is recognised only at the start of a line.
        if self.script.last_byte.is_some_and(|last| last != b'\n') {
            self.send(b"\n".to_vec());
        }
        self.send(END_OF_INPUT.to_vec());
        Ok(())
    }

    fn resend_end(&mut self) {
        let now = Instant::now();
        if let Some((when, pause)) = self.script.resend
            && now >= when
        {
            let pause = (pause * 2).min(LONGEST_QUIET);
            self.script.resend = Some((now + pause, pause));
            self.send(END_OF_INPUT.to_vec());
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if let Err(error) = self.shared.send(bytes.into()) {
            self.say(&error.to_string());
        }
    }

    fn handle_wake(&mut self) {
        self.fit_window();
        if self.viewer.hung_up.load(Ordering::Acquire) {
            self.output_buffer = OutputBuffer::default();
            return self.leave(LeaveReason::HungUp, Vec::new());
        }
        if self.viewer.continued.swap(false, Ordering::AcqRel) {
            let shared = self.shared;
            self.repaint(&shared.model.blocking_lock());
        }
        if let Some(error) = self.shared.take_refused() {
            self.say(&error.to_string());
        }
        if let Some(ended) = self.shared.ended().cloned() {
            // The tap already has all output from before the end.
            while let Ok(bytes) = self.output.try_recv() {
                self.push(&bytes);
            }
            return self.leave(LeaveReason::Ended(ended), Vec::new());
        }
        match self.shared.status().link {
            LinkState::Down { why, .. } if !self.link_down_reported => {
                self.link_down_reported = true;
                let key = self.prefix.key();
                self.say(&format!("the link is down: {why}; connecting again; {key} leaves"));
            }
            LinkState::Up { .. } if self.link_down_reported => {
                self.link_down_reported = false;
                self.say("the link is back");
            }
            _ => {}
        }
    }

    fn fit_window(&mut self) {
        let window = size();
        let window = (window.cols, window.rows);
        if window != self.window {
            self.window = window;
            self.shared.resize(window.0, window.1);
        }
    }

    /// Prints a message of this program between the program's output.
    fn say(&self, text: &str) {
        let text = crate::render::sanitize::line(text, MESSAGE_WIDTH);
        let _ = crate::terminal::Out::stderr().write_all(format!("\r\nbai-repl: {text}\r\n").as_bytes());
    }

    fn leave(&mut self, why: LeaveReason, typed: Vec<u8>) {
        if self.exit.is_none() {
            self.exit = Some(PaneExit { why, typed });
        }
    }
}

impl LeaveReason {
    /// The exit code of the shell, if it ended and the code is known.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Ended(Ended::Exited(code)) => *code,
            _ => None,
        }
    }
}
