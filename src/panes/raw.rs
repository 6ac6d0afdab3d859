//! The terminal in the session passed straight through, as ssh does it: no status line, nothing redrawn. The screen
//! model is kept all the same, so that coming back repaints what was there.
//!
//! Standard input and output need not be terminals: a script can be piped in and the output taken out.

use std::io::{self, IsTerminal, Write as _};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::host::{Ended, HostState, TerminalHost, Viewer};
use super::input::{Waited, available, read_some, wait};
use super::output_buffer::OutputBuffer;
use super::prefix::{Prefix, PrefixCommand, PrefixKey};
use super::terminal::{Attached, LeaveReason, PaneExit, watch_signals};
use crate::terminal::model::Model;
use crate::terminal::{PassthroughGuard, PassthroughTracker, RawMode, reset_sequences, size};
use bai_client::pty::LinkState;

/// The most slices of output that wait for a slow standard output; then the program waits.
const TAP: usize = 16;
/// The most bytes that wait here before more are taken from the tap.
const OUTBOX: usize = 64 * 1024;
/// Bytes of a script that are read at once.
const BLOCK: usize = 16 * 1024;
/// The end of a script is told again when the terminal has been quiet for so long: a program inside may have taken it.
const QUIET: Duration = Duration::from_millis(500);
/// The longest pause between two tellings.
const LONGEST_QUIET: Duration = Duration::from_secs(30);
/// The control character that means the end of input.
const END_OF_INPUT: &[u8] = b"\x04";

/// How it is passed through.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawOptions {
    /// The key that leaves and begins commands; it has no meaning in a script.
    pub prefix: PrefixKey,
}

/// Passes the terminal through until the user leaves or it ends, with the runtime's other work going on. The exit code
/// of the shell is in [`LeaveReason::Ended`].
///
/// Not to be cancelled: the passing would go on.
///
/// # Errors
/// When standard input cannot be read or standard output cannot be written. A closed pipe behind standard output is
/// [`LeaveReason::HungUp`].
pub async fn run(host: &TerminalHost, options: RawOptions) -> io::Result<PaneExit> {
    let (done, result) = oneshot::channel();
    let keyboard = io::stdin().is_terminal();
    let screen = io::stdout().is_terminal();
    let (tap, output) = mpsc::channel(TAP);
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
            told_down: false,
            exit: None,
        };
        let exit = raw.live();
        drop(attached);
        drop(done.send(exit));
    })?;
    result.await.unwrap_or_else(|_| Err(io::Error::other("the pass-through broke; this is a bug")))
}

/// What is left to do for a script on standard input.
#[derive(Debug, Default)]
struct Script {
    last_byte: Option<u8>,
    ended: bool,
    /// When to tell the end again, and how long to wait after that.
    again: Option<(Instant, Duration)>,
}

struct Raw<'a> {
    shared: &'a HostState,
    viewer: &'a Arc<Viewer>,
    output: mpsc::Receiver<Bytes>,
    /// Standard input is a terminal.
    keyboard: bool,
    /// Standard output is a terminal.
    screen: bool,
    prefix: Prefix,
    output_buffer: OutputBuffer,
    passed: PassthroughTracker,
    /// While standard output is a terminal: what a signal must undo.
    passing: Option<PassthroughGuard>,
    window: (u16, u16),
    script: Script,
    told_down: bool,
    exit: Option<PaneExit>,
}

