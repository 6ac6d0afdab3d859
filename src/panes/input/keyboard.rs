//! Reads standard input byte by byte if necessary: keys typed after the key that leaves a view stay in the terminal's
//! queue for the next reader.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The result of [`wait`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ready {
    /// Whether standard input has bytes, or has ended.
    pub(crate) keys: bool,
    /// Whether the view was woken.
    pub(crate) woken: bool,
    /// Whether standard output has room.
    pub(crate) room: bool,
}

/// The conditions for [`wait`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitFor<'a> {
    /// Wait for bytes on standard input.
    pub(crate) keys: bool,
    /// The view's wake pipe; `None` if a wake-up can wait until the deadline.
    pub(crate) wake: Option<BorrowedFd<'a>>,
    /// Wait for room on standard output.
    pub(crate) room: bool,
    /// The deadline.
    pub(crate) until: Option<Instant>,
}

/// Waits for one of the conditions.
///
/// # Errors
/// When `poll(2)` fails; an interruption is not an error.
pub(crate) fn wait(conditions: WaitFor<'_>) -> io::Result<Ready> {
    let stdin = io::stdin();
    let stdout = io::stdout();
    let wants = |on: bool, flag| if on { flag } else { PollFlags::empty() };
    let mut fds = [
        PollFd::new(
            conditions.wake.unwrap_or(stdin.as_fd()),
            wants(conditions.wake.is_some(), PollFlags::POLLIN),
        ),
        PollFd::new(stdin.as_fd(), wants(conditions.keys, PollFlags::POLLIN)),
        PollFd::new(stdout.as_fd(), wants(conditions.room, PollFlags::POLLOUT)),
    ];
    match poll(&mut fds, timeout(conditions.until)) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok(Ready::default()),
        Err(error) => return Err(error.into()),
    }
    let [wake, keys, room] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
    Ok(Ready {
        woken: conditions.wake.is_some() && !wake.is_empty(),
        keys: conditions.keys && !keys.is_empty(),
        room: conditions.room && !room.is_empty(),
    })
}

/// The time left, rounded up to whole milliseconds, so that the deadline has passed when `poll` returns.
fn timeout(until: Option<Instant>) -> PollTimeout {
    let Some(until) = until else { return PollTimeout::NONE };
    let rest = until.saturating_duration_since(Instant::now());
    let millis = rest.as_millis() + u128::from(rest.subsec_nanos() % 1_000_000 != 0);
    PollTimeout::try_from(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
        .unwrap_or(PollTimeout::MAX)
}

/// The number of bytes that can be read without waiting.
pub(crate) fn available() -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, and the pointer is to a live one.
    #[allow(unsafe_code)]
    let result = unsafe { libc::ioctl(libc::STDIN_FILENO, libc::FIONREAD, &raw mut count) };
    if result == 0 { usize::try_from(count).unwrap_or(0) } else { 0 }
}

/// Reads up to the length of `buffer` from standard input. Returns 0 at its end.
///
/// # Errors
/// When it cannot be read. A terminal that has hung up is the end, not an error.
pub(crate) fn read_some(buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match nix::unistd::read(io::stdin().as_fd(), buffer) {
            Err(Errno::EINTR) => {}
            Err(Errno::EIO) => return Ok(0),
            other => return Ok(other?),
        }
    }
}
