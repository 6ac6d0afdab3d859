//! The number of files that this program may have open, checked before it starts: with fewer it cannot even report what it
//! lacks later.

use super::error::CliError;
use super::exit_status::ExitStatus;
use bai_protocol::machine_limit::MachineLimit;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The runtime, the engine and a connection to it need so many. Sessions need more.
const FEWEST: u64 = 20;
/// A limit below it is raised, where that is allowed.
const ENOUGH: u64 = 64;

/// Raises the limit if it is very low, and refuses one that is too low.
pub(super) fn check() -> Result<(), CliError> {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(()) };
    let wanted = soft.max(ENOUGH.min(hard));
    let is_raised = wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
    let limit = if is_raised { wanted } else { soft };
    if limit >= FEWEST {
        return Ok(());
    }
    let clause = MachineLimit::OpenFiles.clause();
    let sentence = format!("cannot start: {clause} than {limit}, and needs {FEWEST}");
    Err(CliError::new(ExitStatus::Failed, sentence).hint(MachineLimit::OpenFiles.hint()))
}
