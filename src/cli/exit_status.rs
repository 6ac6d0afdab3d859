//! The exit codes of this program.

use crate::terminal::FatalSignal;
use nix::sys::signal::{SigSet, Signal};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitStatus {
    /// Success.
    Ok,
    /// The remote program ended with this code.
    Remote(i32),
    /// Ctrl-C has ended it before its result was known. A command that shows what comes until Ctrl-C has succeeded then.
    Interrupted(Interrupt),
    /// This signal has reached this program and ended what it did. This program ends by it too.
    EndedBy(Signal),
    /// Another error of this program.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// No connection could be made.
    Connect,
    /// The server refused, because of a wrong key, a permission or a quota.
    Refused,
    /// A session, an image or an interpreter does not exist.
    NotFound,
    /// A time limit has passed.
    TimedOut,
    /// The session or the connection was lost.
    Lost,
}

/// How Ctrl-C came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// As a signal.
    Signal,
    /// As a key that the script's own terminal has made an interrupt. The programs around this one have not seen it.
    Key,
}

impl ExitStatus {
    /// That of a program that this signal ended.
    pub(super) fn of_signal(signal: FatalSignal) -> Self {
        ExitStatus::EndedBy(signal.into())
    }

    /// What this status is where these signals were passed on to the remote program: the code of a shell tells that one has ended it.
    pub(super) fn after_signals(self, passed: SigSet) -> Self {
        let ends = |signal: &Signal| self == ExitStatus::Remote(128 + *signal as i32);
        passed.iter().find(ends).map_or(self, ExitStatus::EndedBy)
    }

    /// The exit code of the process. A remote code that does not fit is reduced to its low eight bits, as in a shell; if those
    /// are 0 although it failed, the code is 1.
    pub(super) fn code(self) -> u8 {
        match self {
            ExitStatus::Ok => 0,
            ExitStatus::Remote(code) => match u8::try_from(code & 0xff) {
                Ok(0) if code != 0 => 1,
                Ok(low) => low,
                Err(_) => 1,
            },
            ExitStatus::Interrupted(_) => 130,
            ExitStatus::EndedBy(signal) => u8::try_from(128 + signal as i32).unwrap_or(1),
            ExitStatus::Failed => 1,
            ExitStatus::Usage => 2,
            ExitStatus::Connect => 121,
            ExitStatus::Refused => 122,
            ExitStatus::NotFound => 123,
            ExitStatus::TimedOut => 124,
            ExitStatus::Lost => 125,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_exit_code_is_returned_and_a_failure_is_never_0() {
        for (remote, code) in
            [(0, 0), (3, 3), (255, 255), (256, 1), (-1, 255), (-9, 247), (i32::MIN, 1), (130, 130)]
        {
            assert_eq!(ExitStatus::Remote(remote).code(), code, "{remote}");
        }
    }
}
