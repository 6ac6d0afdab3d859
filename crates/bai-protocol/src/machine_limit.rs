//! Limits of a machine, told by the error of a call that would exceed one: which limit it is, and what a person can do. The
//! text of such an error alone leads astray: "Resource temporarily unavailable" does not sound like too many processes.

use std::io::{self, ErrorKind};

/// A limit that a call has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineLimit {
    /// The open files of this process.
    OpenFiles,
    /// The open files of the system.
    OpenFilesOfSystem,
    /// The processes and threads of the user.
    Processes,
    /// The memory.
    Memory,
    /// The space on the disk.
    Disk,
    /// The user's share of the disk.
    Quota,
    /// The size of a file.
    FileSize,
}

/// Error numbers that have no [`ErrorKind`]; they are the same on every system that this program runs on.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

impl MachineLimit {
    /// The limit that this error of the system tells of. A call that would have to wait looks like one that finds too many
    /// processes, so the error must not come from a call that does not wait.
    pub fn of(error: &io::Error) -> Option<Self> {
        // Libraries that add the name of a file keep only the kind.
        let number = error.raw_os_error();
        Some(match error.kind() {
            _ if number == Some(EMFILE) => MachineLimit::OpenFiles,
            _ if number == Some(ENFILE) => MachineLimit::OpenFilesOfSystem,
            ErrorKind::WouldBlock if number.is_some() => MachineLimit::Processes,
            ErrorKind::OutOfMemory => MachineLimit::Memory,
            ErrorKind::StorageFull => MachineLimit::Disk,
            ErrorKind::QuotaExceeded => MachineLimit::Quota,
            ErrorKind::FileTooLarge => MachineLimit::FileSize,
            _ => return None,
        })
    }

    /// What is the matter, as a clause.
    pub fn clause(self) -> &'static str {
        match self {
            MachineLimit::OpenFiles => "this program may not have more files open",
            MachineLimit::OpenFilesOfSystem => "the system cannot have more files open",
            MachineLimit::Processes => "this user may not have more processes and threads",
            MachineLimit::Memory => "there is not enough memory",
            MachineLimit::Disk => "the disk is full",
            MachineLimit::Quota => "the disk quota of this user is used up",
            MachineLimit::FileSize => "files may not become larger",
        }
    }

    /// What a person can do, as a sentence without its full stop.
    pub fn hint(self) -> &'static str {
        match self {
            MachineLimit::OpenFiles => "ulimit -n shows the limit, and raises it where that is allowed",
            MachineLimit::OpenFilesOfSystem => "close other programs",
            MachineLimit::Processes => {
                "close other programs; ulimit -u shows the limit, and raises it where that is allowed"
            }
            MachineLimit::Memory => {
                "close other programs; ulimit -v shows a limit of this program, if it has one"
            }
            MachineLimit::Disk => "remove files; TMPDIR names another folder for temporary files",
            MachineLimit::Quota => "remove files; quota shows the limit",
            MachineLimit::FileSize => "ulimit -f shows the limit, and raises it where that is allowed",
        }
    }
}

/// The error in words: the limit that it tells of, or the system's own words.
pub fn explain(error: &io::Error) -> String {
    MachineLimit::of(error)
        .map_or_else(|| error.to_string(), |limit| format!("{} ({})", limit.clause(), limit.hint()))
}

/// As [`explain`]; another error is followed by what a person can do about it.
pub fn explain_or(error: &io::Error, hint: &str) -> String {
    if MachineLimit::of(error).is_some() { explain(error) } else { format!("{error}; {hint}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_name_their_limit() {
        #[cfg(target_os = "linux")]
        for (number, limit) in [
            (24, Some(MachineLimit::OpenFiles)),
            (23, Some(MachineLimit::OpenFilesOfSystem)),
            (11, Some(MachineLimit::Processes)),
            (12, Some(MachineLimit::Memory)),
            (28, Some(MachineLimit::Disk)),
            (122, Some(MachineLimit::Quota)),
            (27, Some(MachineLimit::FileSize)),
            (2, None),
        ] {
            assert_eq!(MachineLimit::of(&io::Error::from_raw_os_error(number)), limit, "{number}");
        }
        assert_eq!(MachineLimit::of(&ErrorKind::WouldBlock.into()), None);
        assert_eq!(
            MachineLimit::of(&io::Error::new(ErrorKind::StorageFull, "a file")),
            Some(MachineLimit::Disk)
        );
        assert!(explain(&io::Error::from_raw_os_error(24)).contains("ulimit -n"));
        assert!(explain(&io::Error::from_raw_os_error(2)).starts_with("No such file"));
    }
}
