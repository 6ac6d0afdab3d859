//! How this program ends: one table of exit codes.

use crate::terminal::FatalSignal;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitStatus {
    /// All is well.
    Ok,
    /// The remote program ended with this code.
    Remote(i32),
    /// Something of ours failed, and no other line here says what.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// No connection could be made.
    Connect,
    /// The server refused: wrong key, not allowed, a quota.
    Refused,
    /// What was named is not there: a session, an image, an interpreter.
    NotFound,
    /// A limit of time passed.
    TimedOut,
    /// The session or the connection was lost on the way.
    Lost,
}

impl ExitStatus {
    /// What a shell gives to a program that this signal ended.
    pub(super) fn of_signal(signal: FatalSignal) -> Self {
        ExitStatus::Remote(if signal == FatalSignal::HangUp { 129 } else { 143 })
    }

    /// The process's exit code. A remote code that does not fit keeps its low eight bits, as in a shell; one that
    /// would then read as success reads as 1.
    pub(super) fn code(self) -> u8 {
        match self {
            ExitStatus::Ok => 0,
            ExitStatus::Remote(code) => match u8::try_from(code & 0xff) {
                Ok(0) if code != 0 => 1,
                Ok(low) => low,
                Err(_) => 1,
            },
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
    fn a_remote_code_is_passed_on_and_failure_never_reads_as_success() {
        for (remote, code) in
            [(0, 0), (3, 3), (255, 255), (256, 1), (-1, 255), (-9, 247), (i32::MIN, 1), (130, 130)]
        {
            assert_eq!(ExitStatus::Remote(remote).code(), code, "{remote}");
        }
    }
}
