//! The keyboard while a program elsewhere has it: bytes pass as they are typed, and no key has a meaning here. A program in the
//! background leaves the keyboard and its modes to the one in front.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{self, LocalFlags, OutputFlags, SetArg, SpecialCharacterIndices, Termios};
use tokio::io::unix::AsyncFd;

use super::modes::{RunMode, in_background, in_background_of, set_read_one};
use super::restore;

/// The most bytes that are read at once.
const BLOCK: usize = 16 * 1024;
/// How often a program in the background looks whether it has come to the front.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Ctrl-D and Ctrl-\\, as terminals have them.
const END_OF_INPUT: u8 = 0x04;
const QUIT: u8 = 0x1c;

/// Whether there are [`OwnLines`]. Locked while the modes change: the keyboard and the lines have threads of their own.
static OWN_LINES: Mutex<bool> = Mutex::new(false);

fn own_lines() -> MutexGuard<'static, bool> {
    OWN_LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A guard that holds what is typed for a program that has not begun: nothing is echoed, and only the keys that send signals have a
/// meaning. Dropping it restores the previous modes.
#[derive(Debug)]
pub struct HeldKeys {
    _mode: RunMode,
    early: Vec<u8>,
}

impl HeldKeys {
    /// Begins. `None` if standard input is no terminal, or another program has it.
    pub fn hold() -> Option<Self> {
        if in_background() {
            return None;
        }
        // Whole lines from before, and ends of the input, which a change of the modes would lose.
        let stdin = io::stdin();
        let mut early = Vec::new();
        let is_in_lines = termios::tcgetattr(&stdin).ok()?.local_flags.contains(LocalFlags::ICANON);
        while is_in_lines && early.len() < BLOCK && has_bytes(stdin.as_fd()) {
            let mut line = [0; BLOCK];
            match nix::unistd::read(&stdin, &mut line) {
                Ok(0) => early.push(END_OF_INPUT),
                Ok(count) => early.extend_from_slice(line.get(..count).unwrap_or_default()),
                Err(_) => break,
            }
        }
        let mode = RunMode::enter(Some(QUIT)).ok().flatten()?;
        Some(Self { _mode: mode, early })
    }

    /// What was typed before, once.
    pub fn take_early(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.early)
    }
}

/// A guard for the keyboard; dropping it restores the previous modes.
#[derive(Debug)]
pub struct Keyboard {
    terminal: AsyncFd<OwnedFd>,
    /// The modes that it found.
    found: Option<Termios>,
    /// Whether other programs have the terminal too.
    is_beside: bool,
    /// Whether keys that send signals keep their meaning, and output is processed as usual.
    is_shared: bool,
}

impl Keyboard {
    /// Takes the keyboard, at once or when the program comes to the front. Unread input is kept. Call it on the runtime.
    ///
    /// # Errors
    /// When standard input is not a terminal.
    pub fn take() -> io::Result<Self> {
        Self::take_of(io::stdin().as_fd().try_clone_to_owned()?, false, false)
    }

    /// Takes that of a terminal which other programs have too ([`share_terminal`]), whatever standard input is. `is_shared` leaves the keys that send signals to all programs at the terminal, and
    /// their output as it was.
    ///
    /// # Errors
    /// When there is no terminal.
    pub fn take_beside(is_shared: bool) -> io::Result<Self> {
        Self::take_of(any_terminal()?, true, is_shared)
    }

    fn take_of(terminal: OwnedFd, is_beside: bool, is_shared: bool) -> io::Result<Self> {
        termios::tcgetattr(&terminal)?;
        let mut keyboard = Self { terminal: register(terminal)?, found: None, is_beside, is_shared };
        keyboard.make_raw();
        Ok(keyboard)
    }

