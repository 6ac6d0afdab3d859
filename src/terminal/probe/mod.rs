//! Asking the terminal what it can show: all questions at once, one round trip, with a limit of time. The answer to
//! the last question, which every terminal knows (DA1), ends the wait; what is not an answer was typed by the user and
//! is given back.

mod answers;
mod cache;
mod choice;
mod multiplexer;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, LocalFlags, SetArg};

use super::Screen;
use super::modes::{TermiosGuard, in_foreground, set_read_one};
use answers::Answers;
use cache::ProbeCache;
pub use choice::{Choice, Graphics};
use multiplexer::Tmux;
pub use multiplexer::passthrough;
use serde::{Deserialize, Serialize};

/// What the terminal said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Why it was not asked, as part of a sentence; empty when it was.
    #[serde(skip)]
    pub unasked: &'static str,
    /// It answered all that it must.
    pub answered: bool,
    /// It draws pictures by kitty's protocol.
    pub kitty: bool,
    /// It draws sixel.
    pub sixel: bool,
    /// It knows iTerm2's own sequences, and so its inline files.
    pub iterm2: bool,
    /// It can be told where a picture of ours begins and ends, so that it shows no half of one (mode 2026).
    pub synchronized: bool,
    /// Its name and version (XTVERSION). Untrusted text.
    pub name: Option<String>,
    /// The same of the terminal in which tmux runs, if tmux lets questions through.
    pub outer: Option<String>,
    /// The size of a character cell in pixels, width and height; neither is zero.
    pub cell: Option<(u16, u16)>,
    /// The size of the window in pixels, width and height; neither is zero.
    pub window: Option<(u16, u16)>,
    /// The background's red, green and blue.
    pub background: Option<(u8, u8, u8)>,
    /// What the user typed meanwhile, to be given to the editor.
    #[serde(skip)]
    pub typed: Vec<u8>,
}

/// How long is waited.
#[derive(Clone, Copy)]
struct Limits {
    /// For an answer.
    answer: Duration,
    /// For the rest of it once it has begun.
    rest: Duration,
}

/// At the desk. A program that starts must not be kept waiting by a terminal that says nothing.
const LOCAL: Limits = Limits { answer: Duration::from_millis(250), rest: Duration::from_millis(250) };

/// Over ssh, where the link takes its share.
const REMOTE: Limits = Limits { answer: Duration::from_secs(1), rest: Duration::from_secs(1) };

/// For terminals that do answer, if perhaps not while their own window is still opening.
const KNOWN: Limits = Limits { answer: Duration::from_secs(2), rest: Duration::from_secs(1) };

/// Variables that such terminals set. They say how patient to be, not what can be drawn.
const KNOWN_BY: &[&str] = &[
    "ALACRITTY_WINDOW_ID",
    "GHOSTTY_RESOURCES_DIR",
    "ITERM_SESSION_ID",
    "KITTY_WINDOW_ID",
    "KONSOLE_VERSION",
    "TMUX",
    "VTE_VERSION",
    "WEZTERM_PANE",
    "WT_SESSION",
    "XTERM_VERSION",
];

/// See [`answers_owed`].
static OWED: AtomicUsize = AtomicUsize::new(0);

/// The memory in which the terminal counts as silent since the last question, and its kind there.
static THOUGHT_SILENT: Mutex<Option<(PathBuf, String)>> = Mutex::new(None);

/// Most bytes that are read while waiting.
const MAX_BYTES: usize = 64 * 1024;

/// Asks the terminal. It must run before anything else reads the keyboard. Terminals that cannot be asked safely (not
/// a terminal, `TERM=dumb`, the Linux console, a process in the background) are not; one that stayed silent is
/// remembered in the file `memory`, if given, and not asked again for a week. Answers are kept there for [`recall`].
///
/// # Errors
/// When the terminal refuses; a terminal that does not answer is no error.
pub fn probe(screen: &Screen, memory: Option<&Path>) -> io::Result<Probe> {
    let env = |name: &str| std::env::var_os(name);
    let unasked = |why| Ok(Probe { unasked: why, ..Probe::default() });
    let term = env("TERM").unwrap_or_default();
    if let Some(why) = unsafe_to_ask(screen, &term.to_string_lossy()) {
        return unasked(why);
    }
    if !in_foreground() {
        return unasked("another program has the terminal");
    }
    let (kind, memory) = (cache::kind(env), memory.map(ProbeCache));
    if memory.is_some_and(|memory| memory.is_silent(&kind)) {
        return unasked("it did not answer when it was asked within the last week");
    }
    let tmux = around(env);
    let questions = Questions::new(&Surroundings::look(env, tmux.as_ref()));
    let remote = env("SSH_CONNECTION").is_some();
    let limits = match remote {
        _ if KNOWN_BY.iter().any(|name| env(name).is_some()) => KNOWN,
        true => REMOTE,
        false => LOCAL,
    };
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let (probe, owed) = ask(stdin.as_fd(), stdout.as_fd(), &questions, limits)?;
    OWED.store(owed, Ordering::Relaxed);
    let this = this_terminal(tmux.as_ref(), &kind).filter(|_| probe.answered);
    let kept = match (memory, this) {
        (Some(memory), Some(this)) => memory.answered(&this, &probe),
        (Some(memory), None) if !probe.answered && !remote => {
            *thought_silent() = Some((memory.0.to_owned(), kind.clone()));
            memory.silent(&kind)
        }
        _ => Ok(()),
    };
    if let Err(error) = kept {
        // A memory that cannot be written costs the next start a moment, nothing more.
        tracing::debug!(%error, "cannot remember what the terminal said");
    }
    Ok(probe)
}

