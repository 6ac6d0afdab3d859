//! Asking the terminal what it can show: all questions at once, one round trip, with a limit of time. The answer to
//! the last question, which every terminal knows (DA1), ends the wait; what is not an answer was typed by the user and
//! is given back.

mod answers;
mod silent;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, LocalFlags, SetArg};

use super::Screen;
use super::guard::{TermiosGuard, in_foreground};
use super::secret::set_read_one;
use answers::Answers;

/// The means by which pictures are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphics {
    /// None: not a terminal, or one that knows no escape sequences or no colours.
    None,
    /// Half blocks in colours, which every other terminal shows.
    Blocks,
    /// DEC's sixel.
    Sixel,
    /// The inline files of iTerm2.
    Iterm2,
    /// Kitty's graphics protocol.
    Kitty,
}

/// What the terminal said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// It answered at all.
    pub answered: bool,
    /// It draws pictures by kitty's protocol.
    pub kitty: bool,
    /// It draws sixel.
    pub sixel: bool,
    /// Its name and version (XTVERSION). Untrusted text.
    pub name: Option<String>,
    /// The size of a character cell in pixels, width and height; neither is zero.
    pub cell: Option<(u16, u16)>,
    /// The background's red, green and blue.
    pub background: Option<(u8, u8, u8)>,
    /// What the user typed meanwhile, to be given to the editor.
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

/// Over ssh, where the link takes its share; an answer after the limit would end up in the prompt.
const REMOTE: Limits = Limits { answer: Duration::from_secs(1), rest: Duration::from_secs(1) };

/// For terminals that do answer, if perhaps not while their own window is still opening.
const KNOWN: Limits = Limits { answer: Duration::from_secs(2), rest: Duration::from_secs(1) };

/// Only for what has come already.
const NOW: Limits = Limits { answer: Duration::from_millis(1), rest: Duration::from_millis(50) };

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

/// A terminal was asked and has not answered within the limit: what comes from it later is no key.
static OWES_ANSWERS: AtomicBool = AtomicBool::new(false);

/// Most bytes that are read while waiting.
const MAX_BYTES: usize = 64 * 1024;

/// Asks the terminal. It must run before anything else reads the keyboard. Terminals that cannot be asked safely (not
/// a terminal, `TERM=dumb`, the Linux console, a process in the background) are not; one that stayed silent is
/// remembered in the file `memory`, if given, and not asked again for a week.
///
/// # Errors
/// When the terminal refuses; a terminal that does not answer is no error.
pub fn probe(screen: &Screen, memory: Option<&Path>) -> io::Result<Probe> {
    let env = |name: &str| std::env::var_os(name);
    let Some(questions) = questions(screen, env) else { return Ok(Probe::default()) };
    if !in_foreground() {
        return Ok(Probe::default());
    }
    let key = silent::key(env);
    if memory.is_some_and(|path| silent::is_silent(path, &key)) {
        return Ok(Probe::default());
    }
    let remote = env("SSH_CONNECTION").is_some();
    let limits = match remote {
        _ if KNOWN_BY.iter().any(|name| env(name).is_some()) => KNOWN,
        true => REMOTE,
        false => LOCAL,
    };
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let probe = ask(stdin.as_fd(), stdout.as_fd(), &questions, limits)?;
    OWES_ANSWERS.store(!probe.answered, Ordering::Relaxed);
    if let Some(path) = memory.filter(|_| !probe.answered && !remote) {
        // A memory that cannot be written costs the next start a quarter of a second, nothing more.
        if let Err(error) = silent::remember(path, &key) {
            tracing::debug!(%error, path = %path.display(), "cannot remember a silent terminal");
        }
    }
    Ok(probe)
}

/// Takes late answers out of the keyboard's queue, and the keys among them, which are to be given to the editor. Empty
/// at once unless a probe went unanswered; to be called before each prompt.
///
/// # Errors
/// When the terminal cannot be read.
pub fn take_late_answers() -> io::Result<Vec<u8>> {
    if !OWES_ANSWERS.load(Ordering::Relaxed) || !in_foreground() {
        return Ok(Vec::new());
    }
    let probe = ask(io::stdin().as_fd(), io::stdout().as_fd(), "", NOW)?;
    if probe.answered {
        OWES_ANSWERS.store(false, Ordering::Relaxed);
    }
    Ok(probe.typed)
}

/// What to write; `None` for a terminal that is not to be asked.
fn questions(screen: &Screen, env: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let term = env("TERM").unwrap_or_default();
    let term = term.to_string_lossy();
    if !screen.interactive() || screen.dumb || term.starts_with("linux") || term.starts_with("eterm") {
        return None;
    }
    let mut questions = String::new();
    // Multiplexers take the graphics query for a title.
    if env("TMUX").is_none()
        && env("STY").is_none()
        && !term.starts_with("screen")
        && !term.starts_with("tmux")
    {
        questions.push_str("\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\");
    }
    questions.push_str(concat!(
        "\x1b[>q",         // XTVERSION
        "\x1b[16t",        // cell size
        "\x1b]11;?\x1b\\", // background
        "\x1b[c",          // DA1, last
    ));
    Some(questions)
}

fn ask(
    keyboard: BorrowedFd<'_>,
    display: BorrowedFd<'_>,
    questions: &str,
    limits: Limits,
) -> io::Result<Probe> {
    let mut mode = termios::tcgetattr(keyboard)?;
    mode.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
    set_read_one(&mut mode.control_chars);
    let _guard = TermiosGuard::switch(keyboard, &mode, SetArg::TCSANOW)?;
    let mut bytes = questions.as_bytes();
    while !bytes.is_empty() {
        let written = nix::unistd::write(display, bytes)?;
        bytes = bytes.get(written..).unwrap_or_default();
    }

    let mut deadline = Instant::now() + limits.answer;
    let mut rest = Some(limits.rest);
    let mut read = Vec::new();
    loop {
        let answers = Answers::read(&read);
        if answers.done || read.len() >= MAX_BYTES {
            return Ok(answers.finish());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if !left.is_zero() && readable(keyboard, left)? {
            let mut piece = [0; 1024];
            match nix::unistd::read(keyboard, &mut piece) {
                Ok(0) => return Ok(answers.finish()),
                Ok(count) => read.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        } else if let Some(more) = rest.take().filter(|_| answers.begun()) {
            deadline = Instant::now() + more;
        } else if left.is_zero() {
            return Ok(answers.finish());
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

impl Probe {
    /// The best means that the terminal has proved to have.
    pub fn graphics(&self, screen: &Screen) -> Graphics {
        let named = |name: &str| self.name.as_ref().is_some_and(|text| text.starts_with(name));
        if !screen.stdout_tty || screen.dumb {
            Graphics::None
        } else if self.kitty {
            Graphics::Kitty
        } else if (named("iTerm2") || named("WezTerm")) && viuer::is_iterm_supported() {
            Graphics::Iterm2
        } else if self.sixel {
            Graphics::Sixel
        } else if screen.colors == super::ColorDepth::None || !screen.unicode {
            Graphics::None
        } else {
            Graphics::Blocks
        }
    }
}

#[cfg(test)]
mod tests;