    /// Whether it was taken as one that is shared.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn is_in_background(&self) -> bool {
        in_background_of(self.terminal.get_ref().as_fd())
    }

    /// Sets the modes, if another program has changed them meanwhile. Those of [`OwnLines`] stay.
    pub fn make_raw(&mut self) {
        if self.is_in_background() {
            return;
        }
        let own_lines = own_lines();
        let Ok(now) = termios::tcgetattr(self.terminal.get_ref()) else { return };
        let mut raw = now.clone();
        match self.is_shared {
            // The rest, such as what Enter is, stays as the programs around this one find it.
            true => {
                raw.local_flags
                    .remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ECHONL | LocalFlags::IEXTEN);
                set_read_one(&mut raw.control_chars);
            }
            false => termios::cfmakeraw(&mut raw),
        }
        if *own_lines {
            raw.output_flags = now.output_flags;
        }
        let mut processed = LocalFlags::ICANON | LocalFlags::ECHO;
        processed.set(LocalFlags::ISIG, !self.is_shared);
        let is_processed = !self.is_shared && now.output_flags != raw.output_flags;
        if now.local_flags.intersects(processed) || is_processed {
            if self.is_beside {
                restore::note_shared(true);
            }
            // It fails only if the terminal is gone.
            let _ = termios::tcsetattr(self.terminal.get_ref(), SetArg::TCSANOW, &raw);
            self.found.get_or_insert(now);
        }
    }

    /// What is typed next; nothing when the terminal is gone. If the keyboard is shared it ends with a line at the latest: the next one
    /// may be for another program. Cancel-safe.
    ///
    /// # Errors
    /// An error of the system.
    pub async fn read(&mut self) -> io::Result<Vec<u8>> {
        loop {
            come_to_front(self.terminal.get_ref().as_fd()).await;
            self.make_raw();
            let mut ready = self.terminal.readable().await?;
            // Whoever is in front reads what is there now.
            if self.is_in_background() {
                continue;
            }
            // Another program has read it.
            if !has_bytes(self.terminal.get_ref().as_fd()) {
                ready.clear_ready();
                continue;
            }
            drop(ready);
            let read = if self.is_shared { self.read_in_line() } else { self.read_up_to(BLOCK) };
            match read {
                Ok(bytes) => return Ok(bytes),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read_up_to(&self, most: usize) -> nix::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let count = nix::unistd::read(self.terminal.get_ref(), &mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Reads what there is of a line.
    fn read_in_line(&self) -> nix::Result<Vec<u8>> {
        let modes = termios::tcgetattr(self.terminal.get_ref())?;
        let end = modes.control_chars.get(SpecialCharacterIndices::VEOF as usize).copied();
        let ends_line = |last: &u8| matches!(last, b'\n' | b'\r') || Some(*last) == end;
        let mut bytes = self.read_up_to(1)?;
        while bytes.len() < BLOCK
            && bytes.last().is_some_and(|last| !ends_line(last))
            && has_bytes(self.terminal.get_ref().as_fd())
        {
            match self.read_up_to(1) {
                Ok(next) if !next.is_empty() => bytes.extend(next),
                // It shows again at the next read.
                _ => break,
            }
        }
        Ok(bytes)
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        if let Some(found) = &self.found
            && !self.is_in_background()
        {
            let _ = termios::tcsetattr(self.terminal.get_ref(), SetArg::TCSANOW, found);
        }
        if self.is_beside {
            restore::note_shared(false);
        }
    }
}

/// Other programs have the terminal too from here on. Where this program ends or stops, the modes that those have set stay.
pub fn share_terminal() {
    any_terminal().into_iter().for_each(restore::share);
}

/// The terminal, by standard input or by its own name.
fn any_terminal() -> io::Result<OwnedFd> {
    match io::stdin().is_terminal() {
        true => io::stdin().as_fd().try_clone_to_owned(),
        false => Ok(File::options().read(true).write(true).open("/dev/tty")?.into()),
    }
}

/// Waits while another program has the terminal. Nothing tells a program that a shell has given it the terminal, if it was not
/// suspended: `fg` sends it no signal then.
async fn come_to_front(terminal: BorrowedFd<'_>) {
    while in_background_of(terminal) {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

#[allow(unsafe_code)]
fn register(stdin: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by what is registered, so it is open and the same for as long as that lives.
    Ok(unsafe { AsyncFd::register(stdin) }?)
}

fn has_bytes(stdin: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(stdin, PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// A guard while this program writes lines of its own between the output of a program that has the keyboard: `\n` returns the
/// carriage. Dropping it restores the previous modes.
#[derive(Debug)]
pub struct OwnLines(Option<OutputFlags>);

impl OwnLines {
    /// Begins.
    pub fn begin() -> Self {
        if in_background() {
            return Self(None);
        }
        let _ = termios::tcdrain(io::stdin());
        let mut own_lines = own_lines();
        let Ok(mut mode) = termios::tcgetattr(io::stdin()) else { return Self(None) };
        let found = mode.output_flags;
        mode.output_flags.insert(OutputFlags::OPOST | OutputFlags::ONLCR);
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &mode);
        *own_lines = true;
        Self(Some(found))
    }
}

impl Drop for OwnLines {
    fn drop(&mut self) {
        let Some(found) = self.0 else { return };
        let is_in_front = !in_background();
        if is_in_front {
            let _ = termios::tcdrain(io::stdin());
        }
        let mut own_lines = own_lines();
        *own_lines = false;
        if is_in_front && let Ok(mut mode) = termios::tcgetattr(io::stdin()) {
            mode.output_flags = found;
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &mode);
        }
    }
}