/// What this very terminal answered when it was asked last, within a week; for programs that must not ask it, because
/// somebody may be typing ahead for the next one.
pub fn recall(memory: &Path) -> Option<Probe> {
    let env = |name: &str| std::env::var_os(name);
    let this = this_terminal(around(env).as_ref(), &cache::kind(env))?;
    ProbeCache(memory).recall(&this)
}

/// The tmux in which we run, if we do.
fn around(env: impl Fn(&str) -> Option<OsString>) -> Option<Tmux> {
    env("TMUX").and_then(|_| multiplexer::tmux())
}

/// The key of this terminal in the memory.
fn this_terminal(tmux: Option<&Tmux>, kind: &str) -> Option<String> {
    cache::this(io::stdout(), tmux.map(|tmux| tmux.attached.as_str()), kind)
}

/// The last of the answers that were owed has come: the terminal is slow, not silent, and is asked again next time.
pub fn answered_late() {
    if let Some((path, kind)) = thought_silent().take()
        && let Err(error) = ProbeCache(&path).forget(&kind)
    {
        tracing::debug!(%error, "cannot forget that the terminal is silent");
    }
}

fn thought_silent() -> MutexGuard<'static, Option<(PathBuf, String)>> {
    THOUGHT_SILENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many answers to the last question had not come within the limit: what comes later is no key.
pub fn answers_owed() -> usize {
    OWED.load(Ordering::Relaxed)
}

/// Why a terminal must not be asked, if it must not.
fn unsafe_to_ask(screen: &Screen, term: &str) -> Option<&'static str> {
    match () {
        () if !screen.stdout_tty => Some("standard output is no terminal"),
        () if !screen.stdin_tty => Some("standard input is no terminal"),
        () if screen.dumb => Some("TERM says that it understands no escape sequences"),
        () if term.starts_with("linux") || term.starts_with("eterm") => {
            Some("terminals of this TERM show questions instead of answering them")
        }
        () => None,
    }
}

/// What stands between us and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surroundings {
    /// Nothing.
    Direct,
    /// tmux, which passes on what is wrapped.
    TmuxPassing,
    /// A multiplexer that passes nothing on.
    Closed,
}

impl Surroundings {
    fn look(env: impl Fn(&str) -> Option<OsString>, tmux: Option<&Tmux>) -> Self {
        let term = env("TERM").unwrap_or_default();
        let term = term.to_string_lossy();
        match () {
            () if tmux.is_some_and(|tmux| tmux.lets_through) => Self::TmuxPassing,
            () if env("TMUX").is_some() || env("STY").is_some() => Self::Closed,
            () if term.starts_with("screen") || term.starts_with("tmux") => Self::Closed,
            () => Self::Direct,
        }
    }
}

/// What is written to ask.
struct Questions {
    text: String,
    /// How many answers to DA1 come at the end.
    ends: usize,
}

const KITTY: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
const XTVERSION: &str = "\x1b[>q";
const DA1: &str = "\x1b[c";

/// What is asked of whoever answers first.
const ALWAYS: &str = concat!(
    "\x1b[16t",                       // cell size
    "\x1b[14t",                       // window size in pixels
    "\x1b]11;?\x1b\\",                // background
    "\x1b[?2026$p",                   // synchronized output
    "\x1b]1337;ReportCellSize\x1b\\", // iTerm2
);

impl Questions {
    /// DA1 is last, and the only one that every terminal answers.
    fn new(surroundings: &Surroundings) -> Self {
        match surroundings {
            Surroundings::Direct => Self { text: format!("{KITTY}{XTVERSION}{ALWAYS}{DA1}"), ends: 1 },
            Surroundings::Closed => Self { text: format!("{XTVERSION}{ALWAYS}{DA1}"), ends: 1 },
            Surroundings::TmuxPassing => {
                let outer = passthrough(&format!("{KITTY}{XTVERSION}{DA1}"));
                Self { text: format!("{XTVERSION}{outer}{ALWAYS}{DA1}"), ends: 2 }
            }
        }
    }
}

/// Asks, and waits. The second value is how many last answers are still to come.
fn ask(
    keyboard: BorrowedFd<'_>,
    display: BorrowedFd<'_>,
    questions: &Questions,
    limits: Limits,
) -> io::Result<(Probe, usize)> {
    let mut mode = termios::tcgetattr(keyboard)?;
    mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
    set_read_one(&mut mode.control_chars);
    let _guard = TermiosGuard::switch(keyboard, &mode, SetArg::TCSANOW)?;
    let mut bytes = questions.text.as_bytes();
    while !bytes.is_empty() {
        let written = nix::unistd::write(display, bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }

    let mut deadline = Instant::now() + limits.answer;
    let mut rest = Some(limits.rest);
    let mut read = Vec::new();
    loop {
        let answers = Answers::read(&read);
        if answers.ends >= questions.ends || read.len() >= MAX_BYTES {
            return Ok(answers.finish(questions.ends));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if !left.is_zero() && readable(keyboard, left)? {
            let mut piece = [0; 1024];
            match nix::unistd::read(keyboard, &mut piece) {
                Ok(0) => return Ok(answers.finish(questions.ends)),
                Ok(count) => read.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        } else if let Some(more) = rest.take().filter(|_| answers.begun()) {
            deadline = Instant::now() + more;
        } else if left.is_zero() {
            return Ok(answers.finish(questions.ends));
        }
    }
}

fn readable(fd: BorrowedFd<'_>, limit: Duration) -> io::Result<bool> {
    // Rounded up: a wait of zero milliseconds would spin.
    let limit = PollTimeout::try_from(limit + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], limit) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
