//! The standard streams of this program that a script gets as its own: pipes, files and devices that are no terminal. An engine in this
//! process lends them to the program of the script, so that nothing is between the two, and nothing of them is seen here. Streams that
//! were closed at the start, or whose content this program itself turns into something else, are not lent.

use super::closed_streams::is_closed;
use super::code::Code;
use crate::terminal::Screen;
use bai_engine::ScriptStreams;
use nix::sys::stat::{SFlag, fstat};
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The streams for this code, if it is a script to which an engine of this process can lend some.
pub(super) fn lent(code: &Code, screen: &Screen) -> ScriptStreams {
    let Screen { stdin_tty, stdout_tty, stderr_tty, .. } = *screen;
    let is_at_terminal = code.has_own_terminal();
    // Beside a terminal that is not the script's own, what it writes elsewhere is to look as it does there.
    let is_beside = !is_at_terminal && (stdin_tty || stdout_tty || stderr_tty);
    if !code.ends_with_session() || is_beside {
        return ScriptStreams::default();
    }
    // What another program reads may be shown at the terminal before we show there what the script wrote to it earlier.
    let output = |stream: BorrowedFd<'_>| if is_at_terminal && is_read(stream) { None } else { copy(stream) };
    ScriptStreams::lend([
        if code.stdin_is_free { copy(stdin().as_fd()) } else { None },
        output(stdout().as_fd()),
        output(stderr().as_fd()),
    ])
}

/// Whether another program reads what is written there.
fn is_read(stream: BorrowedFd<'_>) -> bool {
    fstat(stream)
        .map(|status| SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT)
        .is_ok_and(|kind| kind == SFlag::S_IFIFO || kind == SFlag::S_IFSOCK)
}

/// A descriptor of the same file, which programs do not inherit by themselves. None of a terminal, and of a stream that was closed.
fn copy(stream: BorrowedFd<'_>) -> Option<OwnedFd> {
    if stream.is_terminal() || is_closed(&stream) { None } else { stream.try_clone_to_owned().ok() }
}
