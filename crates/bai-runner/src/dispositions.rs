//! The signal dispositions of a child process: it begins with the default action for each signal, and with none blocked.
//!
//! Our process may have been started with ignored signals, by `nohup`, by a shell's `&` or by a CI system. A child would
//! inherit that, and an interpreter that starts with SIGINT ignored cannot be interrupted.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};

/// Gives the child of this command the defaults.
#[allow(unsafe_code)]
pub(crate) fn by_default(command: &mut Command) -> &mut Command {
    // SAFETY: `reset` only makes system calls that are safe after fork; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(reset) }
}

/// Runs in the child between fork and exec.
#[allow(unsafe_code)]
fn reset() -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default action runs no code of ours.
        unsafe { sigaction(signal, &default) }?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}
