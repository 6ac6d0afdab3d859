//! A fake terminal: the real binary in a PTY, with a screen model that shows its output and answers its queries.

use super::{Sandbox, Screen, binary, screen};
use alacritty_terminal::Term;
use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::Config;
use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::term::color::Colors;
use alacritty_terminal::vte::ansi::{Processor, Rgb};
use nix::sys::termios::LocalFlags;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The time limit for each wait. It is generous: it is a limit, not a measurement.
const LIMIT: Duration = Duration::from_secs(60);

/// The prompt of Python without input.
pub const PROMPT: &str = "python ❯";

/// The binary in a fake terminal.
pub struct FakeTerminal {
    shared: Arc<Shared>,
    master: Box<dyn MasterPty + Send>,
    writer: SharedWriter,
    replies: Replies,
    child: Box<dyn Child + Send + Sync>,
}

type SharedWriter = Arc<Mutex<Box<dyn Write + Send>>>;

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    term: Term<Replies>,
    parser: Processor,
    raw: Vec<u8>,
    /// The number of bytes that had arrived when keys were last sent.
    before_keys: usize,
    closed: bool,
    /// Whether queries remain unanswered for now.
    silent: bool,
}

impl State {
    fn screen(&self) -> Screen {
        Screen::of(&self.term, self.before_keys, self.raw.len())
    }
}

/// Collects the answers to queries. They are written back after the parser has finished.
#[derive(Clone, Default)]
struct Replies(Arc<Mutex<Vec<Reply>>>);

enum Reply {
    Text(String),
    /// A query for the colour with this number. Only colours that a program has set are known.
    Color(usize, Arc<dyn Fn(Rgb) -> String + Send + Sync>),
}

impl EventListener for Replies {
    fn send_event(&self, event: Event) {
        let reply = match event {
            Event::PtyWrite(text) => Reply::Text(text),
            Event::ColorRequest(number, format) => Reply::Color(number, format),
            _ => return,
        };
        self.0.lock().unwrap().push(reply);
    }
}

impl Replies {
    fn take(&self, colors: &Colors) -> String {
        let text = |reply| match reply {
            Reply::Text(text) => Some(text),
            Reply::Color(number, format) => colors[number].map(|color| format(color)),
        };
        self.0.lock().unwrap().drain(..).filter_map(text).collect()
    }
}

struct Size {
    lines: usize,
    columns: usize,
}

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.lines
    }

    fn screen_lines(&self) -> usize {
        self.lines
    }

    fn columns(&self) -> usize {
        self.columns
    }
}

