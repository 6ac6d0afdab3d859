//! Queries the terminal's capabilities: all queries in one round trip, with a time limit. The answer to the last query
//! (DA1), which every terminal supports, ends the wait. Bytes that are not an answer are typed keys, and are returned.

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

/// The terminal's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The reason why it was not queried, as part of a sentence; empty if it was.
    #[serde(skip)]
    pub unasked: &'static str,
    /// Whether all mandatory answers arrived.
    pub answered: bool,
    /// Whether it supports kitty's graphics protocol.
    pub kitty: bool,
    /// Whether it supports sixel.
    pub sixel: bool,
    /// Whether it supports iTerm2's sequences, and so its inline files.
    pub iterm2: bool,
    /// Whether it supports synchronized output (mode 2026), so that it never shows a half-drawn screen.
    pub synchronized: bool,
    /// Its name and version (XTVERSION). Untrusted text.
    pub name: Option<String>,
    /// Name and version of the terminal around tmux, if tmux passes queries on.
    pub outer: Option<String>,
    /// Size of a character cell in pixels, width and height; neither is zero.
    pub cell: Option<(u16, u16)>,
    /// Size of the window in pixels, width and height; neither is zero.
    pub window: Option<(u16, u16)>,
    /// Background colour: red, green and blue.
    pub background: Option<(u8, u8, u8)>,
    /// Keys that the user typed meanwhile, for the editor.
    #[serde(skip)]
    pub typed: Vec<u8>,
}

/// Time limits of a query.
#[derive(Clone, Copy)]
struct Limits {
    /// For the first answer.
    answer: Duration,
    /// For the rest once an answer has begun.
    rest: Duration,
}

/// For local terminals: short, so that a silent terminal does not delay the start.
const LOCAL: Limits = Limits { answer: Duration::from_millis(250), rest: Duration::from_millis(250) };

/// For terminals over ssh, because of the latency of the link.
const REMOTE: Limits = Limits { answer: Duration::from_secs(1), rest: Duration::from_secs(1) };

/// For terminals that are known to answer, but maybe late while their window opens.
const KNOWN: Limits = Limits { answer: Duration::from_secs(2), rest: Duration::from_secs(1) };

/// Variables that such terminals set. They decide only the time limit, not the capabilities.
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

/// The cache file that lists this terminal as silent since the last query, and its key there.
static RECORDED_SILENT: Mutex<Option<(PathBuf, String)>> = Mutex::new(None);

/// Maximum bytes read while waiting.
const MAX_BYTES: usize = 64 * 1024;

/// Queries the terminal. It must run before any other code reads the keyboard. It does not query terminals that cannot be
/// queried safely: not a terminal, `TERM=dumb`, the Linux console, a process in the background. If a cache file is given, it
/// records there a silent terminal, which is not queried again for a week, and answers for [`recall`].
///
/// # Errors
/// When the terminal cannot be read or written. A silent terminal is not an error.
pub fn probe(screen: &Screen, cache: Option<&Path>) -> io::Result<Probe> {
    let env = |name: &str| std::env::var_os(name);
    let unasked = |why| Ok(Probe { unasked: why, ..Probe::default() });
    let term = env("TERM").unwrap_or_default();
    if let Some(why) = unsafe_to_ask(screen, &term.to_string_lossy()) {
        return unasked(why);
    }
    if !in_foreground() {
        return unasked("another program is in the foreground of the terminal");
    }
    let (kind, cache) = (cache::kind(env), cache.map(ProbeCache));
    if cache.is_some_and(|cache| cache.is_silent(&kind)) {
        return unasked("it did not answer when it was asked within the last week");
    }
    let tmux = outer_tmux(env);
    let queries = Queries::new(&Multiplexer::detect(env, tmux.as_ref()));
    let remote = env("SSH_CONNECTION").is_some();
    let limits = match remote {
        _ if KNOWN_BY.iter().any(|name| env(name).is_some()) => KNOWN,
        true => REMOTE,
        false => LOCAL,
    };
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let (probe, owed) = ask(stdin.as_fd(), stdout.as_fd(), &queries, limits)?;
    OWED.store(owed, Ordering::Relaxed);
    let this = this_terminal(tmux.as_ref(), &kind).filter(|_| probe.answered);
    let recorded = match (cache, this) {
        (Some(cache), Some(this)) => cache.record_answers(&this, &probe),
        (Some(cache), None) if !probe.answered && !remote => {
            *recorded_silent() = Some((cache.0.to_owned(), kind.clone()));
            cache.record_silence(&kind)
        }
        _ => Ok(()),
    };
    if let Err(error) = recorded {
        // Without the cache the next start only takes a little longer.
        tracing::debug!(%error, "cannot cache the terminal's answers");
    }
    Ok(probe)
}

