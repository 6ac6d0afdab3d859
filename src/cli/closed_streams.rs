//! Whether this program was started with a standard stream that is closed. The language's runtime opens `/dev/null` in its place, so that
//! data would vanish, and a missing file would be an empty one.

use super::error::CliError;
use super::exit_status::ExitStatus;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{fstat, stat};
use std::os::fd::AsFd;

/// Refuses to go on without a standard stream, whose `name` is "input" or "output".
pub(super) fn refuse_closed(stream: &impl AsFd, name: &str) -> Result<(), CliError> {
    if is_closed(stream) {
        return Err(CliError::new(ExitStatus::Failed, format!("standard {name} is closed")));
    }
    Ok(())
}

/// Whether the stream is a closed one. The runtime opens `/dev/null` to read and to write. A shell opens it in one direction.
pub(super) fn is_closed(stream: &impl AsFd) -> bool {
    let (Ok(found), Ok(null)) = (fstat(stream), stat("/dev/null")) else { return true };
    let flags = fcntl(stream, FcntlArg::F_GETFL).map(OFlag::from_bits_truncate);
    let is_both_ways = flags.is_ok_and(|flags| flags & OFlag::O_ACCMODE == OFlag::O_RDWR);
    found.st_rdev == null.st_rdev && found.st_rdev != 0 && is_both_ways
}
