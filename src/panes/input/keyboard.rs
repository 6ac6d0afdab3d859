//! Reading standard input without taking more than is needed: what is typed after the key that leaves a view stays in
//! the terminal's queue for who comes next.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What there is to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    /// Standard input has bytes, or has ended.
    pub(crate) keys: bool,
    /// The view was woken.
    pub(crate) woken: bool,
    /// Standard output has room.
    pub(crate) room: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waited<'a> {
    /// Look at standard input.
    pub(crate) keys: bool,
    /// The view's pipe; none when a bell can wait until the time has come.
    pub(crate) wake: Option<BorrowedFd<'a>>,
    /// Look whether standard output has room.
    pub(crate) room: bool,
    /// When to return in any case.
    pub(crate) until: Option<Instant>,
}

/// Waits for one of them.
///
/// # Errors
/// When the kernel refuses; an interruption is not an error.
pub(crate) fn wait(waited: Waited<'_>) -> io::Result<Ready> {
    let stdin = io::stdin();
    let stdout = io::stdout();
    let wants = |on: bool, flag| if on { flag } else { PollFlags::empty() };
    let mut fds = [
        PollFd::new(waited.wake.unwrap_or(stdin.as_fd()), wants(waited.wake.is_some(), PollFlags::POLLIN)),
        PollFd::new(stdin.as_fd(), wants(waited.keys, PollFlags::POLLIN)),
        PollFd::new(stdout.as_fd(), wants(waited.room, PollFlags::POLLOUT)),
    ];
    match poll(&mut fds, timeout(waited.until)) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(Ready::default()),
        Err(error) => return Err(error.into()),
    }
    let [wake, keys, room] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
    Ok(Ready {
        woken: waited.wake.is_some() && !wake.is_empty(),
        keys: waited.keys && !keys.is_empty(),
        room: waited.room && !room.is_empty(),
    })
}

/// Rounded up to whole milliseconds, so that the time has come when `poll` returns.
fn timeout(until: Option<Instant>) -> PollTimeout {
    let Some(until) = until else { return PollTimeout::NONE };
    let rest = until.saturating_duration_since(Instant::now());
    let millis = rest.as_millis() + u128::from(rest.subsec_nanos() % 1_000_000 != 0);
    PollTimeout::try_from(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
        .unwrap_or(PollTimeout::MAX)
}

/// How many bytes are there to be read.
pub(crate) fn available() -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, and the pointer is to a live one.
    #[allow(unsafe_code)]
    let result = unsafe { libc::ioctl(libc::STDIN_FILENO, libc::FIONREAD, &raw mut count) };
    if result == 0 { usize::try_from(count).unwrap_or(0) } else { 0 }
}

/// Reads at most `buffer` bytes from standard input; 0 is its end.
///
/// # Errors
/// When it cannot be read; a terminal that has hung up is the end.
pub(crate) fn read_some(buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match nix::unistd::read(io::stdin().as_fd(), buffer) {
            Err(Errno::EINTR) => {}
            Err(Errno::EIO) => return Ok(0),
            other => return Ok(other?),
        }
    }
}