/// Returns this terminal's answers to the last query within a week, for programs that must not query it because the user may
/// be typing ahead for the next program.
pub fn recall(cache: &Path) -> Option<Probe> {
    let env = |name: &str| std::env::var_os(name);
    let this = this_terminal(outer_tmux(env).as_ref(), &cache::kind(env))?;
    ProbeCache(cache).recall(&this)
}

/// The tmux in which this program runs, if any.
fn outer_tmux(env: impl Fn(&str) -> Option<OsString>) -> Option<Tmux> {
    env("TMUX").and_then(|_| multiplexer::tmux())
}

/// The cache key of this terminal.
fn this_terminal(tmux: Option<&Tmux>, kind: &str) -> Option<String> {
    cache::this(io::stdout(), tmux.map(|tmux| tmux.attached.as_str()), kind)
}

/// Records that the last missing answer arrived: the terminal is slow, not silent, and is queried again next time.
pub fn answered_late() {
    if let Some((path, kind)) = recorded_silent().take()
        && let Err(error) = ProbeCache(&path).forget(&kind)
    {
        tracing::debug!(%error, "cannot remove the silent terminal from the cache");
    }
}

fn recorded_silent() -> MutexGuard<'static, Option<(PathBuf, String)>> {
    RECORDED_SILENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Number of answers to the last query that are still missing after the limit. When they arrive, they are not keys.
pub fn answers_owed() -> usize {
    OWED.load(Ordering::Relaxed)
}

/// The reason why a terminal must not be queried; `None` if it may.
fn unsafe_to_ask(screen: &Screen, term: &str) -> Option<&'static str> {
    match () {
        () if !screen.stdout_tty => Some("standard output is not a terminal"),
        () if !screen.stdin_tty => Some("standard input is not a terminal"),
        () if screen.dumb => Some("TERM says that it does not support escape sequences"),
        () if term.starts_with("linux") || term.starts_with("eterm") => {
            Some("terminals with this TERM print queries instead of answering them")
        }
        () => None,
    }
}

/// The multiplexer between the program and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Multiplexer {
    /// None.
    Direct,
    /// tmux, which passes wrapped sequences on.
    TmuxPassing,
    /// A multiplexer that does not pass sequences on.
    Closed,
}

impl Multiplexer {
    fn detect(env: impl Fn(&str) -> Option<OsString>, tmux: Option<&Tmux>) -> Self {
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

/// The queries as bytes for the terminal.
struct Queries {
    text: String,
    /// Number of expected answers to DA1.
    ends: usize,
}

const KITTY: &str = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
const XTVERSION: &str = "\x1b[>q";
const DA1: &str = "\x1b[c";

/// The queries to the nearest terminal or multiplexer.
const ALWAYS: &str = concat!(
    "\x1b[16t",                       // cell size
    "\x1b[14t",                       // window size in pixels
    "\x1b]11;?\x1b\\",                // background
    "\x1b[?2026$p",                   // synchronized output
    "\x1b]1337;ReportCellSize\x1b\\", // iTerm2
);

impl Queries {
    /// DA1 is last: every terminal answers it.
    fn new(multiplexer: &Multiplexer) -> Self {
        match multiplexer {
            Multiplexer::Direct => Self { text: format!("{KITTY}{XTVERSION}{ALWAYS}{DA1}"), ends: 1 },
            Multiplexer::Closed => Self { text: format!("{XTVERSION}{ALWAYS}{DA1}"), ends: 1 },
            Multiplexer::TmuxPassing => {
                let outer = passthrough(&format!("{KITTY}{XTVERSION}{DA1}"));
                Self { text: format!("{XTVERSION}{outer}{ALWAYS}{DA1}"), ends: 2 }
            }
        }
    }
}

/// Sends the queries and waits for the answers. The second value is the number of missing final answers.
fn ask(
    keyboard: BorrowedFd<'_>,
    display: BorrowedFd<'_>,
    queries: &Queries,
    limits: Limits,
) -> io::Result<(Probe, usize)> {
    let mut mode = termios::tcgetattr(keyboard)?;
    mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
    set_read_one(&mut mode.control_chars);
    let _guard = TermiosGuard::switch(keyboard, &mode, SetArg::TCSANOW)?;
    let mut bytes = queries.text.as_bytes();
    while !bytes.is_empty() {
        let written = nix::unistd::write(display, bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }

    let mut deadline = Instant::now() + limits.answer;
    let mut rest = Some(limits.rest);
    let mut read = Vec::new();
    loop {
        let answers = Answers::read(&read);
        if answers.ends >= queries.ends || read.len() >= MAX_BYTES {
            return Ok(answers.finish(queries.ends));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if !left.is_zero() && readable(keyboard, left)? {
            let mut piece = [0; 1024];
            match nix::unistd::read(keyboard, &mut piece) {
                Ok(0) => return Ok(answers.finish(queries.ends)),
                Ok(count) => read.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        } else if let Some(more) = rest.take().filter(|_| answers.begun()) {
            deadline = Instant::now() + more;
        } else if left.is_zero() {
            return Ok(answers.finish(queries.ends));
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