impl FakeTerminal {
    /// Starts the binary in a window of 24 lines and 80 columns.
    pub fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        Self::start_sized(sandbox, arguments, 24, 80)
    }

    /// Starts the binary with these arguments and waits for Python's prompt.
    pub fn at_prompt(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let terminal = Self::start(sandbox, arguments);
        terminal.wait_for_prompt(PROMPT);
        terminal
    }

    /// Starts the binary in a window of this size.
    pub fn start_sized(sandbox: &Sandbox, arguments: &[&str], lines: u16, columns: u16) -> Self {
        Self::start_command(sandbox.in_terminal(&[&[binary()], arguments].concat()), lines, columns)
    }

    /// Starts the binary in a terminal that answers queries only after [`FakeTerminal::answer`].
    pub fn start_silent(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        Self::open(sandbox.in_terminal(&[&[binary()], arguments].concat()), 24, 80, true)
    }

    /// Starts any program.
    pub fn start_command(command: CommandBuilder, lines: u16, columns: u16) -> Self {
        Self::open(command, lines, columns, false)
    }

    fn open(command: CommandBuilder, lines: u16, columns: u16, silent: bool) -> Self {
        let size = PtySize { rows: lines, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let reader = pair.master.try_clone_reader().unwrap();
        let writer: SharedWriter = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let replies = Replies::default();
        let size = Size { lines: lines.into(), columns: columns.into() };
        let config = Config { scrolling_history: 20_000, ..Config::default() };
        let term = Term::new(config, &size, replies.clone());
        let state =
            State { term, parser: Processor::new(), raw: Vec::new(), before_keys: 0, closed: false, silent };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        std::thread::spawn({
            let (shared, writer, replies) = (shared.clone(), writer.clone(), replies.clone());
            move || read_all(reader, &shared, &writer, &replies)
        });
        FakeTerminal { shared, master: pair.master, writer, replies, child }
    }

    /// Sends bytes as a keyboard does.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        {
            let mut state = self.state();
            state.before_keys = state.raw.len();
        }
        let mut writer = self.writer.lock().unwrap();
        writer.write_all(bytes.as_ref()).unwrap();
        writer.flush().unwrap();
    }

    /// Answers all queries that a silent terminal has received.
    pub fn answer(&self) {
        let answer = {
            let mut state = self.state();
            state.silent = false;
            self.replies.take(state.term.colors())
        };
        answer_with(&answer, &self.writer);
    }

    /// Types a text and presses Enter.
    pub fn enter(&self, text: &str) {
        self.send(format!("{text}\r"));
    }

    /// Pastes a text as a terminal with bracketed paste does.
    pub fn paste(&self, text: &str) {
        self.send(format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Changes the size of the window.
    pub fn resize(&self, lines: u16, columns: u16) {
        // The smallest window that the model supports.
        self.state().term.resize(Size { lines: lines.max(1).into(), columns: columns.max(2).into() });
        self.master.resize(PtySize { rows: lines, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Waits until `holds` is true for the lines of the window. It reads less than [`FakeTerminal::wait_until`], so it
    /// is meant for measurements and floods.
    #[track_caller]
    pub fn wait_until_shown(&self, what: &str, holds: impl Fn(&[String]) -> bool) {
        self.wait(what, |state| holds(&screen::lines(&state.term)).then_some(()));
    }

    /// Waits until `holds` is true for the screen. `what` is used in the message if that never happens.
    #[track_caller]
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Screen) -> bool) -> Screen {
        self.wait(what, |state| Some(state.screen()).filter(|screen| holds(screen)))
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.state();
        loop {
            if let Some(seen) = look(&state) {
                return seen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.closed {
                let end = if state.closed { "the program ended" } else { "the time is up" };
                panic!("waited for {what}: {end}; the screen:\n{}", state.screen().all);
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until a program in front takes each key as it is typed, Ctrl-C and Ctrl-Z too. What a shell prints about a program comes before
    /// that. Nothing tells of a change of the modes, so they are looked at again and again.
    #[track_caller]
    pub fn wait_for_raw_mode(&self) {
        self.wait_for_modes(|modes| !modes.intersects(LocalFlags::ISIG | LocalFlags::ICANON));
    }

    /// Waits until a program in front takes what is typed key by key, or no longer.
    #[track_caller]
    pub fn wait_for_keys(&self, are_taken: bool) {
        self.wait_for_modes(|modes| modes.contains(LocalFlags::ICANON) != are_taken);
    }

    #[track_caller]
    fn wait_for_modes(&self, hold: impl Fn(LocalFlags) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !hold(self.termios().local_flags) {
            assert!(
                Instant::now() < deadline,
                "these are not the modes of the keys: {:?}; the screen:\n{}",
                self.termios().local_flags,
                self.screen().all
            );
            let state = self.state();
            drop(self.shared.changed.wait_timeout(state, Duration::from_millis(10)));
        }
    }

    /// Waits for a text on the screen or in the scrollback.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> Screen {
        self.wait_until(text, |screen| screen.all.contains(text))
    }

    /// Types a cell of one line at this prompt and waits until it has run: until there is one more prompt, without
    /// input. It is not enough that the last line is a prompt, because the editor redraws it while the user types.
    #[track_caller]
    pub fn run(&self, prompt: &str, cell: &str) -> Screen {
        let prompts = |screen: &Screen| screen.all.matches(prompt).count();
        let before = self.wait_until(&format!("the prompt {prompt}"), |screen| screen.last_line() == prompt);
        self.enter(cell);
        self.wait_until(&format!("the prompt after {cell}"), |screen| {
            prompts(screen) > prompts(&before) && screen.last_line() == prompt
        })
    }

    /// Waits until the last line that is not empty is this prompt without input. The prompt at which the last keys were
    /// sent does not count until it reacts.
    #[track_caller]
    pub fn wait_for_prompt(&self, prompt: &str) -> Screen {
        self.wait_until(&format!("the prompt {prompt}"), |screen| {
            screen.answered && screen.last_line() == prompt.trim_end()
        })
    }

    /// Returns the current screen.
    pub fn screen(&self) -> Screen {
        self.state().screen()
    }

    /// Returns the cells of the window with their colours, line by line.
    pub fn cells(&self) -> Vec<Vec<Cell>> {
        let state = self.state();
        let grid = state.term.grid();
        let line = |line: usize| {
            let row = &grid[Line(i32::try_from(line).unwrap())];
            (0..grid.columns()).map(|column| row[Column(column)].clone()).collect()
        };
        (0..grid.screen_lines()).map(line).collect()
    }

    /// Returns all bytes that the program has written.
    pub fn raw(&self) -> Vec<u8> {
        self.state().raw.clone()
    }

    /// Returns how many bytes the program has written.
    pub fn written(&self) -> usize {
        self.state().raw.len()
    }

    /// Returns the bytes that the program has written after the first `written` ones.
    pub fn raw_since(&self, written: usize) -> Vec<u8> {
        self.state().raw[written..].to_vec()
    }

    /// Returns the process id of the program.
    pub fn pid(&self) -> i32 {
        self.child.process_id().unwrap().try_into().unwrap()
    }

    /// Returns the current modes of the terminal's line discipline.
    pub fn termios(&self) -> nix::sys::termios::Termios {
        let fd = self.master.as_raw_fd().unwrap();
        // SAFETY: the master stays open as long as `self`, which outlives this borrow.
        let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
        nix::sys::termios::tcgetattr(fd).unwrap()
    }

    /// Waits until the program and its output have ended.
    #[track_caller]
    pub fn wait_for_end(mut self) -> End {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.shared.state.lock().unwrap();
        while !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the program does not end; the screen:\n{}", state.screen().all);
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
        let screen = state.screen();
        drop(state);
        let status = self.child.wait().unwrap();
        let (code, signal) = (status.exit_code(), status.signal().map(str::to_owned));
        End { code, signal, screen, line_discipline: self.termios().local_flags }
    }

    /// Leaves the prompt with Ctrl-D and checks that the program exits successfully.
    #[track_caller]
    pub fn leave(self) {
        self.send("\x04");
        let end = self.wait_for_end();
        assert_eq!(end.code, 0, "{}", end.screen.all);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Drop for FakeTerminal {
    fn drop(&mut self) {
        // A failed test must not leave a running program behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(mut reader: Box<dyn Read + Send>, shared: &Shared, writer: &SharedWriter, replies: &Replies) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        // The master of a PTY reports an error when the last process on the other side has ended.
        let read = reader.read(&mut buffer).unwrap_or(0);
        let mut guard = shared.state.lock().unwrap();
        let state = &mut *guard;
        state.parser.advance(&mut state.term, &buffer[..read]);
        state.raw.extend_from_slice(&buffer[..read]);
        state.closed = read == 0;
        let answer = if state.silent { String::new() } else { replies.take(state.term.colors()) };
        drop(guard);
        shared.changed.notify_all();
        if read == 0 {
            return;
        }
        answer_with(&answer, writer);
    }
}

fn answer_with(answer: &str, writer: &SharedWriter) {
    if !answer.is_empty() {
        // If the program has ended, the answer is not needed.
        let _ = writer.lock().unwrap().write_all(answer.as_bytes());
    }
}

/// How the program ended, and the final state of the terminal.
pub struct End {
    /// The exit code; 1 after a signal.
    pub code: u32,
    /// The system's name for the signal that has ended it.
    pub signal: Option<String>,
    /// The last screen.
    pub screen: Screen,
    /// The modes of the line discipline after the program.
    pub line_discipline: nix::sys::termios::LocalFlags,
}