impl Raw<'_> {
    fn live(mut self) -> io::Result<PaneExit> {
        let mode = if self.keyboard { Some(RawMode::enter()?) } else { None };
        self.passing = self.screen.then(PassthroughGuard::enter);
        let result = self.pass();
        self.passing = None;
        if self.screen {
            let mut farewell = reset_sequences(&self.passed);
            if mode.is_some() {
                farewell.push_str("\r\n");
            }
            let _ = crate::terminal::Out::stdout().write_all(farewell.as_bytes());
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
            let ready = wait(Waited {
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
            self.tell_end_again();
            if ready.woken {
                self.viewer.wake.take();
                self.look();
            }
            if ready.room && !self.output_buffer.write_some(io::stdout().as_fd())? {
                return Ok(PaneExit { why: LeaveReason::HungUp, typed: Vec::new() });
            }
        }
    }

    /// From here on every byte of output comes through the tap; what was before is painted from the model.
    fn attach(&mut self) {
        self.fit_window();
        let model = self.shared.model.blocking_lock();
        match self.shared.attach(self.viewer) {
            Some(early) => self.push(&early),
            None => self.repaint(&model),
        }
        drop(model);
        // What happened before somebody looked.
        self.viewer.wake.ring();
    }

    /// Paints what the model shows, on whatever the terminal shows.
    fn repaint(&mut self, model: &Model) {
        if !self.screen {
            return;
        }
        if model.modes().alternate_screen {
            self.push(b"\x1b[?1049h");
        }
        self.push(&model.repaint());
    }

    /// Output on its way to standard output.
    fn push(&mut self, bytes: &[u8]) {
        if let Some(passing) = &self.passing {
            self.passed.note(bytes);
            passing.update(&self.passed);
        }
        self.output_buffer.push(bytes);
    }

    fn until(&self) -> Option<Instant> {
        let again = self.script.again.map(|(when, _)| when);
        self.prefix.until().into_iter().chain(again).min()
    }

    fn take_output(&mut self) {
        while self.output_buffer.len() < OUTBOX {
            let Ok(bytes) = self.output.try_recv() else { return };
            self.push(&bytes);
            if let Some((_, pause)) = self.script.again {
                self.script.again = Some((Instant::now() + pause, pause));
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        if !self.keyboard {
            return self.read_script();
        }
        let mut typed = Vec::new();
        for _ in 0..available().clamp(1, BLOCK) {
            // One by one: what follows the key that leaves is not ours.
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
                    format!("{key} leaves; {key} {key} sends it; {key} . drops the link and connects again");
                self.say(&text);
            }
            // There is nothing to search in; the key was not for the program.
            PrefixCommand::Search => {}
            PrefixCommand::Leave => self.leave(LeaveReason::Left, vec![byte]),
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
        self.script.again = Some((Instant::now() + QUIET, QUIET));
        // The end is only seen at the beginning of a line.
        if self.script.last_byte.is_some_and(|last| last != b'\n') {
            self.send(b"\n".to_vec());
        }
        self.send(END_OF_INPUT.to_vec());
        Ok(())
    }

    fn tell_end_again(&mut self) {
        let now = Instant::now();
        if let Some((when, pause)) = self.script.again
            && now >= when
        {
            let pause = (pause * 2).min(LONGEST_QUIET);
            self.script.again = Some((now + pause, pause));
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

    fn look(&mut self) {
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
            // What was printed before the end is in the tap already.
            while let Ok(bytes) = self.output.try_recv() {
                self.push(&bytes);
            }
            return self.leave(LeaveReason::Ended(ended), Vec::new());
        }
        match self.shared.status().link {
            LinkState::Down { why, .. } if !self.told_down => {
                self.told_down = true;
                let key = self.prefix.key();
                self.say(&format!("the link is down: {why}; connecting again; {key} leaves"));
            }
            LinkState::Up { .. } if self.told_down => {
                self.told_down = false;
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

    /// A remark of ours, between the program's output.
    fn say(&self, text: &str) {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let _ = crate::terminal::Out::stderr().write_all(format!("\r\nbai-repl: {text}\r\n").as_bytes());
    }

    fn leave(&mut self, why: LeaveReason, typed: Vec<u8>) {
        if self.exit.is_none() {
            self.exit = Some(PaneExit { why, typed });
        }
    }
}

impl LeaveReason {
    /// The exit code of the shell, when it ended and told one.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Ended(Ended::Exited(code)) => *code,
            _ => None,
        }
    }
}
